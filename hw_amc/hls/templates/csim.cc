// C simulation as a shared object: raw integers in, raw integers of any layer out.

#include "firmware/@NETWORK@.cpp"
#include "firmware/hw_amc_core.cpp"

// samples: (count, @T@, 2) in the network's input format; logits: (count, @LOGITS@), of all heads; sinks: one a layer,
// or null.
extern "C" void hw_amc_csim(const int *samples, long long count, int *logits, hw_amc::sink *sinks) {
    const int T = @T@, LOGITS = @LOGITS@;
    hw_amc::trace_state &state = hw_amc::tracing();
    state.sinks = sinks;
    for (long long first = 0; first < count; first += hw_amc::LANES) {
        state.frame = first;
        state.lanes = count - first < hw_amc::LANES ? static_cast<int>(count - first) : hw_amc::LANES;
        hls::stream<sample_word_t> in;
        hls::stream<logit_word_t> out;
        for (int t = 0; t < T; t++) {
            sample_word_t word;
            hw_amc::clear(word);
            for (int lane = 0; lane < state.lanes; lane++) {
                const int *sample = samples + ((first + lane) * T + t) * 2;
                const unsigned mask = (1u << @FIELD_BITS@) - 1;
                hw_amc::set_lane(word, lane, (sample[0] & mask) | (sample[1] & mask) << @FIELD_BITS@);
            }
            in.write(word);
        }
        hw_amc_core(in, out);
        for (int c = 0; c < LOGITS; c++) {
            const logit_word_t word = out.read();
            for (int lane = 0; lane < state.lanes; lane++)
                logits[(first + lane) * LOGITS + c] = static_cast<int>(hw_amc::get_lane(word, lane));
        }
    }
}
