#ifndef HW_AMC_TYPES_H_
#define HW_AMC_TYPES_H_

// Raw integers of fixed-point values, and the constant products of the layers.
//
// The same kernels are built twice: with the tool's ap_fixed (synthesis, C simulation), and, where
// native/ap_fixed.h comes first on the include path, with machine integers that carry several frames at once.

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "hw_amc_backend.h"

// A struct in a stream is one word. Vivado HLS wants to be told; Vitis HLS does so by itself.
#if defined(HW_AMC_VIVADO) && !defined(HW_AMC_NATIVE)
#define HW_AMC_PRAGMA(text) _Pragma(#text)
#define HW_AMC_PACK(variable) HW_AMC_PRAGMA(HLS DATA_PACK variable = variable)
#else
#define HW_AMC_PACK(variable)
#endif

#ifndef HW_AMC_NATIVE

// Thousands of calls with literal operands: inlining them all would cost g++ minutes. Synthesis inlines them.
#ifdef __SYNTHESIS__
#define HW_AMC_OUTLINE
#else
#define HW_AMC_OUTLINE __attribute__((noinline))
#endif

namespace hw_amc {

static const int LANES = 1;

template <int W, bool S> struct integer;
template <int W> struct integer<W, true> {
    typedef ap_int<W> type;
};
template <int W> struct integer<W, false> {
    typedef ap_uint<W> type;
};

template <class T> struct format;
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct format<ap_fixed<W, I, Q, O, N> > {
    static const int bits = W;
    typedef ap_int<W> raw_t;
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct format<ap_ufixed<W, I, Q, O, N> > {
    static const int bits = W;
    typedef ap_uint<W> raw_t;
};

template <class T> typename format<T>::raw_t raw(const T &value) {
    #pragma HLS INLINE
    typename format<T>::raw_t bits;
    bits.range(format<T>::bits - 1, 0) = value.range(format<T>::bits - 1, 0);
    return bits;
}

// The value whose raw integer is `bits`; more bits than the format has must repeat the sign.
template <class T, class raw_T> T from_raw(const raw_T &bits) {
    #pragma HLS INLINE
    typename format<T>::raw_t narrow = bits;
    T value;
    value.range(format<T>::bits - 1, 0) = narrow.range(format<T>::bits - 1, 0);
    return value;
}

template <class T, int low, class word_T> T field(const word_T &word) {
    #pragma HLS INLINE
    T value;
    value.range(format<T>::bits - 1, 0) = word.range(low + format<T>::bits - 1, low);
    return value;
}

template <class T> void clear(T &bits) {
    #pragma HLS INLINE
    bits = 0;
}

// The value whose raw integer is 1.
template <class T> T unit() {
    #pragma HLS INLINE
    typename format<T>::raw_t bits = 1;
    return from_raw<T>(bits);
}

template <class T> T zero() {
    #pragma HLS INLINE
    typename format<T>::raw_t bits = 0;
    return from_raw<T>(bits);
}

template <class T> T larger_of(const T &a, const T &b) {
    #pragma HLS INLINE
    return a < b ? b : a;
}

template <class sum_T, class T> void accumulate(sum_T &sum, const T &value) {
    #pragma HLS INLINE
    sum += raw(value);
}

// The narrower of C++'s words that holds an accumulator of W bits. g++ is far quicker on words than on ap_int; only
// W bits of a sum are kept, so that synthesis builds no more than those.
template <bool WIDE> struct word {
    template <class T> static int of(const T &bits) {
        #pragma HLS INLINE
        return bits.to_int();
    }
};
template <> struct word<true> {
    template <class T> static long long of(const T &bits) {
        #pragma HLS INLINE
        return bits.to_int64();
    }
};

template <int W, class x_T, class w_T> HW_AMC_OUTLINE void mac(ap_int<W> &a, const x_T &x, w_T w) {
    #pragma HLS INLINE
    typedef word<(W > 31)> word_t;
    a = word_t::of(a) + word_t::of(x) * w;
}

template <class acc_T, class b_T> HW_AMC_OUTLINE acc_T total(const acc_T &a, int shift, b_T bias) {
    #pragma HLS INLINE
    return (a << shift) + bias;
}

#ifndef __SYNTHESIS__
template <class T> void set_lane(T &word, int, long long bits) { word = bits; }
template <class T> long long get_lane(const T &value, int) { return raw(value).to_int64(); }
template <int W> long long get_lane(const ap_int<W> &bits, int) { return bits.to_int64(); }
#endif

} // namespace hw_amc

#endif

namespace hw_amc {

// Products packed by the reuse factor: in round r multiplier k adds weights[k][r] * x[inputs[k][r]] to its output.
// ONE_OUTPUT: a multiplier serves one output only, so that its accumulator needs no selection.
template <int M, int R, int SHIFT, bool ONE_OUTPUT, class x_T, class acc_T, class i_T, class o_T, class w_T>
void rounds(const x_T *x, acc_T *m, const i_T inputs[M][R], const o_T outputs[M][R], const w_T weights[M][R]) {
    #pragma HLS INLINE
Rounds:
    for (int r = 0; r < R; r++) {
        #pragma HLS PIPELINE II=1
        for (int k = 0; k < M; k++) {
            #pragma HLS UNROLL
#ifdef __SYNTHESIS__
            // After unrolling every index below is a constant: an R-to-1 selection instead of one over all inputs.
            x_T taps[R];
            #pragma HLS ARRAY_PARTITION variable=taps complete
            for (int i = 0; i < R; i++) {
                #pragma HLS UNROLL
                taps[i] = x[inputs[k][i]];
            }
            const x_T tap = taps[r];
#else
            const x_T &tap = x[inputs[k][r]];
#endif
            mac(m[outputs[k][ONE_OUTPUT ? 0 : r]], tap, weights[k][r] * (1LL << SHIFT));
        }
    }
}

} // namespace hw_amc

#endif
