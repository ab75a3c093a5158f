#ifndef HW_AMC_MAXIMUM_H_
#define HW_AMC_MAXIMUM_H_

// Maxima over windows of any sort; outside the image lies the least number, or, of a window of one element, a zero.

#include "hw_amc_window.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T>
void max_of_windows(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename data_T::value_type value_t;
    const unsigned elements = CONFIG_T::span_rows * CONFIG_T::span_columns;
    typename CONFIG_T::operand_raw_t window[elements * data_T::size];
    typename CONFIG_T::lines_t lines;
    #pragma HLS ARRAY_PARTITION variable=window complete
    scan_state at;
    scan_begin<CONFIG_T>(at);
Places:
    for (int i = 0; i < CONFIG_T::height * CONFIG_T::width; i++) {
        #pragma HLS PIPELINE II=1
        window_read<data_T, CONFIG_T>(at, data, lines, window);
        if (scan_due(at)) {
            res_T out;
            #pragma HLS DATA_PACK variable=out
            for (unsigned c = 0; c < res_T::size; c++) {
                #pragma HLS UNROLL
                value_t largest = from_raw<value_t>(window[c]);
                for (unsigned k = 1; k < elements; k++) {
                    #pragma HLS UNROLL
                    largest = larger_of(largest, from_raw<value_t>(window[k * data_T::size + c]));
                }
                out[c] = largest;
            }
            res.write(out);
        }
        scan_next<CONFIG_T>(at);
    }
}

} // namespace hw_amc

#endif
