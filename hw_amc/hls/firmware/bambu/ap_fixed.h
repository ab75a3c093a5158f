// AMD's fixed-point numbers on clang's integers: see ap_int.h.
#ifndef IR_AP_FIXED_H_
#define IR_AP_FIXED_H_

#include "ap_int.h"

enum ap_q_mode { AP_RND, AP_RND_ZERO, AP_RND_MIN_INF, AP_RND_INF, AP_RND_CONV, AP_TRN, AP_TRN_ZERO };
enum ap_o_mode { AP_SAT, AP_SAT_ZERO, AP_SAT_SYM, AP_WRAP, AP_WRAP_SM };

namespace ir {

template <int W, int I, bool S> struct fixed : number<W, S> {};

// v / 2^SHIFT, half to even, or v * 2^-SHIFT.
template <int SHIFT, ap_q_mode Q, class T> T round_shift(T v) {
    static_assert(SHIFT <= 0 || Q == AP_RND_CONV || Q == AP_TRN, "rounding mode not implemented");
    if constexpr (SHIFT <= 0)
        return v << -SHIFT;
    else if constexpr (Q == AP_RND_CONV)
        return (v + ((v >> SHIFT & 1) + ((T(1) << (SHIFT - 1)) - 1))) >> SHIFT;
    else
        return v >> SHIFT;
}

template <int W, bool S, ap_o_mode O, class T> T fit(T v) {
    if constexpr (O != AP_SAT)
        return v;
    const T low = S ? -(T(1) << (W - 1)) : T(0);
    const T high = (T(1) << (W - S)) - 1;
    return v < low ? low : v > high ? high : v;
}

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int W2, int I2, bool S2>
typename raw_of<W, S>::type convert(const fixed<W2, I2, S2> &x) {
    const int shift = (W2 - I2) - (W - I);
    const int room = larger(larger(W2 + !S2 + (shift > 0 ? 1 : -shift), W + !S), shift + 1) + 1;
    typedef typename raw_of<room, true>::type work_t;
    return static_cast<typename raw_of<W, S>::type>(fit<W, S, O>(round_shift<shift, Q>(static_cast<work_t>(x.v))));
}

template <int W1, int I1, bool S1, int W2, int I2, bool S2> struct fixed_results {
    static const bool S = S1 || S2;
    static const int frac = larger(W1 - I1, W2 - I2);
    static const int whole = larger(I1 + (S && !S1), I2 + (S && !S2)) + 1;
    typedef fixed<whole + frac, whole, S> sum;
    typedef fixed<whole + frac + !S, whole + !S, true> difference;
    typedef fixed<W1 + W2, I1 + I2, S> product;
};

#define IR_FIXED(op, result)                                                                                           \
    template <int W1, int I1, bool S1, int W2, int I2, bool S2>                                                        \
    typename fixed_results<W1, I1, S1, W2, I2, S2>::result operator op(const fixed<W1, I1, S1> &a,                     \
                                                                       const fixed<W2, I2, S2> &b) {                   \
        typedef fixed_results<W1, I1, S1, W2, I2, S2> results;                                                         \
        typename results::result y;                                                                                    \
        typedef decltype(y.v) T;                                                                                       \
        y.v = (static_cast<T>(a.v) << (results::frac - (W1 - I1))) op (static_cast<T>(b.v) << (results::frac - (W2 - I2))); \
        return y;                                                                                                      \
    }
IR_FIXED(+, sum)
IR_FIXED(-, difference)

template <int W1, int I1, bool S1, int W2, int I2, bool S2>
typename fixed_results<W1, I1, S1, W2, I2, S2>::product operator*(const fixed<W1, I1, S1> &a,
                                                                  const fixed<W2, I2, S2> &b) {
    typename fixed_results<W1, I1, S1, W2, I2, S2>::product y;
    typedef decltype(y.v) T;
    y.v = static_cast<T>(a.v) * static_cast<T>(b.v);
    return y;
}

template <int W, int I, bool S> bool operator<(const fixed<W, I, S> &a, const fixed<W, I, S> &b) { return a.v < b.v; }

} // namespace ir

#define IR_TYPE(name, S)                                                                                               \
    template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0> struct name : ir::fixed<W, I, S> { \
        name() {}                                                                                                      \
        template <int W2, int I2, bool S2> name(const ir::fixed<W2, I2, S2> &x) {                                      \
            this->v = ir::convert<W, I, S, Q, O>(x);                                                                   \
        }                                                                                                              \
        explicit name(double x) {                                                                                      \
            this->v = static_cast<decltype(this->v)>(static_cast<long long>(x));                                       \
        }                                                                                                              \
    };
IR_TYPE(ap_fixed, true)
IR_TYPE(ap_ufixed, false)

#endif
