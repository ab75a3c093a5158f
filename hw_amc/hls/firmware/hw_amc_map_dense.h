#ifndef HW_AMC_MAP_DENSE_H_
#define HW_AMC_MAP_DENSE_H_

// Dense layer over a flattened map, which comes place by place: each adds its share to all outputs.

#include "hw_amc_linear.h"

namespace hw_amc {

// One loop over all rounds of all places. A place is read, then each lane works out its outputs one after another, a slot
// each. The sums of all outputs turn by a slot when one ends, so that every index is constant: the next slot's stand first.
// A ROM holds a multiplier's weights in the order of the rounds, place after place.
template <class data_T, class res_T, typename CONFIG_T>
void map_dense(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product product;
    typename CONFIG_T::operand_raw_t x[data_T::size];
    typename CONFIG_T::acc_raw_t sums[product::lanes], m[res_T::size];
    #pragma HLS ARRAY_PARTITION variable=x complete
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_PARTITION variable=m complete
    int place = 0, slot = 0, r = -1, at = 0;
Rounds:
    for (int i = 0; i < product::places * (product::slots * product::rounds + 1); i++) {
        #pragma HLS PIPELINE II=1
        if (r < 0) {
            linear_read<data_T, CONFIG_T>(data, x);
            r = 0;
        } else {
            typename CONFIG_T::operand_raw_t taken[product::taps];
            typename CONFIG_T::acc_raw_t begins[product::lanes], added[product::lanes];
            #pragma HLS ARRAY_PARTITION variable=taken complete
            #pragma HLS ARRAY_PARTITION variable=begins complete
            #pragma HLS ARRAY_PARTITION variable=added complete
            product::take(r, x, taken);
            product::biases(slot, begins);
            product::sums(at, taken, added);
            for (int lane = 0; lane < product::lanes; lane++) {
                #pragma HLS UNROLL
                if (place > 0)
                    begins[lane] = m[lane];
                sums[lane] = folded::accumulate<0>(r == 0, begins[lane], sums[lane], added[lane]);
            }
            at++;
            if (r < product::rounds - 1) {
                r++;
            } else {
                for (int j = 0; j < int(res_T::size) - product::lanes; j++) {
                    #pragma HLS UNROLL
                    m[j] = m[j + product::lanes];
                }
                for (int lane = 0; lane < product::lanes; lane++) {
                    #pragma HLS UNROLL
                    m[int(res_T::size) - product::lanes + lane] = sums[lane];
                }
                r = slot == product::slots - 1 ? -1 : 0;
                slot = slot == product::slots - 1 ? 0 : slot + 1;
                if (r < 0) {
                    if (place == product::places - 1)
                        linear_write<res_T, CONFIG_T>(m, res);
                    place++;
                }
            }
        }
    }
}

} // namespace hw_amc

#endif
