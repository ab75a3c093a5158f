#ifndef HW_AMC_CONVOLVE_H_
#define HW_AMC_CONVOLVE_H_

// Convolution over an image, or over time with strides, dilation or padding of any sort: a product of each window.

#include "hw_amc_linear.h"
#include "hw_amc_window.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T>
void convolve(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::operand_raw_t window[CONFIG_T::span_rows * CONFIG_T::span_columns * data_T::size];
    typename CONFIG_T::lines_t lines;
    #pragma HLS ARRAY_PARTITION variable=window complete
    scan_state at;
    scan_begin<CONFIG_T>(at);
Places:
    for (int i = 0; i < CONFIG_T::height * CONFIG_T::width; i++) {
        #pragma HLS PIPELINE II=1
        window_read<data_T, CONFIG_T>(at, data, lines, window);
        if (scan_due(at)) {
            typename CONFIG_T::acc_raw_t m[res_T::size];
            #pragma HLS ARRAY_PARTITION variable=m complete
            CONFIG_T::product::all(window, m);
            linear_write<res_T, CONFIG_T>(m, res);
        }
        scan_next<CONFIG_T>(at);
    }
}

// As linear_folded; a place where no window ends has its first round alone.
template <class data_T, class res_T, typename CONFIG_T>
void convolve_folded(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product product;
    typename CONFIG_T::operand_raw_t window[CONFIG_T::span_rows * CONFIG_T::span_columns * data_T::size];
    typename CONFIG_T::acc_raw_t sums[product::lanes], m[res_T::size];
    typename CONFIG_T::lines_t lines;
    #pragma HLS ARRAY_PARTITION variable=window complete
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_PARTITION variable=m complete
    scan_state at;
    scan_begin<CONFIG_T>(at);
    int r = -1;
Rounds:
    for (int i = 0; i < CONFIG_T::height * CONFIG_T::width + CONFIG_T::steps * product::rounds; i++) {
        #pragma HLS PIPELINE II=1
        const bool due = scan_due(at);
        if (r < 0) {
            window_read<data_T, CONFIG_T>(at, data, lines, window);
        } else {
            folded::round<product>(r, window, sums);
            if (product::ends(r))
                product::keep(product::position(r), sums, m);
            if (r == product::rounds - 1)
                linear_write<res_T, CONFIG_T>(m, res);
        }
        if (!due || r == product::rounds - 1) {
            scan_next<CONFIG_T>(at);
            r = -1;
        } else {
            r++;
        }
    }
}

} // namespace hw_amc

#endif
