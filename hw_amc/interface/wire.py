"""The one way from float I/Q frames to the wire words of the accelerator, and back.

Training data, test benches and the driver on a board all call `to_wire`, so it needs numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError

Normalisation = Literal["none", "rms"]

#: Default fraction bits of a wire word: 16-bit words then span -2 to just under 2.
WIRE_FRAC = 14

#: Bits of I or Q on the wire.
WIRE_BITS = 16

_LOW, _HIGH = -(1 << (WIRE_BITS - 1)), (1 << (WIRE_BITS - 1)) - 1


def to_wire(frames: NDArray[Any], wire_frac: int = WIRE_FRAC, normalise: Normalisation = "none") -> NDArray[np.int16]:
    """Convert float frames to signed 16-bit wire words.

    A word is round(value * 2**wire_frac), halves to even, saturated to -32768..32767.

    Parameters
    ----------
    frames : (n, T, 2) float
        I in [..., 0], Q in [..., 1].
    wire_frac : int
        Fraction bits of a word, 0 to 15.
    normalise : {"none", "rms"}
        "rms" first divides each frame by the root of its mean I**2 + Q**2; an all-zero frame stays zero.

    Returns
    -------
    (n, T, 2) int16

    Raises
    ------
    DataError
        Wrong shape or type, a sample that is not finite, or an option out of range.
    """
    scaled = _scale(frames, wire_frac, normalise)
    return np.clip(scaled, _LOW, _HIGH).astype(np.int16)


def count_saturated(frames: NDArray[Any], wire_frac: int = WIRE_FRAC, normalise: Normalisation = "none") -> int:
    """Count the words (I and Q apart) that `to_wire` saturates; arguments and errors are those of `to_wire`."""
    return int(np.count_nonzero(saturates(frames, wire_frac, normalise)[0]))


def saturates(
    frames: NDArray[Any], wire_frac: int = WIRE_FRAC, normalise: Normalisation = "none"
) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    """Tell which words `to_wire` saturates, and give the words; arguments and errors are those of `to_wire`.

    Returns
    -------
    saturated, words : (n, T, 2)
    """
    scaled = _scale(frames, wire_frac, normalise)
    return (scaled < _LOW) | (scaled > _HIGH), np.clip(scaled, _LOW, _HIGH).astype(np.int16)


def from_wire(words: NDArray[np.int16], wire_frac: int = WIRE_FRAC) -> NDArray[np.float32]:
    """Values of wire words: word / 2**wire_frac, exact in float32.

    Parameters
    ----------
    words : (..., 2) int16
    wire_frac : int
        Fraction bits of a word, 0 to 15.

    Returns
    -------
    (..., 2) float32

    Raises
    ------
    DataError
        The words are not 16-bit integers, or `wire_frac` is out of range.
    """
    _require_wire_frac(wire_frac)
    if words.dtype != np.int16:
        raise DataError(f"wire words must be int16, not {words.dtype}; to_wire makes them")
    return words.astype(np.float32) / np.float32(1 << wire_frac)


def _scale(frames: NDArray[Any], wire_frac: int, normalise: str) -> NDArray[np.floating[Any]]:
    """Finite frames times 2**wire_frac, rounded to whole numbers but not yet saturated."""
    _require_wire_frac(wire_frac)
    if normalise not in ("none", "rms"):
        raise DataError(f"normalise must be 'none' or 'rms', not {normalise!r}")
    if frames.ndim != 3 or frames.shape[2] != 2:
        raise DataError(f"frames must have the shape (n, T, 2), not {frames.shape}")
    if not np.issubdtype(frames.dtype, np.floating):
        raise DataError(f"frames must be floats, not {frames.dtype}; integer words need no to_wire")
    require_finite(frames)
    # float16 overflows at 2**16 and float32 rounds the quotient below: work wide where it matters.
    if normalise == "rms" or frames.dtype == np.float16:
        frames = frames.astype(np.float64)
    if normalise == "rms":
        # Taking out the peak first keeps the squares of very large or small samples finite.
        peak = np.abs(frames).max(axis=(1, 2), keepdims=True, initial=0.0)
        frames = frames / np.where(peak > 0, peak, 1.0)
        power = np.square(frames).sum(axis=2).mean(axis=1)
        frames = frames / np.sqrt(np.where(power > 0, power, 1.0))[:, None, None]
    # Saturating at 2**17 before the product keeps it finite for any float.
    bound = frames.dtype.type(2.0 ** (17 - wire_frac))
    scaled: NDArray[np.floating[Any]] = np.rint(np.clip(frames, -bound, bound) * frames.dtype.type(1 << wire_frac))
    return scaled


def require_finite(frames: NDArray[Any], numbers: Sequence[int] | NDArray[Any] | None = None) -> None:
    """Refuse NaN and infinite samples.

    Parameters
    ----------
    frames : (n, T, 2) float
    numbers : (n,) int, optional
        What the message calls the frames; their positions when left out.

    Raises
    ------
    DataError
        Names the first frame with a sample that is not finite.
    """
    finite = np.isfinite(frames)
    if not finite.all():
        bad = int(np.argmin(finite.reshape(len(frames), -1).all(axis=1)))
        count = int(np.count_nonzero(~finite[bad]))
        name = bad if numbers is None else int(numbers[bad])
        raise DataError(f"frame {name} has {count} NaN or infinite values; repair or drop that frame")


def _require_wire_frac(wire_frac: int) -> None:
    if not 0 <= wire_frac <= 15:
        raise DataError(f"wire_frac must be 0 to 15, not {wire_frac}")
