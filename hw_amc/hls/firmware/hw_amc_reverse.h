#ifndef HW_AMC_REVERSE_H_
#define HW_AMC_REVERSE_H_

// A frame from its end: it is written into a memory, then read backwards.

#include "hw_amc_permute.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T>
void reverse(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    frame_memory<typename CONFIG_T::operand_raw_t, data_T::size, CONFIG_T::elements> frame;
    store_frame<data_T, CONFIG_T>(data, frame);
Elements:
    for (int i = 0; i < CONFIG_T::elements; i++) {
        #pragma HLS PIPELINE II=1
        res_T out;
        #pragma HLS DATA_PACK variable=out
        for (unsigned c = 0; c < res_T::size; c++) {
            #pragma HLS UNROLL
            out[c] = from_raw<typename res_T::value_type>(frame.read(c, CONFIG_T::elements - 1 - i));
        }
        res.write(out);
    }
}

} // namespace hw_amc

#endif
