"""The native fixed-point types of the C-sim where 32 bits end: compiled, and compared with Python's integers."""

from __future__ import annotations

from pathlib import Path

from hw_amc import hls, tools

NATIVE = Path(hls.__file__).parent / "firmware" / "native"
PROGRAM = r"""
#include <cstdio>
#include "ap_fixed.h"
using namespace hw_amc;

template <class T> T of(long long bits) {
    T value = from_raw<T>(typename T::kind::type{});
    set_lane(value.v, 0, bits);
    return value;
}
template <class T> void show(const T &value) { printf("%lld\n", get_lane(value, 0)); }

int main() {
    const long long words[] = {0, 1, 2147483647, 2147483648, 4294967040, 4294967295};
    for (long long word : words) {
        const ap_ufixed<32, 24> source = of<ap_ufixed<32, 24>>(word);
        show(ap_fixed<34, 32, AP_RND_CONV, AP_SAT>(source));
        show(ap_ufixed<24, 24, AP_RND_CONV, AP_SAT>(source));
        show(ap_fixed<30, 22, AP_RND_CONV, AP_SAT>(source));
        show(source + source);
    }
    const long long factors[] = {-524288, -1, 46341, 524287};
    for (long long left : factors)
        for (long long right : factors)
            show(of<ap_fixed<20, 20>>(left) * of<ap_fixed<20, 20>>(right));
    wide_t sum = {};
    mac(sum, of<ap_fixed<20, 20>>(524287).v, 1 << 20);
    printf("%lld\n", get_lane(sum, 0));
}
"""


def _rounded(value: int, shift: int) -> int:
    """Half to even."""
    floor, rest, half = value >> shift, value & ((1 << shift) - 1), 1 << (shift - 1)
    return floor + (rest > half or (rest == half and floor & 1))


def test_words_and_products_of_more_than_31_bits(tmp_path: Path) -> None:
    (tmp_path / "types.cc").write_text(PROGRAM)
    tools.run(["g++", "-std=c++17", "-Wno-psabi", f"-I{NATIVE}", "-o", "types", "types.cc"], tmp_path)
    found = [int(line) for line in tools.run([tmp_path / "types"], tmp_path).split()]
    want = []
    for word in (0, 1, 2147483647, 2147483648, 4294967040, 4294967295):
        want += [_rounded(word, 6), min(_rounded(word, 8), (1 << 24) - 1), min(word, (1 << 29) - 1), 2 * word]
    factors = (-524288, -1, 46341, 524287)
    want += [left * right for left in factors for right in factors]
    assert found == [*want, 524287 << 20]
