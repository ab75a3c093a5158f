#ifndef HW_AMC_CONV1D_H_
#define HW_AMC_CONV1D_H_

// Convolution over time, stride 1, padding same: a product of a window of samples at each step.

#include "hw_amc_linear.h"

namespace hw_amc {

// The window moves by one sample; behind the frame's end zeros come in.
template <class data_T, typename CONFIG_T>
void conv1d_read(int t, hls::stream<data_T> &data, typename CONFIG_T::operand_raw_t *window) {
    #pragma HLS INLINE
    const unsigned kept = (CONFIG_T::width - 1) * data_T::size;
    for (unsigned i = 0; i < kept; i++) {
        #pragma HLS UNROLL
        window[i] = window[i + data_T::size];
    }
    if (t < CONFIG_T::steps) {
        linear_read<data_T, CONFIG_T>(data, window + kept);
    } else {
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            clear(window[kept + c]);
        }
    }
}

template <class data_T, typename CONFIG_T> void conv1d_clear(typename CONFIG_T::operand_raw_t *window) {
    #pragma HLS INLINE
    for (unsigned i = 0; i < CONFIG_T::width * data_T::size; i++) {
        #pragma HLS UNROLL
        clear(window[i]);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void conv1d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::operand_raw_t window[CONFIG_T::width * data_T::size];
    #pragma HLS ARRAY_PARTITION variable=window complete
    conv1d_clear<data_T, CONFIG_T>(window);
Steps:
    for (int t = 0; t < CONFIG_T::steps + CONFIG_T::ahead; t++) {
        #pragma HLS PIPELINE II=1
        conv1d_read<data_T, CONFIG_T>(t, data, window);
        if (t >= CONFIG_T::ahead) {
            typename CONFIG_T::acc_raw_t m[res_T::size];
            #pragma HLS ARRAY_PARTITION variable=m complete
            CONFIG_T::product::all(window, m);
            linear_write<res_T, CONFIG_T>(m, res);
        }
    }
}

// As linear_folded; a step in which the window only fills has its first round alone.
template <class data_T, class res_T, typename CONFIG_T>
void conv1d_folded(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product product;
    typename CONFIG_T::operand_raw_t window[CONFIG_T::width * data_T::size];
    typename CONFIG_T::acc_raw_t sums[product::lanes], m[res_T::size];
    #pragma HLS ARRAY_PARTITION variable=window complete
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_PARTITION variable=m complete
    conv1d_clear<data_T, CONFIG_T>(window);
    int t = 0, r = -1;
Rounds:
    for (int i = 0; i < CONFIG_T::ahead + CONFIG_T::steps * (product::rounds + 1); i++) {
        #pragma HLS PIPELINE II=1
        if (r < 0) {
            conv1d_read<data_T, CONFIG_T>(t, data, window);
        } else {
            folded::round<product>(r, window, sums);
            if (product::ends(r))
                product::keep(product::position(r), sums, m);
            if (r == product::rounds - 1)
                linear_write<res_T, CONFIG_T>(m, res);
        }
        if (t < CONFIG_T::ahead || r == product::rounds - 1) {
            t++;
            r = -1;
        } else {
            r++;
        }
    }
}

} // namespace hw_amc

#endif
