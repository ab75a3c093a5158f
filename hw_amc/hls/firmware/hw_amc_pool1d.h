#ifndef HW_AMC_POOL1D_H_
#define HW_AMC_POOL1D_H_

// Means and maxima over windows of samples that meet without a gap; a global one has a single window.

#include "hw_amc_types.h"

namespace hw_amc {

// A mean of 2^k samples is their sum with the binary point moved k places: the result's format says so.
template <class data_T, class res_T, typename CONFIG_T>
void mean_pool1d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::sum_raw_t sum[data_T::size];
    #pragma HLS ARRAY_PARTITION variable=sum complete
Windows:
    for (int w = 0; w < CONFIG_T::windows; w++) {
    Samples:
        for (int i = 0; i < CONFIG_T::pool; i++) {
            #pragma HLS PIPELINE II=1
            data_T in = data.read();
            res_T out;
            #pragma HLS DATA_PACK variable=out
            for (unsigned c = 0; c < data_T::size; c++) {
                #pragma HLS UNROLL
                if (i == 0)
                    clear(sum[c]);
                accumulate(sum[c], in[c]);
                out[c] = from_raw<typename res_T::value_type>(sum[c]);
            }
            if (i == CONFIG_T::pool - 1)
                res.write(out);
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void max_pool1d(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename data_T::value_type largest[data_T::size];
    #pragma HLS ARRAY_PARTITION variable=largest complete
Windows:
    for (int w = 0; w < CONFIG_T::windows; w++) {
    Samples:
        for (int i = 0; i < CONFIG_T::pool; i++) {
            #pragma HLS PIPELINE II=1
            data_T in = data.read();
            res_T out;
            #pragma HLS DATA_PACK variable=out
            for (unsigned c = 0; c < data_T::size; c++) {
                #pragma HLS UNROLL
                if (i == 0)
                    largest[c] = in[c];
                else
                    largest[c] = larger_of(largest[c], in[c]);
                out[c] = largest[c];
            }
            if (i == CONFIG_T::pool - 1)
                res.write(out);
        }
    }
}

} // namespace hw_amc

#endif
