#ifndef HW_AMC_NATIVE_AP_INT_H_
#define HW_AMC_NATIVE_AP_INT_H_

#include "ap_fixed.h"

// Raw integers are GCC vectors here (hw_amc::integer). hls4ml's nnet_types.h names this type in a template that
// nothing instantiates.
template <int W> struct ap_uint {
    explicit ap_uint(unsigned long);
};

#endif
