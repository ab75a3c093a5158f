"""Fixed-point formats and the exact integer arithmetic that every back end shares.

A `raw` is an integer, a `value` is real: value = raw / 2**frac. Rounding is half to even everywhere, as in
QKeras (`tf.round`) and in HLS (`AP_RND_CONV`); overflow saturates (`AP_SAT`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw_amc.errors import ConfigError, DataError

Raw = NDArray[np.integer[Any]]
#: Integers in any dtype, often a float's.
Tensor = NDArray[Any]

#: Widest format that int64 arithmetic with one product in hand can carry.
MAX_BITS = 48


@dataclass(frozen=True)
class FixedFormat:
    """Two's complement (or unsigned) fixed point of `bits` bits, `frac` of them fraction bits.

    `frac` may be negative (a step above 1) or larger than `bits` (no bit at the binary point).
    """

    bits: int
    frac: int
    signed: bool = True

    def __post_init__(self) -> None:
        for name, number in (("bits", self.bits), ("frac", self.frac)):
            if isinstance(number, bool) or not isinstance(number, int | np.integer):
                raise ConfigError(f"{name} of a fixed-point format must be an integer, not {number!r}")
        if not 1 + self.signed <= self.bits <= MAX_BITS:
            raise ConfigError(f"bits must be {1 + self.signed}..{MAX_BITS}, not {self.bits}")
        if not -MAX_BITS <= self.frac <= MAX_BITS:
            raise ConfigError(f"frac must be {-MAX_BITS}..{MAX_BITS}, not {self.frac}")

    @property
    def min_raw(self) -> int:
        """Smallest raw integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max_raw(self) -> int:
        """Largest raw integer."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def max_abs(self) -> int:
        """Largest magnitude of a raw integer."""
        return max(-self.min_raw, self.max_raw)

    @property
    def integer_bits(self) -> int:
        """Bits left of the binary point, the sign included: the I of `ap_fixed<W, I>`."""
        return self.bits - self.frac

    def to_raw(self, values: ArrayLike) -> NDArray[np.int64]:
        """Round real `values` half to even onto the grid and saturate.

        Raises
        ------
        DataError
            A value is not a number, or is complex.
        """
        if np.iscomplexobj(values):
            raise DataError("complex numbers have no fixed-point format")
        scaled = np.rint(np.ldexp(np.asarray(values, np.float64), self.frac))
        if np.isnan(scaled).any():
            raise DataError(f"{int(np.isnan(scaled).sum())} of {scaled.size} values are not numbers")
        raw: NDArray[np.int64] = np.clip(scaled, self.min_raw, self.max_raw).astype(np.int64)
        return raw

    def to_value(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Real values of `raw` (exact in float64)."""
        return np.ldexp(np.asarray(raw, np.float64), -self.frac)

    def holds(self, raw: ArrayLike) -> bool:
        """Whether every integer of `raw` is representable."""
        array = np.asarray(raw)
        return array.size == 0 or self.holds_range(int(array.min()), int(array.max()))

    def holds_range(self, low: int, high: int) -> bool:
        """Whether every integer in [low, high] is representable."""
        return self.min_raw <= low and high <= self.max_raw

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}.{self.frac}"


def format_for(low: int, high: int, frac: int) -> FixedFormat:
    """Return the narrowest format with `frac` fraction bits that holds every integer in [low, high]."""
    signed = low < 0
    bits = max(max(int(high), 0).bit_length(), int(~low).bit_length() if signed else 0) + signed
    return FixedFormat(max(bits, 1 + signed), frac, signed)


def shift_round(raw: Raw, shift: int) -> Raw:
    """`raw / 2**shift`, rounded half to even; a negative `shift` is an exact left shift.

    The result keeps the dtype; the caller picks one wide enough.
    """
    if shift <= 0:
        return raw << -shift
    # Half an LSB less one, plus the LSB that survives: ties go to the even neighbour.
    half = (1 << (shift - 1)) - 1
    return (raw + half + ((raw >> shift) & 1)) >> shift


def requantize(raw: Raw, frac: int, fmt: FixedFormat) -> NDArray[np.int64]:
    """Bring `raw` with `frac` fraction bits into `fmt`: round half to even, then saturate.

    Exact for all integers below 2^61, whatever the two formats: limits that the result meets anyway keep every shift
    inside 64 bits.
    """
    wide, shift = np.asarray(raw, np.int64), frac - fmt.frac
    if shift < 0:
        left = min(-shift, MAX_BITS + 1)
        wide, shift = np.clip(wide, (fmt.min_raw >> left) - 1, (fmt.max_raw >> left) + 1), -left
    rounded: NDArray[np.int64] = np.clip(shift_round(wide, min(shift, 62)), fmt.min_raw, fmt.max_raw)
    return rounded


def saturate(x: Tensor, fmt: FixedFormat) -> Tensor:
    """Saturate in place; numpy's maximum and minimum are vectorised, its clip is not."""
    np.maximum(x, x.dtype.type(fmt.min_raw), out=x)
    return np.minimum(x, x.dtype.type(fmt.max_raw), out=x)
