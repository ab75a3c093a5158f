"""Small pieces of C++: types, integers, constants, selections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat

Integers = NDArray[np.int64]


def cpp_type(fmt: FixedFormat, rounding: bool = True) -> str:
    """`fmt` in the tools' words; with `rounding` a value entering it is rounded half to even and saturated."""
    modes = ",AP_RND_CONV,AP_SAT" if rounding else ""
    return f"ap_{'' if fmt.signed else 'u'}fixed<{fmt.bits},{fmt.integer_bits}{modes}>"


def raw_type(fmt: FixedFormat) -> str:
    """C++ type of raw integers of `fmt`."""
    return f"hw_amc::integer<{fmt.bits}, {str(fmt.signed).lower()}>::type"


def constant(name: str, value: int) -> str:
    """Member of a configuration struct."""
    return f"static const int {name} = {value};"


def literal(value: int) -> str:
    """An integer as C++ writes it."""
    return f"{value}LL" if abs(value) >= 1 << 31 else str(value)


def rom(name: str, values: Integers) -> str:
    """Constant table of one dimension."""
    return f"static const {integer_type(values)} {name}[{len(values)}] = {braces(values.tolist())};"


def braces(values: Sequence[object]) -> str:
    """Initialiser of a table."""
    return "{" + ", ".join(map(str, values)) + "}"


def integer_type(values: Integers) -> str:
    """Narrowest of C++'s signed integers: a multiplier takes the width of its weights from it."""
    bits = bits_of(values) + (values.min(initial=0) >= 0)
    types = ((8, "signed char"), (16, "short"), (32, "int"), (64, "long long"))
    return next(name for most, name in types if bits <= most)


def bits_of(values: Integers) -> int:
    """Bits that hold every one of these integers, with a sign where one is negative."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return max(max(high, ~low).bit_length() + (low < 0), 1)


def select(values: Sequence[str], index: str) -> str:
    """Binary tree that selects values[index]: four ways a LUT, and every value stands at a constant place."""
    level, found = 0, list(values)
    while len(found) > 1:
        pairs = [f"choose({index} >> {level} & 1, {a}, {b})" for a, b in zip(found[::2], found[1::2], strict=False)]
        found = pairs + found[2 * len(pairs) :]
        level += 1
    return found[0]
