#ifndef HW_AMC_MULTIPLY_H_
#define HW_AMC_MULTIPLY_H_

// Products of two branches; where one has a single channel or place, it serves all of the other's.

#include "hw_amc_types.h"

namespace hw_amc {

template <class left_T, class right_T, class res_T, typename CONFIG_T>
void multiply_branches(hls::stream<left_T> &left, hls::stream<right_T> &right, hls::stream<res_T> &res) {
    typedef typename res_T::value_type res_value_t;
    left_T a;
    right_T b;
    int left_age = 0, right_age = 0;
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        if (left_age == 0)
            a = left.read();
        if (right_age == 0)
            b = right.read();
        left_age = left_age == CONFIG_T::left_run - 1 ? 0 : left_age + 1;
        right_age = right_age == CONFIG_T::right_run - 1 ? 0 : right_age + 1;
        res_T out;
        #pragma HLS DATA_PACK variable=out
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = multiplied<res_value_t>(raw(a[left_T::size > 1 ? c : 0]), raw(b[right_T::size > 1 ? c : 0]));
        }
        res.write(out);
    }
}

} // namespace hw_amc

#endif
