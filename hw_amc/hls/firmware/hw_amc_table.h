#ifndef HW_AMC_TABLE_H_
#define HW_AMC_TABLE_H_

// A function of one variable: every channel looks its value up at once, each in a memory, or at a port, of its own.

#include "hw_amc_types.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T>
void table(hls::stream<data_T> &data, hls::stream<res_T> &res) {
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS PIPELINE II=1
        data_T in = data.read();
        res_T out;
        #pragma HLS DATA_PACK variable=out
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = CONFIG_T::entries::template at<typename res_T::value_type>(c, in[c]);
        }
        res.write(out);
    }
}

} // namespace hw_amc

#endif
