#ifndef HW_AMC_GRU_H_
#define HW_AMC_GRU_H_

// The cell of a gated recurrent unit, its state quantiser included.
//
// Its members: the sums of update gate and reset gate (the 1 of a hard sigmoid is in their bias), the candidate's part
// from the input, and that from the state. It keeps its state alone.

#include "hw_amc_recurrent.h"

namespace hw_amc {

struct gru_cell {
    // From the raw integers of its members and of its old state, LANES apart, its new state.
    template <typename CONFIG_T, unsigned LANES>
    static void work(unsigned lane, const typename CONFIG_T::acc_raw_t *members,
                     const typename CONFIG_T::operand_raw_t *before, typename CONFIG_T::state_raw_t *after) {
        #pragma HLS INLINE
        typedef typename CONFIG_T::gate_t gate_t;
        typedef typename CONFIG_T::gate_curve gate_curve;
        typedef typename CONFIG_T::gate_sum_t gate_sum_t;
        typedef typename CONFIG_T::state_t state_t;
        const gate_t z = gate_curve::template of<gate_t>(lane, from_raw<gate_sum_t>(members[0]));
        const gate_t r = gate_curve::template of<gate_t>(LANES + lane, from_raw<gate_sum_t>(members[LANES]));
        const state_t candidate = CONFIG_T::candidate_curve::template of<state_t>(
            lane, from_raw<typename CONFIG_T::input_sum_t>(members[2 * LANES]) +
                      times(r, from_raw<typename CONFIG_T::recurrent_sum_t>(members[3 * LANES])));
        const state_t old = from_raw<state_t>(narrow<typename CONFIG_T::state_raw_t>(before[0]));
        // z old + (1 - z) candidate.
        const state_t state = candidate + times(z, old - candidate);
        after[0] = raw(state);
    }
};

} // namespace hw_amc

#endif
