#ifndef HW_AMC_GRU_H_
#define HW_AMC_GRU_H_

// Gated recurrent unit with hard gates, its state quantiser included.
//
// One product of input and state, [x h] times one matrix, gives the four members of each cell: the sums of update gate
// and reset gate (the 1 of the hard sigmoid is in their bias), the candidate's part from the input, and that from the
// state. The new state is kept apart from the old one until the step ends.

#include "hw_amc_types.h"

namespace hw_amc {

// clip((s + 1) / 2, 0, 1); the 1 is in the sum already.
template <class gate_T, class sum_T> gate_T hard_sigmoid(const sum_T &sum) {
    #pragma HLS INLINE
    typedef ap_ufixed<1, 0> half_t;
    gate_T gate = sum * unit<half_t>();
    return gate;
}

// New state of one cell from the raw integers of its members and of its old state.
template <typename CONFIG_T>
typename CONFIG_T::state_raw_t gru_cell(const typename CONFIG_T::acc_raw_t &update, const typename CONFIG_T::acc_raw_t &reset,
                                        const typename CONFIG_T::acc_raw_t &input,
                                        const typename CONFIG_T::acc_raw_t &recurrent,
                                        const typename CONFIG_T::state_raw_t &before) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::gate_t gate_t;
    typedef typename CONFIG_T::state_t state_t;
    const gate_t z = hard_sigmoid<gate_t>(from_raw<typename CONFIG_T::gate_sum_t>(update));
    const gate_t r = hard_sigmoid<gate_t>(from_raw<typename CONFIG_T::gate_sum_t>(reset));
    const state_t candidate = from_raw<typename CONFIG_T::input_sum_t>(input) +
                              times(r, from_raw<typename CONFIG_T::recurrent_sum_t>(recurrent));
    const state_t old = from_raw<state_t>(before);
    // z old + (1 - z) candidate.
    const state_t state = candidate + times(z, old - candidate);
    return raw(state);
}

template <class data_T, typename CONFIG_T> void gru_read(hls::stream<data_T> &data, typename CONFIG_T::operand_raw_t *operands) {
    #pragma HLS INLINE
    data_T in = data.read();
    for (unsigned i = 0; i < CONFIG_T::inputs; i++) {
        #pragma HLS UNROLL
        operands[i] = extend<typename CONFIG_T::operand_raw_t>(raw(in[i]));
    }
}

template <class res_T, typename CONFIG_T>
void gru_write(const typename CONFIG_T::state_raw_t *fresh, typename CONFIG_T::operand_raw_t *operands,
               hls::stream<res_T> &res) {
    #pragma HLS INLINE
    res_T out;
    #pragma HLS DATA_PACK variable=out
    for (unsigned i = 0; i < CONFIG_T::units; i++) {
        #pragma HLS UNROLL
        operands[CONFIG_T::inputs + i] = extend<typename CONFIG_T::operand_raw_t>(fresh[i]);
        out[i] = from_raw<typename CONFIG_T::state_t>(fresh[i]);
    }
    res.write(out);
}

template <typename CONFIG_T> void gru_clear(typename CONFIG_T::operand_raw_t *operands) {
    #pragma HLS INLINE
    for (unsigned i = 0; i < CONFIG_T::inputs + CONFIG_T::units; i++) {
        #pragma HLS UNROLL
        clear(operands[i]);
    }
}

// The cells of one position, one to a lane, from their members by lane.
template <typename CONFIG_T, class lanes_T>
void gru_cells(int position, const typename CONFIG_T::acc_raw_t *members, const typename CONFIG_T::operand_raw_t *operands,
               typename CONFIG_T::state_raw_t *fresh) {
    #pragma HLS INLINE
    const unsigned lanes = lanes_T::lanes;
    typename CONFIG_T::operand_raw_t before[lanes];
    typename CONFIG_T::state_raw_t after[lanes];
    #pragma HLS ARRAY_PARTITION variable=before complete
    #pragma HLS ARRAY_PARTITION variable=after complete
    lanes_T::load(position, operands + CONFIG_T::inputs, before);
    for (unsigned lane = 0; lane < lanes; lane++) {
        #pragma HLS UNROLL
        after[lane] = gru_cell<CONFIG_T>(members[lane], members[lanes + lane], members[2 * lanes + lane],
                                         members[3 * lanes + lane],
                                         narrow<typename CONFIG_T::state_raw_t>(before[lane]));
    }
    lanes_T::keep(position, after, fresh);
}

// All products at once, and all cells at once.
template <class data_T, class res_T, typename CONFIG_T> void gru(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + CONFIG_T::units];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    gru_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        // No II is asked for: a step needs the state of the one before, so that the interval is the latency of the
        // loop through the product, the gates and the blend. The tool finds it.
        #pragma HLS PIPELINE
        typename CONFIG_T::acc_raw_t members[4 * CONFIG_T::units];
        typename CONFIG_T::state_raw_t fresh[CONFIG_T::units];
        #pragma HLS ARRAY_PARTITION variable=members complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        gru_read<data_T, CONFIG_T>(data, operands);
        CONFIG_T::product::all(operands, members);
        gru_cells<CONFIG_T, typename CONFIG_T::cells>(0, members, operands, fresh);
        gru_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

// All products at once, then the cells, lane by lane one after another.
template <class data_T, class res_T, typename CONFIG_T>
void gru_in_lanes(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::cells cells;
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + CONFIG_T::units];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    gru_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS LOOP_FLATTEN off
        typename CONFIG_T::acc_raw_t all[4 * CONFIG_T::units];
        typename CONFIG_T::state_raw_t fresh[CONFIG_T::units];
        #pragma HLS ARRAY_PARTITION variable=all complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        gru_read<data_T, CONFIG_T>(data, operands);
        CONFIG_T::product::all(operands, all);
    Positions:
        for (int position = 0; position < cells::positions; position++) {
            #pragma HLS PIPELINE II=1
            typename CONFIG_T::acc_raw_t members[4 * cells::lanes];
            #pragma HLS ARRAY_PARTITION variable=members complete
            for (unsigned member = 0; member < 4; member++) {
                #pragma HLS UNROLL
                cells::load(position, all + member * CONFIG_T::units, members + member * cells::lanes);
            }
            gru_cells<CONFIG_T, cells>(position, members, operands, fresh);
        }
        gru_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

// Products and cells in one loop over the rounds: a lane's cell is worked out when its position ends.
template <class data_T, class res_T, typename CONFIG_T>
void gru_folded(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product product;
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + CONFIG_T::units];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    gru_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS LOOP_FLATTEN off
        typename CONFIG_T::acc_raw_t members[4 * product::lanes];
        typename CONFIG_T::state_raw_t fresh[CONFIG_T::units];
        #pragma HLS ARRAY_PARTITION variable=members complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        gru_read<data_T, CONFIG_T>(data, operands);
    Rounds:
        for (int r = 0; r < product::rounds; r++) {
            #pragma HLS PIPELINE II=1
            folded::round<product>(r, operands, members);
            if (product::ends(r))
                gru_cells<CONFIG_T, product>(product::position(r), members, operands, fresh);
        }
        gru_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

} // namespace hw_amc

#endif
