#ifndef HW_AMC_RESHAPE_H_
#define HW_AMC_RESHAPE_H_

// The same values in elements of another size: a group, of as many as fill both sizes, is passed on a turn.

#include "hw_amc_types.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T>
void reshape(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    const unsigned group = CONFIG_T::group;
    data_T in;
    res_T out;
    #pragma HLS DATA_PACK variable=out
    int taken = 0, filled = 0;
Groups:
    for (int i = 0; i < CONFIG_T::groups; i++) {
        #pragma HLS PIPELINE II=1
        if (taken == 0) {
            in = data.read();
        } else {
            for (unsigned c = 0; c < data_T::size - group; c++) {
                #pragma HLS UNROLL
                in[c] = in[c + group];
            }
        }
        for (unsigned c = 0; c < res_T::size - group; c++) {
            #pragma HLS UNROLL
            out[c] = out[c + group];
        }
        for (unsigned c = 0; c < group; c++) {
            #pragma HLS UNROLL
            out[res_T::size - group + c] = in[c];
        }
        taken = taken == int(data_T::size / group) - 1 ? 0 : taken + 1;
        filled = filled == int(res_T::size / group) - 1 ? 0 : filled + 1;
        if (filled == 0)
            res.write(out);
    }
}

} // namespace hw_amc

#endif
