"""Factors that are no powers of two: the fewest bits with which no integer behind the next quantiser changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Most bits of a factor with its sign (a multiplier's), and of an addend: what a float32 holds.
FACTOR_BITS, ADDEND_BITS = 18, 24


@dataclass(frozen=True)
class Factors:
    """A factor and an addend for each channel, as integers.

    Attributes
    ----------
    factor, addend : (C,)
    frac, addend_frac : their fraction bits
    moved : integers of the input, over all channels and thresholds, whose answer differs from that of the real numbers
    """

    factor: Integers
    addend: Integers
    frac: int
    addend_frac: int
    moved: int


@dataclass(frozen=True)
class Rounding:
    """The quantiser behind: fraction bits, least and largest integer."""

    frac: int
    low: int
    high: int


def bits_of(raw: Any) -> int:
    """Bits of signed integers."""
    array = np.asarray(raw, np.int64)
    top, low = int(array.max(initial=0)), int(array.min(initial=0))
    return max(top.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def fit(factor: Reals, addend: Reals, source: Rounding, target: Rounding) -> Factors:
    """Write x * factor + addend in integers so that the quantiser behind gives the same integers.

    Parameters
    ----------
    factor, addend : (C,) real numbers, in units of the values that come in and go out
    source : format and range of the integers that come in
    target : the quantiser

    Returns
    -------
    Factors
        With the fewest bits that move nothing; where none of `FACTOR_BITS` do, those that move least.
    """
    best: Factors | None = None
    # Zeros behind the point cost nothing.
    place = int(np.ceil(np.log2(max(float(np.abs(factor).max()), 2.0**-40) + 2.0**-40)))
    room = min(FACTOR_BITS - 1 - place, ADDEND_BITS - 2)
    for frac in range(max(min(3, room), 0), max(room, 0) + 1):
        found = _rounded(factor, addend, source, target, frac)
        if best is None or found.moved < best.moved:
            best = found
        if found.moved == 0:
            break
    assert best is not None
    return best


def _rounded(factor: Reals, addend: Reals, source: Rounding, target: Rounding, frac: int) -> Factors:
    raw = np.rint(np.ldexp(factor, frac)).astype(np.int64)
    whole = max(0, int(np.floor(np.log2(max(float(np.abs(addend).max()), 2.0**-40)))) + 1)
    addend_frac = max(0, min(source.frac + frac, ADDEND_BITS - 1 - whole))
    shift = np.rint(np.ldexp(addend, addend_frac)).astype(np.int64)
    moved = sum(
        _moved(*each, source, target, frac, addend_frac) for each in zip(factor, addend, raw, shift, strict=True)
    )
    return Factors(raw, shift, frac, addend_frac, moved)


def _moved(
    factor: float, addend: float, raw: int, shift: int, source: Rounding, target: Rounding, frac: int, addend_frac: int
) -> int:
    """Integers x of a channel for which round(raw x + shift) is another than round(factor x + addend), by threshold."""
    if factor == 0.0:
        return int(np.rint(addend * 2.0**target.frac) != np.rint(shift * 2.0 ** (target.frac - addend_frac)))
    low, high = source.low, source.high
    if factor < 0:  # x -> -x
        factor, raw, low, high = -factor, -raw, -high, -low
    if raw <= 0:
        return high - low + 1
    levels = np.arange(target.low, target.high, dtype=np.int64)
    # The least x with a result of level + 1 or more, in real numbers ...
    m, d = factor * 2.0 ** (target.frac - source.frac), addend * 2.0**target.frac
    exact = np.ceil(np.clip((levels + 0.5 - d) / m, low - 1.0, high + 2.0)).astype(np.int64)
    # ... and in integers of `deep` fraction bits, where a tie goes to the even level.
    deep = max(source.frac + frac, target.frac + 1, addend_frac)
    factor_raw, shift_raw = int(raw) << (deep - source.frac - frac), int(shift) << (deep - addend_frac)
    room = ((2 * levels + 1) << (deep - target.frac - 1)) - shift_raw
    ours = np.where(levels % 2 == 1, -(-room // factor_raw), room // factor_raw + 1)
    bounds = low, high + 1
    return int(np.abs(np.clip(exact, *bounds) - np.clip(ours, *bounds)).sum())
