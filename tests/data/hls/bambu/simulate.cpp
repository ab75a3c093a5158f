// Frames through bambu's processes, each called once for a frame: sample words in, one logit a line out.
#include <cstdio>

#include "core.cpp"

int main() {
    hls::stream<sample_word_t>::channel samples;
    hls::stream<logit_word_t>::channel logits;
    for (int frame = 0; frame < FRAMES; frame++) {
        for (int t = 0; t < STEPS; t++) {
            unsigned word;
            if (std::scanf("%u", &word) != 1)
                return 2;
            samples.write(word);
        }
        hw_amc_core(samples, logits);
        while (!words.empty())
            process_logits(words, logits);
        while (!logits.empty())
            std::printf("%d\n", static_cast<int>(logits.read()));
    }
    return 0;
}
