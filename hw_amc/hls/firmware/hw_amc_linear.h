#ifndef HW_AMC_LINEAR_H_
#define HW_AMC_LINEAR_H_

// Dense layer and affine: a product at each step.

#include "hw_amc_types.h"

namespace hw_amc {

template <class data_T, typename CONFIG_T> void linear_read(hls::stream<data_T> &data, typename CONFIG_T::operand_raw_t *x) {
    #pragma HLS INLINE
    data_T in = data.read();
    for (unsigned c = 0; c < data_T::size; c++) {
        #pragma HLS UNROLL
        x[c] = raw(in[c]);
    }
}

template <class res_T, typename CONFIG_T> void linear_write(const typename CONFIG_T::acc_raw_t *m, hls::stream<res_T> &res) {
    #pragma HLS INLINE
    res_T out;
    #pragma HLS DATA_PACK variable=out
    for (unsigned j = 0; j < res_T::size; j++) {
        #pragma HLS UNROLL
        out[j] = from_raw<typename res_T::value_type>(m[j]);
    }
    res.write(out);
}

template <class data_T, class res_T, typename CONFIG_T>
void linear(hls::stream<data_T> &data, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        typename CONFIG_T::operand_raw_t x[data_T::size];
        typename CONFIG_T::acc_raw_t m[res_T::size];
        #pragma HLS ARRAY_PARTITION variable=x complete
        #pragma HLS ARRAY_PARTITION variable=m complete
        linear_read<data_T, CONFIG_T>(data, x);
        CONFIG_T::product::all(x, m);
        linear_write<res_T, CONFIG_T>(m, res);
    }
}

// One loop over all rounds of all steps. The first round of a step takes its sample, and multiplies nothing, so that
// the multipliers select from registers.
template <class data_T, class res_T, typename CONFIG_T>
void linear_folded(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product product;
    typename CONFIG_T::operand_raw_t x[data_T::size];
    typename CONFIG_T::acc_raw_t sums[product::lanes], m[res_T::size];
    #pragma HLS ARRAY_PARTITION variable=x complete
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_PARTITION variable=m complete
    int r = -1;
Rounds:
    for (int i = 0; i < CONFIG_T::steps * (product::rounds + 1); i++) {
        #pragma HLS PIPELINE II=1
        if (r < 0) {
            linear_read<data_T, CONFIG_T>(data, x);
        } else {
            folded::round<product>(r, x, sums);
            if (product::ends(r))
                product::keep(product::position(r), sums, m);
            if (r == product::rounds - 1)
                linear_write<res_T, CONFIG_T>(m, res);
        }
        r = r == product::rounds - 1 ? -1 : r + 1;
    }
}

} // namespace hw_amc

#endif
