#ifndef HW_AMC_RECURRENT_H_
#define HW_AMC_RECURRENT_H_

// What recurrent layers share: one product of input and state, [x h] times one matrix, gives the members of all cells;
// these are worked out in lanes, and what they keep for the next step stays apart from the old until the step ends.
//
// A cell keeps its output, the state, and, where CONFIG_T::kept is larger than the number of cells, more: behind the
// outputs of all cells. CONFIG_T::cell works out one cell.

#include "hw_amc_types.h"

namespace hw_amc {

// clip((s + 1) / 2, 0, 1); the 1 is in the sum already.
template <class gate_T, class sum_T> gate_T hard_sigmoid(const sum_T &sum) {
    #pragma HLS INLINE
    typedef ap_ufixed<1, 0> half_t;
    gate_T gate = sum * unit<half_t>();
    return gate;
}

// Functions of a sum inside a cell. Those that are tables have a memory, or a port of one, for each `reader`.
struct hard_sigmoid_curve {
    template <class T, class sum_T> static T of(unsigned, const sum_T &sum) {
        #pragma HLS INLINE
        return hard_sigmoid<T>(sum);
    }
};
// clip(s, -1, 1): saturation.
struct hard_tanh_curve {
    template <class T, class sum_T> static T of(unsigned, const sum_T &sum) {
        #pragma HLS INLINE
        T value = sum;
        return value;
    }
};
// Any other, behind a quantiser.
template <class entries_T, class index_T> struct table_curve {
    template <class T, class sum_T> static T of(unsigned reader, const sum_T &sum) {
        #pragma HLS INLINE
        const index_T index = sum;
        return entries_T::template at<T>(reader, index);
    }
};

template <class data_T, typename CONFIG_T>
void recurrent_read(hls::stream<data_T> &data, typename CONFIG_T::operand_raw_t *operands) {
    #pragma HLS INLINE
    data_T in = data.read();
    for (unsigned i = 0; i < CONFIG_T::inputs; i++) {
        #pragma HLS UNROLL
        operands[i] = extend<typename CONFIG_T::operand_raw_t>(raw(in[i]));
    }
}

template <class res_T, typename CONFIG_T>
void recurrent_write(const typename CONFIG_T::state_raw_t *fresh, typename CONFIG_T::operand_raw_t *operands,
                     hls::stream<res_T> &res) {
    #pragma HLS INLINE
    res_T out;
    #pragma HLS DATA_PACK variable=out
    for (unsigned i = 0; i < CONFIG_T::kept; i++) {
        #pragma HLS UNROLL
        operands[CONFIG_T::inputs + i] = extend<typename CONFIG_T::operand_raw_t>(fresh[i]);
    }
    for (unsigned i = 0; i < CONFIG_T::units; i++) {
        #pragma HLS UNROLL
        out[i] = from_raw<typename CONFIG_T::state_t>(fresh[i]);
    }
    res.write(out);
}

template <typename CONFIG_T> void recurrent_clear(typename CONFIG_T::operand_raw_t *operands) {
    #pragma HLS INLINE
    for (unsigned i = 0; i < CONFIG_T::inputs + CONFIG_T::kept; i++) {
        #pragma HLS UNROLL
        clear(operands[i]);
    }
}

// The cells of one position, one to a lane, from their members by lane.
template <typename CONFIG_T, class lanes_T>
void recurrent_cells(int position, const typename CONFIG_T::acc_raw_t *members,
                     const typename CONFIG_T::operand_raw_t *operands, typename CONFIG_T::state_raw_t *fresh) {
    #pragma HLS INLINE
    const unsigned lanes = lanes_T::lanes, kinds = CONFIG_T::kept / CONFIG_T::units;
    typename CONFIG_T::operand_raw_t before[kinds * lanes];
    typename CONFIG_T::state_raw_t after[kinds * lanes];
    #pragma HLS ARRAY_PARTITION variable=before complete
    #pragma HLS ARRAY_PARTITION variable=after complete
    for (unsigned kind = 0; kind < kinds; kind++) {
        #pragma HLS UNROLL
        lanes_T::load(position, operands + CONFIG_T::inputs + kind * CONFIG_T::units, before + kind * lanes);
    }
    for (unsigned lane = 0; lane < lanes; lane++) {
        #pragma HLS UNROLL
        CONFIG_T::cell::template work<CONFIG_T, lanes>(lane, members + lane, before + lane, after + lane);
    }
    for (unsigned kind = 0; kind < kinds; kind++) {
        #pragma HLS UNROLL
        lanes_T::keep(position, after + kind * lanes, fresh + kind * CONFIG_T::units);
    }
}

// All products at once, and all cells at once.
template <class data_T, class res_T, typename CONFIG_T>
void recurrent(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + CONFIG_T::kept];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    recurrent_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        // No II is asked for: a step needs the state of the one before, so that the interval is the latency of the
        // loop through the product and the cell. The tool finds it.
        #pragma HLS PIPELINE
        typename CONFIG_T::acc_raw_t members[CONFIG_T::members * CONFIG_T::units];
        typename CONFIG_T::state_raw_t fresh[CONFIG_T::kept];
        #pragma HLS ARRAY_PARTITION variable=members complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        recurrent_read<data_T, CONFIG_T>(data, operands);
        CONFIG_T::product::all(operands, members);
        recurrent_cells<CONFIG_T, typename CONFIG_T::cells>(0, members, operands, fresh);
        recurrent_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

// All products at once, then the cells, lane by lane one after another.
template <class data_T, class res_T, typename CONFIG_T>
void recurrent_in_lanes(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::cells cells;
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + CONFIG_T::kept];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    recurrent_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS LOOP_FLATTEN off
        typename CONFIG_T::acc_raw_t all[CONFIG_T::members * CONFIG_T::units];
        typename CONFIG_T::state_raw_t fresh[CONFIG_T::kept];
        #pragma HLS ARRAY_PARTITION variable=all complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        recurrent_read<data_T, CONFIG_T>(data, operands);
        CONFIG_T::product::all(operands, all);
    Positions:
        for (int position = 0; position < cells::positions; position++) {
            #pragma HLS PIPELINE II=1
            typename CONFIG_T::acc_raw_t members[CONFIG_T::members * cells::lanes];
            #pragma HLS ARRAY_PARTITION variable=members complete
            for (unsigned member = 0; member < CONFIG_T::members; member++) {
                #pragma HLS UNROLL
                cells::load(position, all + member * CONFIG_T::units, members + member * cells::lanes);
            }
            recurrent_cells<CONFIG_T, cells>(position, members, operands, fresh);
        }
        recurrent_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

// Products and cells in one loop over the rounds: a lane's cell is worked out when its position ends.
template <class data_T, class res_T, typename CONFIG_T>
void recurrent_folded(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product product;
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + CONFIG_T::kept];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    recurrent_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS LOOP_FLATTEN off
        typename CONFIG_T::acc_raw_t members[CONFIG_T::members * product::lanes];
        typename CONFIG_T::state_raw_t fresh[CONFIG_T::kept];
        #pragma HLS ARRAY_PARTITION variable=members complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        recurrent_read<data_T, CONFIG_T>(data, operands);
    Rounds:
        for (int r = 0; r < product::rounds; r++) {
            #pragma HLS PIPELINE II=1
            folded::round<product>(r, operands, members);
            if (product::ends(r))
                recurrent_cells<CONFIG_T, product>(product::position(r), members, operands, fresh);
        }
        recurrent_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

} // namespace hw_amc

#endif
