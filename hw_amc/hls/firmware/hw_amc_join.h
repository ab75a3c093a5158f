#ifndef HW_AMC_JOIN_H_
#define HW_AMC_JOIN_H_

// Sums and differences of two branches: the result's format holds every value, so that nothing is rounded.

#include "hw_amc_types.h"

namespace hw_amc {

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void add_branches(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        const left_T a = left.read();
        const right_T b = right.read();
        res_T out;
        #pragma HLS DATA_PACK variable=out
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = a[c] + b[c];
        }
        res.write(out);
    }
}

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void subtract_branches(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        const left_T a = left.read();
        const right_T b = right.read();
        res_T out;
        #pragma HLS DATA_PACK variable=out
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = a[c] - b[c];
        }
        res.write(out);
    }
}

} // namespace hw_amc

#endif
