#ifndef HW_AMC_CORE_H_
#define HW_AMC_CORE_H_

// The accelerator's core: bare AXI4-Streams, free running. In: one sample a word, I in the low and Q in the next
// byte-aligned field, already in the network's input format. Out: the frame's logits, one int32 a word. The core
// counts the @T@ samples of a frame itself.

#include "@NETWORK@.h"
#include "hw_amc_types.h"

typedef hw_amc::integer<@WORD_BITS@, false>::type sample_word_t;
typedef hw_amc::integer<32, true>::type logit_word_t;

void hw_amc_core(hls::stream<sample_word_t> &samples, hls::stream<logit_word_t> &logits);

#endif
