"""Integers that do not mean what their type says: too small for it, or signed ones in place of unsigned."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Share of its range that a type of 16 bits or more is expected to use.
_LEAST_SHARE = 2.0**-8

#: Stretches that are looked at, and samples of each.
_STRETCHES, _SAMPLES = 16, 4096

#: 8-bit values of the wrong sign keep away from zero, and would be smaller with the right one.
_GAP, _SHARE_IN_THE_GAP, _LARGE = 0.25, 0.005, 0.5


def warn_of_small_integers(samples: NDArray[Any], path: Path) -> None:
    """Look at some samples, and say where their type makes silence of them.

    Parameters
    ----------
    samples : (n, 2) or (m, T, 2), mapped
    path : Path
        For messages.

    Warns
    -----
    UserWarning
        The integers of a type of 16 bits or more use less than 2^-8 of its range.
    """
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    if samples.dtype.kind in "iu" and samples.dtype.itemsize > 1 and len(samples):
        highest = _magnitudes(samples).max()
        if 0 < highest < _LEAST_SHARE:
            reach = f"{highest * half:.0f}, 2^{np.log2(highest):.1f} of that type's range"
            warnings.warn(
                f"{path}: its {samples.dtype.name} samples reach {reach}, and become as small; save them in the type"
                " that they need (int16), or scaled, as floats",
                stacklevel=3,
            )


def warn_of_sign(samples: NDArray[Any], path: Path) -> None:
    """Look at some samples of a raw file, and say where signed bytes look read as unsigned ones, or the reverse.

    Parameters and warnings as `warn_of_small_integers`.
    """
    if samples.dtype.kind not in "iu" or samples.dtype.itemsize > 1 or not len(samples):
        return
    values = _magnitudes(samples)
    if np.mean(values < _GAP) < _SHARE_IN_THE_GAP and np.mean(values) > _LARGE:
        name, other = samples.dtype.name, "uint8" if samples.dtype.kind == "i" else "int8"
        warnings.warn(
            f"{path}: its {name} samples crowd at both ends of the range and leave a gap about zero, as {other} samples"
            f" do when they are read as {name} (rtl_sdr writes uint8); if they are, give --samples {other}",
            stacklevel=3,
        )


def _magnitudes(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Magnitudes of the values of some stretches spread over all samples, of a full range of 1."""
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    rows = max(1, _SAMPLES // (samples.shape[1] if samples.ndim == 3 else 1))
    starts = np.unique(np.linspace(0, max(len(samples) - rows, 0), _STRETCHES).astype(np.int64))
    some = [np.asarray(samples[start : start + rows]).reshape(-1, 2)[:_SAMPLES] for start in starts]
    values = np.concatenate(some).astype(np.float64) - (half if samples.dtype.kind == "u" else 0.0)
    found: NDArray[np.float64] = np.abs(values / half)
    return found
