// AMD's integers as clang's: ap_int<W> is LLVM's iW, as it is in the tools' own front end. For bambu, whose own ap_int
// goes through memory, and for the checks on IR (tests/hls_ir.py), which need to see each width and each
// multiplication; only what our kernels use is here.
#ifndef IR_AP_INT_H_
#define IR_AP_INT_H_

#include <type_traits>

namespace ir {

constexpr int larger(int a, int b) { return a > b ? a : b; }

template <int W, bool S> struct raw_of;
template <int W> struct raw_of<W, true> {
    typedef _BitInt(W) type;
};
template <int W> struct raw_of<W, false> {
    typedef unsigned _BitInt(W) type;
};

// Some bits of a number; what is assigned to is always the whole number.
template <class T> struct span {
    T &of;
    int low;
    const span &operator=(const span &other) const { return put(other); }
    template <class U> const span &operator=(const span<U> &other) const { return put(other); }
    template <class U> const span &put(const span<U> &other) const {
        of.v = static_cast<typename T::raw_t>(static_cast<typename U::bits_t>(other.of.v) >> other.low);
        return *this;
    }
};

template <int W, bool S> struct number {
    static const int width = W;
    static const bool is_signed = S;
    typedef typename raw_of<W, S>::type raw_t;
    typedef typename raw_of<W, false>::type bits_t;
    raw_t v;
    // Copied as a value: bytes copied as bytes would keep it in memory.
    number() {}
    number(const number &other) : v(other.v) {}
    number &operator=(const number &other) {
        v = other.v;
        return *this;
    }
    int to_int() const { return static_cast<int>(v); }
    long long to_int64() const { return static_cast<long long>(v); }
    span<number> range(int, int low) { return {*this, low}; }
    span<const number> range(int, int low) const { return {*this, low}; }
};

template <class T> struct as_number {
    typedef number<8 * sizeof(T), std::is_signed<T>::value> type;
};

template <class T, class = typename std::enable_if<std::is_integral<T>::value>::type>
typename as_number<T>::type to_number(T x) {
    typename as_number<T>::type n;
    n.v = static_cast<decltype(n.v)>(x);
    return n;
}

} // namespace ir

template <int W> struct ap_int : ir::number<W, true> {
    ap_int() {}
    template <int W2, bool S2> ap_int(const ir::number<W2, S2> &x) { this->v = static_cast<decltype(this->v)>(x.v); }
    template <class T, class = typename std::enable_if<std::is_integral<T>::value>::type> ap_int(T x) {
        this->v = static_cast<decltype(this->v)>(x);
    }
};
template <int W> struct ap_uint : ir::number<W, false> {
    ap_uint() {}
    template <int W2, bool S2> ap_uint(const ir::number<W2, S2> &x) { this->v = static_cast<decltype(this->v)>(x.v); }
    template <class T, class = typename std::enable_if<std::is_integral<T>::value>::type> ap_uint(T x) {
        this->v = static_cast<decltype(this->v)>(x);
    }
};

namespace ir {

template <int W, bool S> struct of_width;
template <int W> struct of_width<W, true> {
    typedef ap_int<W> type;
};
template <int W> struct of_width<W, false> {
    typedef ap_uint<W> type;
};

// Widths of results are those of the user guides: nothing is lost.
template <int W1, bool S1, int W2, bool S2> struct results {
    static const bool S = S1 || S2;
    static const int widest = larger(W1 + (S && !S1), W2 + (S && !S2));
    typedef typename of_width<widest + 1, S>::type sum;
    typedef ap_int<widest + 1 + !S> difference;
    typedef typename of_width<W1 + W2, S>::type product;
};

} // namespace ir

#define IR_OPERATOR(op, result)                                                                                        \
    template <int W1, bool S1, int W2, bool S2>                                                                        \
    typename ir::results<W1, S1, W2, S2>::result operator op(const ir::number<W1, S1> &a, const ir::number<W2, S2> &b) { \
        typename ir::results<W1, S1, W2, S2>::result y;                                                                \
        typedef decltype(y.v) T;                                                                                       \
        y.v = static_cast<T>(a.v) op static_cast<T>(b.v);                                                              \
        return y;                                                                                                      \
    }                                                                                                                  \
    template <int W, bool S, class T, class = typename std::enable_if<std::is_integral<T>::value>::type>               \
    auto operator op(const ir::number<W, S> &a, T b)->decltype(a op ir::to_number(b)) {                                \
        return a op ir::to_number(b);                                                                                  \
    }
IR_OPERATOR(+, sum)
IR_OPERATOR(-, difference)
IR_OPERATOR(*, product)

template <int W, bool S> typename ir::of_width<W, S>::type operator<<(const ir::number<W, S> &a, int places) {
    typename ir::of_width<W, S>::type y;
    y.v = a.v << places;
    return y;
}
template <int W, bool S> typename ir::of_width<W, S>::type operator>>(const ir::number<W, S> &a, int places) {
    typename ir::of_width<W, S>::type y;
    y.v = a.v >> places;
    return y;
}
// Bit by bit, of numbers of one type.
#define IR_BITWISE(op)                                                                                                 \
    template <int W, bool S>                                                                                           \
    typename ir::of_width<W, S>::type operator op(const ir::number<W, S> &a, const ir::number<W, S> &b) {              \
        typename ir::of_width<W, S>::type y;                                                                           \
        y.v = a.v op b.v;                                                                                              \
        return y;                                                                                                      \
    }
IR_BITWISE(&)
IR_BITWISE(|)
IR_BITWISE(^)

template <int W, class T> ap_int<W> &operator+=(ap_int<W> &a, const T &b) { return a = a + b; }
template <int W, class T> ap_uint<W> &operator+=(ap_uint<W> &a, const T &b) { return a = a + b; }

#endif
