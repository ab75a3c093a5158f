#ifndef HW_AMC_LSTM_H_
#define HW_AMC_LSTM_H_

// The cell of a long short-term memory, its state quantiser included.
//
// Its members: the sums of input gate and forget gate, of the candidate, and of the output gate (the 1 of a hard
// sigmoid is in the bias of the gates). It keeps its state and its carry, both in one format.

#include "hw_amc_recurrent.h"

namespace hw_amc {

struct lstm_cell {
    // From the raw integers of its members and of its old state and carry, LANES apart, the new ones.
    template <typename CONFIG_T, unsigned LANES>
    static void work(unsigned lane, const typename CONFIG_T::acc_raw_t *members,
                     const typename CONFIG_T::operand_raw_t *before, typename CONFIG_T::state_raw_t *after) {
        #pragma HLS INLINE
        typedef typename CONFIG_T::gate_t gate_t;
        typedef typename CONFIG_T::state_t state_t;
        typedef typename CONFIG_T::candidate_t candidate_t;
        typedef typename CONFIG_T::gate_sum_t gate_sum_t;
        typedef typename CONFIG_T::gate_curve gate_curve;
        typedef typename CONFIG_T::candidate_curve candidate_curve;
        typedef typename CONFIG_T::candidate_sum_t candidate_sum_t;
        const gate_t admit = gate_curve::template of<gate_t>(lane, from_raw<gate_sum_t>(members[0]));
        const gate_t forget = gate_curve::template of<gate_t>(LANES + lane, from_raw<gate_sum_t>(members[LANES]));
        const gate_t give = gate_curve::template of<gate_t>(2 * LANES + lane, from_raw<gate_sum_t>(members[3 * LANES]));
        const candidate_t candidate =
            candidate_curve::template of<candidate_t>(lane, from_raw<candidate_sum_t>(members[2 * LANES]));
        const state_t old = from_raw<state_t>(narrow<typename CONFIG_T::state_raw_t>(before[LANES]));
        // Carry and output are rounded each from the exact sum.
        const auto total = times(forget, old) + times(admit, candidate);
        const state_t carry = total;
        const candidate_t squashed = candidate_curve::template of<candidate_t>(LANES + lane, total);
        const state_t state = times(give, squashed);
        after[0] = raw(state);
        after[LANES] = raw(carry);
    }
};

} // namespace hw_amc

#endif
