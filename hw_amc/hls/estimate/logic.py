"""LUTs, DSPs and delays of adders, multipliers and selections on Xilinx parts: the formulas of docs/estimate.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hw_amc.parts import Family

Integers = NDArray[np.int64]

#: States that enter and leave a loop which is not the whole function.
LOOP_STATES = 2
#: Words and their bits of half a block RAM.
BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
#: LUTs of a multiplier without a DSP block by the product of its operand widths: 176 for 8 x 8, as Yosys maps one whose
#: product is accumulated. HLS reports promise 41; nothing that ran here confirms them.
LUTS_PER_BIT2 = 2.75


@dataclass(frozen=True)
class Context:
    """Clock and delays that every layer's estimate needs."""

    family: Family
    usable_ns: float

    def stages(self, delays_ns: Sequence[float]) -> int:
        """Clock cycles of a chain of operations: each cycle takes as many as fit, at least one."""
        cycles, room = 1, self.usable_ns
        for delay in delays_ns:
            if delay > room and room < self.usable_ns:
                cycles, room = cycles + 1, self.usable_ns
            room -= delay
        return cycles

    def adds(self, count: int, bits: int) -> list[float]:
        """Delays of `count` adders in a chain."""
        return [self.family.add_ns + self.family.add_bit_ns * bits] * count

    def per_cycle(self, bits: int) -> int:
        """Adders in a chain that one cycle holds."""
        return max(1, int(self.usable_ns / self.adds(1, bits)[0]))


def csd_digits(values: Any) -> Integers:
    """Nonzero digits of integers in canonical signed digits: shifts of x that make the product, sign and all."""
    magnitude = np.abs(np.asarray(values, np.int64))
    digits = magnitude ^ (3 * magnitude)
    count: Integers = np.zeros_like(digits)
    while digits.any():
        count += digits & 1
        digits = digits >> 1
    return count


@dataclass(frozen=True)
class Adders:
    """LUTs, pipeline FFs and levels of adders that work out one constant product."""

    lut: int
    ff: int
    levels: int


def literal_adders(matrix: Any, bias: Any, x_bits: int, acc_bits: int, per_cycle: int) -> Adders:
    """Shift-and-add network of straight-line text, without sharing but of equal products.

    Parameters
    ----------
    matrix : integer array (inputs, outputs)
    bias : integer array (outputs,)
    x_bits : int
        Width of the inputs.
    acc_bits : int
        Width of the accumulators, which no adder exceeds.
    per_cycle : int
        Levels of adders between two registers.
    """
    weights = np.asarray(matrix, np.int64)
    lut = ff = depth = 0
    for row in odd_part(weights):
        # x * 12 is x * 3 shifted, and the compiler makes each product of an input once.
        lut += sum(product_luts(constant, x_bits) for constant in np.unique(row[row > 0]).tolist())
    largest = int(csd_digits(weights).max(initial=0))
    levels = math.ceil(math.log2(largest)) if largest else 0
    for column, constant in zip(weights.T, np.asarray(bias).tolist(), strict=True):
        terms = [
            _Bits(_zeros(w), min(x_bits + (abs(w) - 1).bit_length(), acc_bits), w < 0) for w in column.tolist() if w
        ]
        if terms and constant:
            terms.append(_Bits(_zeros(constant), min(abs(constant).bit_length() + 1, acc_bits), False))
        level = 0
        while len(terms) > 1:
            level += 1
            sums = [_add(a, b, acc_bits) for a, b in zip(terms[::2], terms[1::2], strict=False)]
            lut += sum(cost for _, cost in sums)
            terms = [term for term, _ in sums] + terms[2 * len(sums) :]
            if (levels + level) % per_cycle == 0:
                ff += sum(term.high - term.low for term in terms)
        depth = max(depth, level)
    return Adders(lut, ff, levels + depth)


class _Bits(NamedTuple):
    """Bits that a term of a sum occupies, from `low` up to, without, `high`; `negative`: it is subtracted."""

    low: int
    high: int
    negative: bool


def _add(a: _Bits, b: _Bits, most_bits: int) -> tuple[_Bits, int]:
    """Add two terms: the sum, and its LUTs, one a bit.

    Below the higher of the two lowest bits there is nothing to add, unless what lies there is subtracted.
    """
    high = min(max(a.high, b.high) + 1, most_bits)
    start = max(a.low, b.low)
    if a.negative != b.negative:
        start = min(start, (a if a.negative else b).low)
    return _Bits(min(a.low, b.low), high, a.negative and b.negative), high - start


def product_luts(constant: int, x_bits: int) -> int:
    """LUTs of x times an odd positive constant: one adder for each digit but the first, from the top down."""
    digits = _signed_digits(constant)
    if len(digits) == constant.bit_count():
        digits = [(place, False) for place in range(constant.bit_length()) if constant >> place & 1]
    value, luts = 0, 0
    for (place, negative), (above, _) in zip(digits[-2::-1], digits[::-1], strict=False):
        gap = above - place
        value = ((value or 1) << gap) + (-1 if negative else 1)
        luts += x_bits + (value - 1).bit_length() - (0 if negative else gap)
    return luts


def _signed_digits(constant: int) -> list[tuple[int, bool]]:
    """Places of the canonical signed digits of a positive integer, lowest first, and whether each is negative."""
    digits, place = [], 0
    while constant:
        if constant & 1:
            negative = constant & 2 != 0
            digits.append((place, negative))
            constant += 1 if negative else -1
        constant, place = constant >> 1, place + 1
    return digits


def odd_part(values: Any) -> Integers:
    """Magnitude of integers without their factors of two; 0 of 0."""
    odd: Integers = np.abs(np.asarray(values, np.int64))
    while (even := (odd != 0) & (odd % 2 == 0)).any():
        odd = np.where(even, odd // 2, odd)
    return odd


def _zeros(value: int) -> int:
    """Zero bits at the end of an integer other than 0."""
    return (value & -value).bit_length() - 1


def multiplier(a_bits: int, b_bits: int, on_dsp: bool) -> tuple[int, int]:
    """LUTs and DSPs of one multiplication of two variables."""
    if on_dsp:
        return 0, math.ceil(max(a_bits, b_bits) / 25) * math.ceil(min(a_bits, b_bits) / 18)
    return math.ceil(LUTS_PER_BIT2 * a_bits * b_bits), 0


def rom_luts(depth: int, bits: int) -> int:
    """LUTs of a table: one holds 64 words of a bit; a single word is a constant."""
    return bits * math.ceil(depth / 64) if depth > 1 else 0


def bram18(depth: int, bits: int) -> int:
    """Halves of a block RAM of a memory, in the shape that takes fewest."""
    return min(math.ceil(depth / words) * math.ceil(bits / width) for words, width in BRAM18_SHAPES)


def select_luts(ways: int) -> int:
    """LUTs that select one bit of `ways`: two two-way selections a LUT, as Yosys maps trees of them."""
    return math.ceil((ways - 1) / 2)


def round_clip(from_bits: int, to_bits: int) -> int:
    """LUTs that round half to even and saturate: an adder, the bits cut off, the bits above."""
    return from_bits + to_bits + math.ceil(max(from_bits - to_bits, 0) / 6)
