#ifndef HW_AMC_FORK_H_
#define HW_AMC_FORK_H_

// A stream with two readers.

#include "hw_amc_types.h"

namespace hw_amc {

template <class data_T, int ELEMENTS>
void fork(hls::stream<data_T> &data, hls::stream<data_T> &first, hls::stream<data_T> &second) {
Elements:
    for (int i = 0; i < ELEMENTS; i++) {
        #pragma HLS PIPELINE II=1
        const data_T element = data.read();
        first.write(element);
        second.write(element);
    }
}

} // namespace hw_amc

#endif
