#ifndef HW_AMC_TYPES_H_
#define HW_AMC_TYPES_H_

// Raw integers of fixed-point values, and the constant products of the layers.
//
// The same kernels are built twice: with the tool's ap_fixed (synthesis, C simulation), and, where
// native/ap_fixed.h comes first on the include path, with machine integers that carry several frames at once.

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"

#ifndef HW_AMC_NATIVE

// Thousands of calls with literal operands: inlining them all would cost g++ minutes. Synthesis inlines them, and so does
// whoever compiles few of them.
#ifdef __SYNTHESIS__
#define HW_AMC_OUTLINE
#elif defined(HW_AMC_FEW_CALLS)
#define HW_AMC_OUTLINE inline __attribute__((always_inline))
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

// Raw bits in a word that holds them, and back.
template <class to_T, class from_T> to_T extend(const from_T &bits) {
    #pragma HLS INLINE
    return bits;
}
template <class to_T, class from_T> to_T narrow(const from_T &bits) {
    #pragma HLS INLINE
    return bits;
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

// An integer constant as raw bits.
template <class T> T constant(long long value) {
    #pragma HLS INLINE
    T bits = value;
    return bits;
}

template <class T> T larger_of(const T &a, const T &b) {
    #pragma HLS INLINE
    return a < b ? b : a;
}

template <class sum_T, class T> void accumulate(sum_T &sum, const T &value) {
    #pragma HLS INLINE
    sum += raw(value);
}

// The product of two raw integers as the value whose raw integer it is, on a DSP block.
template <class T, class a_T, class b_T> T multiplied(const a_T &a, const b_T &b) {
    #pragma HLS INLINE
    typename format<T>::raw_t product;
    #pragma HLS BIND_OP variable=product op=mul impl=dsp
    product = a * b;
    return from_raw<T>(product);
}

// The same where `b` is known when hardware is made: a few adders.
template <class T, class a_T, class b_T> T scaled(const a_T &a, const b_T &b) {
    #pragma HLS INLINE
    typename format<T>::raw_t product = a * b;
    return from_raw<T>(product);
}

// The entry of a table that the bits of a value, read as an unsigned integer, point at.
template <class T, class w_T, class value_T> T look_up(const w_T *entries, const value_T &value) {
    #pragma HLS INLINE
    ap_uint<format<value_T>::bits> index;
    index.range(format<value_T>::bits - 1, 0) = value.range(format<value_T>::bits - 1, 0);
    return from_raw<T>(constant<typename format<T>::raw_t>(entries[index.to_int()]));
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

// A product of two variables, on a DSP block.
template <class a_T, class b_T> auto times(const a_T &a, const b_T &b) -> decltype(a * b) {
    #pragma HLS INLINE
    decltype(a * b) product;
    #pragma HLS BIND_OP variable=product op=mul impl=dsp
    product = a * b;
    return product;
}

// Multipliers that serve one round after another, and trees of their products.
namespace folded {

template <class T> struct width;
template <int W> struct width<ap_int<W> > {
    static const int bits = W;
};
template <int W> struct width<ap_uint<W> > {
    static const int bits = W;
};
template <class x_T, class w_T> struct product_of {
    static const int w_bits = 8 * sizeof(w_T);
    typedef ap_int<w_bits> w_type;
    typedef ap_int<width<x_T>::bits + w_bits> type;
};

template <bool DSP> struct multiplier {
    template <class p_T, class x_T, class w_T> static p_T product(const x_T &x, const w_T &w) {
        #pragma HLS INLINE
        p_T p;
        #pragma HLS BIND_OP variable=p op=mul impl=dsp
        p = x * w;
        return p;
    }
};
template <> struct multiplier<false> {
    template <class p_T, class x_T, class w_T> static p_T product(const x_T &x, const w_T &w) {
        #pragma HLS INLINE
        p_T p;
        #pragma HLS BIND_OP variable=p op=mul impl=fabric
        p = x * w;
        return p;
    }
};
template <class x_T, class s_T, bool DSP, class w_T>
HW_AMC_OUTLINE typename product_of<x_T, w_T>::type multiply(const x_T &x, w_T w) {
    #pragma HLS INLINE
#ifdef __SYNTHESIS__
    const typename product_of<x_T, w_T>::w_type weight = w;
    return multiplier<DSP>::template product<typename product_of<x_T, w_T>::type>(x, weight);
#else
    return word<(width<x_T>::bits + product_of<x_T, w_T>::w_bits > 31)>::of(x) * w;
#endif
}

template <class s_T, int A, int B> HW_AMC_OUTLINE ap_int<(A > B ? A : B) + 1> add(const ap_int<A> &a, const ap_int<B> &b) {
    #pragma HLS INLINE
#ifdef __SYNTHESIS__
    return a + b;
#else
    typedef word<((A > B ? A : B) > 30)> word_t;
    return word_t::of(a) + word_t::of(b);
#endif
}

template <class s_T> s_T zero() {
    #pragma HLS INLINE
    return constant<s_T>(0);
}

} // namespace folded

// Adder graphs: W bits hold every sum, so that what is shifted out above them is not missed.
namespace adders {

template <int W, bool S, class a_T, class b_T>
HW_AMC_OUTLINE typename integer<W, S>::type add(const a_T &a, int shift_a, const b_T &b, int shift_b) {
    #pragma HLS INLINE
    const typename integer<W, S>::type left = a, right = b;
    return (left << shift_a) + (right << shift_b);
}

template <int W, bool S, class a_T, class b_T>
HW_AMC_OUTLINE typename integer<W, S>::type subtract(const a_T &a, int shift_a, const b_T &b, int shift_b) {
    #pragma HLS INLINE
    const typename integer<W, S>::type left = a, right = b;
    return (left << shift_a) - (right << shift_b);
}

inline ap_uint<1> zero() {
    #pragma HLS INLINE
    return 0;
}

// A value of the graph as an output: shifted, right only over zeros, to the accumulator's place, and its bias added.
template <class m_T, class T> HW_AMC_OUTLINE m_T shifted(const T &value, int shift, int scale, long long bias) {
    #pragma HLS INLINE
    const m_T output = shift < 0 ? m_T(value >> -shift) : m_T(m_T(value) << shift);
    return (output << scale) + bias;
}

} // namespace adders

#ifndef __SYNTHESIS__
template <class T> void set_lane(T &word, int, long long bits) { word = bits; }
template <class T> long long get_lane(const T &value, int) { return raw(value).to_int64(); }
template <int W> long long get_lane(const ap_int<W> &bits, int) { return bits.to_int64(); }
#endif

} // namespace hw_amc

#endif

namespace hw_amc {
namespace folded {

// One of two values; trees of these select a multiplier's input. In simulation nothing is copied, and nothing called.
#ifdef __SYNTHESIS__
template <class T> T choose(bool second, const T &a, const T &b) {
    #pragma HLS INLINE
    // Bit by bit: of two reads in two branches clang makes one of a chosen address, and an array of registers would
    // become a memory.
    const T mask = second ? -1 : 0;
    return (a & (mask ^ T(-1))) | (b & mask);
}
#else
template <class T> __attribute__((always_inline)) inline const T &choose(bool second, const T &a, const T &b) {
    return second ? b : a;
}
#endif

// What an accumulator holds after a round: it begins with `bias` where its position does.
template <int SHIFT, class s_T> s_T accumulate(bool start, const s_T &bias, const s_T &before, const s_T &sum) {
    #pragma HLS INLINE
    s_T base = before;
    if (start)
        base = bias;
    return base + (sum << SHIFT);
}

// One round of all banks: the accumulators `sums`, one a bank, take in what its multipliers give.
template <class product, class x_T, class s_T> void round(int r, const x_T *x, s_T *sums) {
    #pragma HLS INLINE
    const int banks = product::members * product::lanes;
    s_T biases[banks], added[banks];
    #pragma HLS ARRAY_PARTITION variable=biases complete
    #pragma HLS ARRAY_PARTITION variable=added complete
    product::biases(product::position(r), biases);
    product::sums(r, x, added);
    for (int bank = 0; bank < banks; bank++) {
        #pragma HLS UNROLL
        sums[bank] = accumulate<product::shift>(product::starts(r), biases[bank], sums[bank], added[bank]);
    }
}

} // namespace folded
} // namespace hw_amc

#endif
