#ifndef HW_AMC_MEAN_H_
#define HW_AMC_MEAN_H_

// Means over any number of samples: the exact sum times a reciprocal.

#include "hw_amc_window.h"

namespace hw_amc {

// A factor that all windows have in common is a constant; one for each window comes from a memory.
template <bool COMMON> struct mean_of {
    template <class T, typename CONFIG_T, class sum_T> static T value(const sum_T &sum, int) {
        #pragma HLS INLINE
        return scaled<T>(sum, CONFIG_T::factors::template at<typename CONFIG_T::factor_raw_t>(0));
    }
};
template <> struct mean_of<false> {
    template <class T, typename CONFIG_T, class sum_T> static T value(const sum_T &sum, int window) {
        #pragma HLS INLINE
        return multiplied<T>(sum, CONFIG_T::factors::template at<typename CONFIG_T::factor_raw_t>(window));
    }
};

// Windows of samples that come one after another, without a gap; what is left behind the last one is dropped.
template <class data_T, class res_T, typename CONFIG_T>
void mean_in_turn(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename res_T::value_type res_value_t;
    typename CONFIG_T::sum_raw_t sum[data_T::size];
    #pragma HLS ARRAY_PARTITION variable=sum complete
    int i = 0, window = 0;
Samples:
    for (int t = 0; t < CONFIG_T::windows * CONFIG_T::pool + CONFIG_T::rest; t++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            if (i == 0)
                clear(sum[c]);
            accumulate(sum[c], in[c]);
        }
        if (i == CONFIG_T::pool - 1) {
            res_T out;
            #pragma HLS DATA_PACK variable=out
            for (unsigned c = 0; c < res_T::size; c++) {
                #pragma HLS UNROLL
                out[c] = mean_of<CONFIG_T::common>::template value<res_value_t, CONFIG_T>(sum[c], window);
            }
            res.write(out);
            window++;
            i = 0;
        } else {
            i++;
        }
    }
}

// Windows of any sort.
template <class data_T, class res_T, typename CONFIG_T>
void mean_of_windows(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename res_T::value_type res_value_t;
    const unsigned elements = CONFIG_T::span_rows * CONFIG_T::span_columns;
    typename CONFIG_T::operand_raw_t window[elements * data_T::size];
    typename CONFIG_T::lines_t lines;
    #pragma HLS ARRAY_PARTITION variable=window complete
    scan_state at;
    scan_begin<CONFIG_T>(at);
    int number = 0;
Places:
    for (int i = 0; i < CONFIG_T::height * CONFIG_T::width; i++) {
        #pragma HLS PIPELINE II=1
        window_read<data_T, CONFIG_T>(at, data, lines, window);
        if (scan_due(at)) {
            res_T out;
            #pragma HLS DATA_PACK variable=out
            for (unsigned c = 0; c < res_T::size; c++) {
                #pragma HLS UNROLL
                typename CONFIG_T::sum_raw_t sum;
                clear(sum);
                for (unsigned k = 0; k < elements; k++) {
                    #pragma HLS UNROLL
                    accumulate(sum, from_raw<typename data_T::value_type>(window[k * data_T::size + c]));
                }
                out[c] = mean_of<CONFIG_T::common>::template value<res_value_t, CONFIG_T>(sum, number);
            }
            res.write(out);
            number++;
        }
        scan_next<CONFIG_T>(at);
    }
}

} // namespace hw_amc

#endif
