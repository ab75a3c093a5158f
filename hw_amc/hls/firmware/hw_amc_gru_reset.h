#ifndef HW_AMC_GRU_RESET_H_
#define HW_AMC_GRU_RESET_H_

// A gated recurrent unit whose reset gate multiplies the state before the candidate's recurrent product.
//
// A step has two products: that of input and state gives the sums of both gates and the candidate's part from the
// input; that of the states times their reset gates, which are not rounded, gives the candidate's other part.

#include "hw_amc_recurrent.h"

namespace hw_amc {

// What is between both products, in lanes: the update gate, and the old state times the reset gate.
template <typename CONFIG_T, unsigned LANES>
void gru_reset_gates(unsigned lane, const typename CONFIG_T::acc_raw_t *members,
                     const typename CONFIG_T::operand_raw_t &before, typename CONFIG_T::gate_raw_t &update,
                     typename CONFIG_T::gated_raw_t &gated) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::gate_t gate_t;
    typedef typename CONFIG_T::gate_curve gate_curve;
    typedef typename CONFIG_T::gate_sum_t gate_sum_t;
    const gate_t z = gate_curve::template of<gate_t>(lane, from_raw<gate_sum_t>(members[0]));
    const gate_t r = gate_curve::template of<gate_t>(LANES + lane, from_raw<gate_sum_t>(members[LANES]));
    const auto old = from_raw<typename CONFIG_T::state_t>(narrow<typename CONFIG_T::state_raw_t>(before));
    const typename CONFIG_T::gated_t product = times(r, old);
    update = raw(z);
    gated = raw(product);
}

// What follows the second one: the new state.
template <typename CONFIG_T>
void gru_reset_state(unsigned lane, const typename CONFIG_T::acc_raw_t &own,
                     const typename CONFIG_T::reset_raw_t &recurrent, const typename CONFIG_T::gate_raw_t &update,
                     const typename CONFIG_T::operand_raw_t &before, typename CONFIG_T::state_raw_t &after) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::state_t state_t;
    const state_t candidate = CONFIG_T::candidate_curve::template of<state_t>(
        lane, from_raw<typename CONFIG_T::input_sum_t>(own) + from_raw<typename CONFIG_T::reset_sum_t>(recurrent));
    const state_t old = from_raw<state_t>(narrow<typename CONFIG_T::state_raw_t>(before));
    const auto z = from_raw<typename CONFIG_T::gate_t>(update);
    // z old + (1 - z) candidate.
    const state_t state = candidate + times(z, old - candidate);
    after = raw(state);
}

// Both products, each at once, and all cells at once.
template <class data_T, class res_T, typename CONFIG_T>
void gru_reset(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    const unsigned units = CONFIG_T::units;
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + units];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    recurrent_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        // As without a reset, the tool finds the interval: the loop goes through both products.
        #pragma HLS PIPELINE
        typename CONFIG_T::acc_raw_t members[CONFIG_T::members * units];
        typename CONFIG_T::gate_raw_t update[units];
        typename CONFIG_T::gated_raw_t gated[units];
        typename CONFIG_T::reset_raw_t recurrent[units];
        typename CONFIG_T::state_raw_t fresh[units];
        #pragma HLS ARRAY_PARTITION variable=members complete
        #pragma HLS ARRAY_PARTITION variable=update complete
        #pragma HLS ARRAY_PARTITION variable=gated complete
        #pragma HLS ARRAY_PARTITION variable=recurrent complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        recurrent_read<data_T, CONFIG_T>(data, operands);
        CONFIG_T::product::all(operands, members);
        for (unsigned cell = 0; cell < units; cell++) {
            #pragma HLS UNROLL
            gru_reset_gates<CONFIG_T, units>(cell, members + cell, operands[CONFIG_T::inputs + cell], update[cell],
                                             gated[cell]);
        }
        CONFIG_T::reset_product::all(gated, recurrent);
        for (unsigned cell = 0; cell < units; cell++) {
            #pragma HLS UNROLL
            gru_reset_state<CONFIG_T>(cell, members[2 * units + cell], recurrent[cell], update[cell],
                                      operands[CONFIG_T::inputs + cell], fresh[cell]);
        }
        recurrent_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

// The cells of one position of the first product's lanes.
template <typename CONFIG_T>
void gru_reset_first(int position, const typename CONFIG_T::acc_raw_t *members,
                     const typename CONFIG_T::operand_raw_t *operands, typename CONFIG_T::acc_raw_t *own,
                     typename CONFIG_T::gate_raw_t *update, typename CONFIG_T::gated_raw_t *gated) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::product product;
    const unsigned lanes = product::lanes;
    typename CONFIG_T::operand_raw_t before[lanes];
    typename CONFIG_T::gate_raw_t gates[lanes];
    typename CONFIG_T::gated_raw_t products[lanes];
    #pragma HLS ARRAY_PARTITION variable=before complete
    #pragma HLS ARRAY_PARTITION variable=gates complete
    #pragma HLS ARRAY_PARTITION variable=products complete
    product::load(position, operands + CONFIG_T::inputs, before);
    for (unsigned lane = 0; lane < lanes; lane++) {
        #pragma HLS UNROLL
        gru_reset_gates<CONFIG_T, lanes>(lane, members + lane, before[lane], gates[lane], products[lane]);
    }
    product::keep(position, members + 2 * lanes, own);
    product::keep(position, gates, update);
    product::keep(position, products, gated);
}

// The cells of one position of the second product's lanes.
template <typename CONFIG_T>
void gru_reset_second(int position, const typename CONFIG_T::reset_raw_t *sums, const typename CONFIG_T::acc_raw_t *own,
                      const typename CONFIG_T::gate_raw_t *update, const typename CONFIG_T::operand_raw_t *operands,
                      typename CONFIG_T::state_raw_t *fresh) {
    #pragma HLS INLINE
    typedef typename CONFIG_T::reset_product product;
    const unsigned lanes = product::lanes;
    typename CONFIG_T::acc_raw_t parts[lanes];
    typename CONFIG_T::gate_raw_t gates[lanes];
    typename CONFIG_T::operand_raw_t before[lanes];
    typename CONFIG_T::state_raw_t after[lanes];
    #pragma HLS ARRAY_PARTITION variable=parts complete
    #pragma HLS ARRAY_PARTITION variable=gates complete
    #pragma HLS ARRAY_PARTITION variable=before complete
    #pragma HLS ARRAY_PARTITION variable=after complete
    product::load(position, own, parts);
    product::load(position, update, gates);
    product::load(position, operands + CONFIG_T::inputs, before);
    for (unsigned lane = 0; lane < lanes; lane++) {
        #pragma HLS UNROLL
        gru_reset_state<CONFIG_T>(lane, parts[lane], sums[lane], gates[lane], before[lane], after[lane]);
    }
    product::keep(position, after, fresh);
}

// A loop over the rounds of each product, one after the other.
template <class data_T, class res_T, typename CONFIG_T>
void gru_reset_folded(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename CONFIG_T::product first;
    typedef typename CONFIG_T::reset_product second;
    const unsigned units = CONFIG_T::units;
    typename CONFIG_T::operand_raw_t operands[CONFIG_T::inputs + units];
    #pragma HLS ARRAY_PARTITION variable=operands complete
    recurrent_clear<CONFIG_T>(operands);
Steps:
    for (int t = 0; t < CONFIG_T::steps; t++) {
        #pragma HLS LOOP_FLATTEN off
        typename CONFIG_T::acc_raw_t members[CONFIG_T::members * first::lanes], own[units];
        typename CONFIG_T::gate_raw_t update[units];
        typename CONFIG_T::gated_raw_t gated[units];
        typename CONFIG_T::reset_raw_t sums[second::lanes];
        typename CONFIG_T::state_raw_t fresh[units];
        #pragma HLS ARRAY_PARTITION variable=members complete
        #pragma HLS ARRAY_PARTITION variable=own complete
        #pragma HLS ARRAY_PARTITION variable=update complete
        #pragma HLS ARRAY_PARTITION variable=gated complete
        #pragma HLS ARRAY_PARTITION variable=sums complete
        #pragma HLS ARRAY_PARTITION variable=fresh complete
        recurrent_read<data_T, CONFIG_T>(data, operands);
    Rounds:
        for (int r = 0; r < first::rounds; r++) {
            #pragma HLS PIPELINE II=1
            folded::round<first>(r, operands, members);
            if (first::ends(r))
                gru_reset_first<CONFIG_T>(first::position(r), members, operands, own, update, gated);
        }
    Resets:
        for (int r = 0; r < second::rounds; r++) {
            #pragma HLS PIPELINE II=1
            folded::round<second>(r, gated, sums);
            if (second::ends(r))
                gru_reset_second<CONFIG_T>(second::position(r), sums, own, update, operands, fresh);
        }
        recurrent_write<res_T, CONFIG_T>(fresh, operands, res);
    }
}

} // namespace hw_amc

#endif
