"""Floats that carry integers exactly: which dtype does, and saturation in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat

Tensor = NDArray[Any]


def clip(x: Tensor, fmt: FixedFormat) -> Tensor:
    """Saturate in place; numpy's maximum and minimum are vectorised, its clip is not."""
    np.maximum(x, x.dtype.type(fmt.min_raw), out=x)
    return np.minimum(x, x.dtype.type(fmt.max_raw), out=x)


def float_dtype(bound: int) -> np.dtype[Any]:
    """Narrowest float that holds every integer up to `bound`."""
    if bound < 1 << 24:
        return np.dtype(np.float32)
    if bound < 1 << 53:
        return np.dtype(np.float64)
    raise UnsupportedLayer(f"an accumulator of magnitude {bound} exceeds 53 bits; use narrower formats")
