#include "hw_amc_core.h"

static void unpack(hls::stream<sample_word_t> &samples, hls::stream<@INPUT_T@> &frame) {
Samples:
    for (int t = 0; t < @T@; t++) {
        #pragma HLS PIPELINE II=1
        const sample_word_t word = samples.read();
        @INPUT_T@ sample;
        #pragma HLS DATA_PACK variable=sample
        sample[0] = hw_amc::field<@INPUT_T@::value_type, 0>(word);
        sample[1] = hw_amc::field<@INPUT_T@::value_type, @FIELD_BITS@>(word);
        frame.write(sample);
    }
}

template <class head_T> void pack_head(hls::stream<head_T> &head, hls::stream<logit_word_t> &logits) {
    #pragma HLS INLINE
    const head_T result = head.read();
Logits:
    for (unsigned c = 0; c < head_T::size; c++) {
        #pragma HLS PIPELINE II=1
        logit_word_t word;
        hw_amc::clear(word);
        hw_amc::accumulate(word, result[c]);
        logits.write(word);
    }
}

static void pack(@HEAD_PARAMETERS@, hls::stream<logit_word_t> &logits) {
@PACKED@
}

void hw_amc_core(hls::stream<sample_word_t> &samples, hls::stream<logit_word_t> &logits) {
    #pragma HLS INTERFACE axis port=samples
    #pragma HLS INTERFACE axis port=logits
    #pragma HLS INTERFACE ap_ctrl_none port=return
    #pragma HLS DATAFLOW

    hls::stream<@INPUT_T@> frame("frame");
    #pragma HLS STREAM variable=frame depth=2
@HEAD_STREAMS@
    unpack(samples, frame);
    @NETWORK@(frame, @HEADS@);
    pack(@HEADS@, logits);
}
