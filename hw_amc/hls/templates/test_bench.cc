// Self-checking test bench: frames of raw integers in, every logit compared with the Keras model's integers. Built
// with -DHW_AMC_TRACE_LAYERS (C simulation only) it compares every layer that tb_data/ holds as layer_<name>.dat. The
// first difference is printed by frame and index with both integers, and the exit code is 1.
//
// The data lie in tb_data/ where the bench runs: the tools put that folder there.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "firmware/hw_amc_core.h"
#include "firmware/hw_amc_trace.h"

static const int FRAMES = @FRAMES@, T = @T@, LOGITS = @LOGITS@;

static std::vector<long long> load(const std::string &name, size_t expected) {
    const std::string path = "tb_data/" + name + ".dat";
    std::FILE *file = std::fopen(path.c_str(), "r");
    if (!file) {
        std::printf("ERROR: cannot open %s; run in the folder where tb_data lies\n", path.c_str());
        std::exit(1);
    }
    std::vector<long long> integers;
    long long value;
    while (std::fscanf(file, "%lld", &value) == 1)
        integers.push_back(value);
    std::fclose(file);
    if (integers.size() != expected) {
        std::printf("ERROR: %s holds %zu integers, expected %zu\n", path.c_str(), integers.size(), expected);
        std::exit(1);
    }
    return integers;
}

static long compare(const char *layer, const std::vector<long long> &wanted, const std::vector<long long> &got) {
    const size_t size = wanted.size() / FRAMES;
    long wrong = 0;
    for (size_t i = 0; i < wanted.size(); i++) {
        if (wanted[i] == got[i])
            continue;
        if (!wrong)
            std::printf("MISMATCH: layer %s frame %zu index %zu: expected %lld, got %lld\n", layer, i / size, i % size,
                        wanted[i], got[i]);
        wrong++;
    }
    std::printf("%s: %ld of %zu integers differ\n", layer, wrong, wanted.size());
    return wrong;
}

#ifdef HW_AMC_TRACE_LAYERS
struct traced_layer {
    const char *name;
    int index;
    int size; // integers in a frame
};
static const traced_layer TRACED[] = {@TRACED@{0, 0, 0}};
#endif

int main() {
    const std::vector<long long> samples = load("samples", size_t(FRAMES) * T * 2);
    const std::vector<long long> wanted = load("logits", size_t(FRAMES) * LOGITS);
    std::vector<long long> got;
    long wrong = 0;

#ifdef HW_AMC_TRACE_LAYERS
    std::vector<hw_amc::sink> sinks(@LAYERS@);
    std::vector<std::vector<long long> > tensors(@LAYERS@);
    for (const traced_layer *layer = TRACED; layer->name; layer++) {
        tensors[layer->index].resize(size_t(FRAMES) * layer->size);
        sinks[layer->index].data = tensors[layer->index].data();
        sinks[layer->index].bytes = 8;
    }
    hw_amc::tracing().sinks = sinks.data();
    hw_amc::tracing().lanes = 1;
#endif

    for (int frame = 0; frame < FRAMES; frame++) {
        hls::stream<sample_word_t> in("in");
        hls::stream<logit_word_t> out("out");
#ifdef HW_AMC_TRACE_LAYERS
        hw_amc::tracing().frame = frame;
#endif
        for (int t = 0; t < T; t++) {
            const unsigned mask = (1u << @FIELD_BITS@) - 1;
            const long long *sample = &samples[(size_t(frame) * T + t) * 2];
            sample_word_t word = (unsigned(sample[0]) & mask) | (unsigned(sample[1]) & mask) << @FIELD_BITS@;
            in.write(word);
        }
        hw_amc_core(in, out);
        for (int c = 0; c < LOGITS; c++)
            got.push_back(out.read().to_int());
        if (!out.empty()) {
            std::printf("MISMATCH: frame %d: more than %d logits\n", frame, LOGITS);
            wrong++;
        }
    }

#ifdef HW_AMC_TRACE_LAYERS
    for (const traced_layer *layer = TRACED; layer->name; layer++) {
        const std::vector<long long> &tensor = tensors[layer->index];
        wrong += compare(layer->name, load(std::string("layer_") + layer->name, tensor.size()), tensor);
    }
#endif
    wrong += compare("logits", wanted, got);
    std::printf(wrong ? "FAIL\n" : "PASS: %d frames\n", FRAMES);
    return wrong ? 1 : 0;
}
