#include "hw_amc_core.h"

static void unpack(hls::stream<sample_word_t> &samples, hls::stream<@INPUT_T@> &frame) {
Samples:
    for (int t = 0; t < @T@; t++) {
        #pragma HLS PIPELINE II=1
        const sample_word_t word = samples.read();
        @INPUT_T@ sample;
        HW_AMC_PACK(sample)
        sample[0] = hw_amc::field<@INPUT_T@::value_type, 0>(word);
        sample[1] = hw_amc::field<@INPUT_T@::value_type, @FIELD_BITS@>(word);
        frame.write(sample);
    }
}

static void pack(hls::stream<@RESULT_T@> &results, hls::stream<logit_word_t> &logits) {
    const @RESULT_T@ result = results.read();
Logits:
    for (unsigned c = 0; c < @RESULT_T@::size; c++) {
        #pragma HLS PIPELINE II=1
        logit_word_t word;
        hw_amc::clear(word);
        hw_amc::accumulate(word, result[c]);
        logits.write(word);
    }
}

void hw_amc_core(hls::stream<sample_word_t> &samples, hls::stream<logit_word_t> &logits) {
    #pragma HLS INTERFACE axis port=samples
    #pragma HLS INTERFACE axis port=logits
    #pragma HLS INTERFACE ap_ctrl_none port=return
    #pragma HLS DATAFLOW

    hls::stream<@INPUT_T@> frame("frame");
    #pragma HLS STREAM variable=frame depth=2
    hls::stream<@RESULT_T@> results("results");
    #pragma HLS STREAM variable=results depth=2

    unpack(samples, frame);
    @NETWORK@(frame, results);
    pack(results, logits);
}
