#ifndef HW_AMC_NATIVE_AP_FIXED_H_
#define HW_AMC_NATIVE_AP_FIXED_H_

// Fixed point on machine integers, for a fast C simulation of the same kernels; never seen by synthesis.
//
// A number holds HW_AMC_LANES raw integers, one of each of as many frames, in a GCC vector. Formats are known at
// compile time, results of + - * are exact, and converting rounds and saturates as the mode of the target says.

#ifdef __SYNTHESIS__
#error "native/ is for C simulation only: take it off the include path"
#endif

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#define HW_AMC_NATIVE
#define HW_AMC_OUTLINE inline

#ifndef HW_AMC_LANES
#define HW_AMC_LANES 32
#endif

enum ap_q_mode { AP_RND, AP_RND_ZERO, AP_RND_MIN_INF, AP_RND_INF, AP_RND_CONV, AP_TRN, AP_TRN_ZERO };
enum ap_o_mode { AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM };

namespace hw_amc {

static const int LANES = HW_AMC_LANES;
typedef int32_t narrow_t __attribute__((vector_size(4 * HW_AMC_LANES)));
typedef int64_t wide_t __attribute__((vector_size(8 * HW_AMC_LANES)));

// Storage of a signed integer of that many bits.
template <bool WIDE> struct storage;
template <> struct storage<false> {
    typedef narrow_t type;
    typedef int32_t lane;
};
template <> struct storage<true> {
    typedef wide_t type;
    typedef int64_t lane;
};
template <int BITS> struct holds : storage<(BITS > 32)> {
    static_assert(BITS <= 64, "the native build computes in 64 bits; use narrower formats");
};

template <int W, bool S> struct integer : holds<W + !S> {};

template <class T, class U> inline T cast(const U &v) { return __builtin_convertvector(v, T); }

template <int W, int I, bool S> struct fixed_base {
    static const int bits = W;
    static const int frac = W - I;
    static const int integer_bits = I;
    static const bool is_signed = S;
    typedef integer<W, S> kind;
    typename kind::type v;
};

constexpr int larger(int a, int b) { return a > b ? a : b; }

// v / 2^shift as the mode rounds, or v * 2^-shift; T has room for both.
template <int SHIFT, ap_q_mode Q, class T> inline T round_shift(const T &v) {
    static_assert(SHIFT <= 0 || Q == AP_RND_CONV || Q == AP_RND || Q == AP_TRN, "rounding mode not implemented");
    if constexpr (SHIFT <= 0)
        return v << -SHIFT;
    else if constexpr (Q == AP_RND_CONV)
        return (v + (((v >> SHIFT) & 1) + ((decltype(v[0] + 0)(1) << (SHIFT - 1)) - 1))) >> SHIFT;
    else if constexpr (Q == AP_RND)
        return (v + (decltype(v[0] + 0)(1) << (SHIFT - 1))) >> SHIFT;
    else
        return v >> SHIFT;
}

// v within W bits: saturated, or wrapped.
template <int W, bool S, ap_o_mode O, class T> inline T fit(const T &v) {
    static_assert(O == AP_SAT || O == AP_WRAP, "overflow mode not implemented");
    typedef decltype(v[0] + 0) lane;
    if constexpr (O == AP_SAT) {
        const T low = T{} + (S ? -(lane(1) << (W - 1)) : lane(0));
        const T high = T{} + ((lane(1) << (W - S)) - 1);
        const T above = v < low ? low : v;
        return above > high ? high : above;
    } else if constexpr (S) {
        const int drop = 8 * sizeof(lane) - W;
        return (v << drop) >> drop;
    } else {
        return v & ((lane(1) << W) - 1);
    }
}

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O> struct fixed : fixed_base<W, I, S> {
    typedef fixed_base<W, I, S> base;
    fixed() {}
    template <int W2, int I2, bool S2> fixed(const fixed_base<W2, I2, S2> &x) { convert(x); }
    template <int W2, int I2, bool S2> fixed &operator=(const fixed_base<W2, I2, S2> &x) {
        convert(x);
        return *this;
    }

  private:
    template <int W2, int I2, bool S2> void convert(const fixed_base<W2, I2, S2> &x) {
        const int shift = (W2 - I2) - (W - I);
        // Room for the source (a sign if it has none), the carry of rounding, a left shift, and the target's limits.
        const int moved = W2 + !S2 + (shift > 0 ? 1 : -shift);
        typedef typename holds<larger(larger(moved, W + !S), shift + 1)>::type work_t;
        const work_t rounded = round_shift<shift, Q>(cast<work_t>(x.v));
        this->v = cast<typename base::kind::type>(fit<W, S, O>(rounded));
    }
};

template <int W1, int I1, bool S1, int W2, int I2, bool S2> struct sum_of {
    static const bool is_signed = S1 || S2;
    static const int frac = larger(W1 - I1, W2 - I2);
    static const int whole = larger(I1 + (is_signed && !S1), I2 + (is_signed && !S2)) + 1;
    typedef fixed_base<whole + frac, whole, is_signed> type;
    typedef fixed_base<whole + frac + !is_signed, whole + !is_signed, true> signed_type;
};

template <int W1, int I1, bool S1, int W2, int I2, bool S2>
inline typename sum_of<W1, I1, S1, W2, I2, S2>::type operator+(const fixed_base<W1, I1, S1> &a,
                                                              const fixed_base<W2, I2, S2> &b) {
    typedef sum_of<W1, I1, S1, W2, I2, S2> result;
    typedef typename result::type::kind::type T;
    typename result::type y;
    y.v = (cast<T>(a.v) << (result::frac - (W1 - I1))) + (cast<T>(b.v) << (result::frac - (W2 - I2)));
    return y;
}

template <int W1, int I1, bool S1, int W2, int I2, bool S2>
inline typename sum_of<W1, I1, S1, W2, I2, S2>::signed_type operator-(const fixed_base<W1, I1, S1> &a,
                                                                     const fixed_base<W2, I2, S2> &b) {
    typedef sum_of<W1, I1, S1, W2, I2, S2> result;
    typedef typename result::signed_type::kind::type T;
    typename result::signed_type y;
    y.v = (cast<T>(a.v) << (result::frac - (W1 - I1))) - (cast<T>(b.v) << (result::frac - (W2 - I2)));
    return y;
}

template <int W1, int I1, bool S1, int W2, int I2, bool S2>
inline fixed_base<W1 + W2, I1 + I2, (S1 || S2)> operator*(const fixed_base<W1, I1, S1> &a,
                                                          const fixed_base<W2, I2, S2> &b) {
    typedef fixed_base<W1 + W2, I1 + I2, (S1 || S2)> result;
    typedef typename result::kind::type T;
    result y;
    y.v = cast<T>(a.v) * cast<T>(b.v);
    return y;
}

} // namespace hw_amc

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
struct ap_fixed : hw_amc::fixed<W, I, true, Q, O> {
    using hw_amc::fixed<W, I, true, Q, O>::fixed;
    using hw_amc::fixed<W, I, true, Q, O>::operator=;
    ap_fixed() {}
};

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
struct ap_ufixed : hw_amc::fixed<W, I, false, Q, O> {
    using hw_amc::fixed<W, I, false, Q, O>::fixed;
    using hw_amc::fixed<W, I, false, Q, O>::operator=;
    ap_ufixed() {}
};

namespace hw_amc {

template <int W, int I, bool S> typename integer<W, S>::type raw(const fixed_base<W, I, S> &value) { return value.v; }

template <class T, class raw_T> T from_raw(const raw_T &bits) {
    T value;
    value.v = cast<typename T::kind::type>(bits);
    return value;
}

// The field of a word that begins at bit `low`.
template <class T, int low, class word_T> T field(const word_T &word) {
    T value;
    value.v = cast<typename T::kind::type>(fit<T::bits, T::is_signed, AP_WRAP>(word >> low));
    return value;
}

template <class to_T, class from_T> to_T extend(const from_T &bits) { return cast<to_T>(bits); }
template <class to_T, class from_T> to_T narrow(const from_T &bits) { return cast<to_T>(bits); }

template <class T> void clear(T &bits) { bits = T{}; }

template <class T> T unit() { return from_raw<T>(narrow_t{} + 1); }
template <class T> T zero() { return from_raw<T>(narrow_t{}); }

template <class T> T constant(long long value) { return T{} + decltype(T{}[0] + 0)(value); }

template <class T> T larger_of(const T &a, const T &b) {
    T value;
    value.v = a.v < b.v ? b.v : a.v;
    return value;
}

template <class sum_T, class T> void accumulate(sum_T &sum, const T &value) { sum += cast<sum_T>(value.v); }

template <class T, class a_T, class b_T> T multiplied(const a_T &a, const b_T &b) {
    typedef typename T::kind::type work_t;
    return from_raw<T>(cast<work_t>(a) * cast<work_t>(b));
}
template <class T, class a_T, class b_T> T scaled(const a_T &a, const b_T &b) { return multiplied<T>(a, b); }

template <class T, class w_T, int W, int I, bool S> T look_up(const w_T *entries, const fixed_base<W, I, S> &value) {
    T found;
    for (int lane = 0; lane < LANES; lane++)
        found.v[lane] = entries[value.v[lane] & ((1 << W) - 1)];
    return found;
}

inline void mac(narrow_t &a, const narrow_t &x, int32_t w) { a += x * w; }
inline void mac(wide_t &a, const narrow_t &x, int64_t w) { a += cast<wide_t>(x) * w; }
inline void mac(wide_t &a, const wide_t &x, int64_t w) { a += x * w; }

inline narrow_t total(const narrow_t &a, int shift, int32_t bias) { return (a << shift) + bias; }
inline wide_t total(const wide_t &a, int shift, int64_t bias) { return (a << shift) + bias; }

template <class a_T, class b_T> inline auto times(const a_T &a, const b_T &b) -> decltype(a * b) { return a * b; }

namespace folded {

template <class x_T, class s_T, bool DSP, class w_T> inline s_T multiply(const x_T &x, w_T w) {
    return cast<s_T>(x) * decltype(s_T{}[0] + 0)(w);
}
template <class s_T> inline s_T add(const s_T &a, const s_T &b) { return a + b; }
template <class s_T> inline s_T zero() { return s_T{}; }

} // namespace folded

namespace adders {

template <int W, bool S, class a_T, class b_T>
inline typename integer<W, S>::type add(const a_T &a, int shift_a, const b_T &b, int shift_b) {
    typedef typename integer<W, S>::type T;
    return (cast<T>(a) << shift_a) + (cast<T>(b) << shift_b);
}
template <int W, bool S, class a_T, class b_T>
inline typename integer<W, S>::type subtract(const a_T &a, int shift_a, const b_T &b, int shift_b) {
    typedef typename integer<W, S>::type T;
    return (cast<T>(a) << shift_a) - (cast<T>(b) << shift_b);
}
inline narrow_t zero() { return narrow_t{}; }
template <class m_T, class T> inline m_T shifted(const T &value, int shift, int scale, long long bias) {
    const m_T output = shift < 0 ? cast<m_T>(value >> -shift) : cast<m_T>(value) << shift;
    return (output << scale) + decltype(m_T{}[0] + 0)(bias);
}

} // namespace adders

template <class T> void set_lane(T &word, int lane, long long bits) { word[lane] = bits; }
inline long long get_lane(const narrow_t &bits, int lane) { return bits[lane]; }
inline long long get_lane(const wide_t &bits, int lane) { return bits[lane]; }
template <int W, int I, bool S> long long get_lane(const fixed_base<W, I, S> &value, int lane) {
    return value.v[lane];
}

} // namespace hw_amc

#endif
