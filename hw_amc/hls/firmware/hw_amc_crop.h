#ifndef HW_AMC_CROP_H_
#define HW_AMC_CROP_H_

// What is left of a frame or an image without its margins.

#include "hw_amc_types.h"

namespace hw_amc {

template <class data_T, class res_T, typename CONFIG_T> void crop(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    int row = 0, column = 0;
Elements:
    for (int i = 0; i < CONFIG_T::rows * CONFIG_T::columns; i++) {
        #pragma HLS PIPELINE II=1
        const data_T in = data.read();
        if (row >= CONFIG_T::top && row < CONFIG_T::bottom && column >= CONFIG_T::left && column < CONFIG_T::right) {
            res_T out;
            #pragma HLS DATA_PACK variable=out
            for (unsigned c = 0; c < res_T::size; c++) {
                #pragma HLS UNROLL
                out[c] = in[c];
            }
            res.write(out);
        }
        if (column == CONFIG_T::columns - 1) {
            column = 0;
            row++;
        } else {
            column++;
        }
    }
}

} // namespace hw_amc

#endif
