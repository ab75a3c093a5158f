#ifndef HW_AMC_CONCATENATE_H_
#define HW_AMC_CONCATENATE_H_

// Channels of several branches beside each other; the result's format holds every value of each.

#include "hw_amc_types.h"

namespace hw_amc {

// The channels of one branch, from the first of theirs in the result on.
template <unsigned FIRST, class data_T, class res_T> void place_branch(hls::stream<data_T> &data, res_T &out) {
    #pragma HLS INLINE
    const data_T in = data.read();
    for (unsigned c = 0; c < data_T::size; c++) {
        #pragma HLS UNROLL
        out[FIRST + c] = in[c];
    }
}

template <class a_T, class b_T, class res_T, typename CONFIG_T>
void concatenate(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        res_T out;
        #pragma HLS DATA_PACK variable=out
        place_branch<0>(a, out);
        place_branch<a_T::size>(b, out);
        res.write(out);
    }
}

template <class a_T, class b_T, class c_T, class res_T, typename CONFIG_T>
void concatenate(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<c_T> &c, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        res_T out;
        #pragma HLS DATA_PACK variable=out
        place_branch<0>(a, out);
        place_branch<a_T::size>(b, out);
        place_branch<a_T::size + b_T::size>(c, out);
        res.write(out);
    }
}

template <class a_T, class b_T, class c_T, class d_T, class res_T, typename CONFIG_T>
void concatenate(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<c_T> &c, hls::stream<d_T> &d,
                 hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        res_T out;
        #pragma HLS DATA_PACK variable=out
        place_branch<0>(a, out);
        place_branch<a_T::size>(b, out);
        place_branch<a_T::size + b_T::size>(c, out);
        place_branch<a_T::size + b_T::size + c_T::size>(d, out);
        res.write(out);
    }
}

} // namespace hw_amc

#endif
