// The core as processes, for bambu: a function for each, channels of file scope between them.

#include <cassert>
#include <cstddef>
#include <cstdio>
#include <type_traits>

#include "ac_channel.h"

// What INLINE asks of other tools, before clang's passes see any function by itself: they would select addresses in the
// place of values, and arrays of registers would become memories.
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)

// The function of the same name in the header has AMD's streams.
#define hw_amc_core hw_amc_core_of_streams
#include "hw_amc_core.h"
#undef hw_amc_core
#include "@NETWORK@.h"
#include "parameters.h"

@FUNCTIONS@

#pragma clang attribute pop

@CHANNELS@

@PROCESSES@
static void process_logits(hls::stream<logit_word_t>::channel &words, hls::stream<logit_word_t>::channel &logits) {
    hls::restore<logit_word_t>(words, logits);
}

#pragma HLS interface port=samples mode=axis
#pragma HLS interface port=logits mode=axis
extern "C" void hw_amc_core(hls::stream<sample_word_t>::channel &samples, hls::stream<logit_word_t>::channel &logits) {
    #pragma HLS dataflow
@CALLS@
    process_logits(words, logits);
}
