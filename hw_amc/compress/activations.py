"""Activations by what they compute: a straight line between two limits, or no exact form.

A function is recognised by its values, so that Keras', QKeras' and a user's own hard sigmoid are one and the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import tensorflow as tf

Floats = np.ndarray[Any, np.dtype[np.float32]]

#: Where a function is looked at: finely around zero, coarsely far out.
_NEAR = np.arange(-8, 8, 1 / 64)
_FAR = 2.0 ** np.arange(3, 14)
PROBE = np.concatenate([-_FAR[::-1], _NEAR, _FAR]).astype(np.float32)

#: A function may differ from its line by so much, times its size.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Line:
    """clip(slope x + offset, low, high)."""

    slope: float = 1.0
    offset: float = 0.0
    low: float = -inf
    high: float = inf

    def __call__(self, x: Any) -> Any:
        """Compute the function on an array."""
        return np.clip(self.slope * x + self.offset, self.low, self.high)


LINEAR = Line()
RELU = Line(low=0.0)
HARD_TANH = Line(low=-1.0, high=1.0)
#: Of the gates in QKeras' hard form.
HARD_SIGMOID = Line(0.5, 0.5, 0.0, 1.0)


def is_softmax(function: Any) -> bool:
    """Whether a Keras activation is the softmax."""
    return str(getattr(function, "__name__", "")).startswith("softmax")


def _values(function: Callable[[Any], Any], x: Floats) -> Any:
    """Values of a function, None where it takes something else than a vector or gives no finite one."""
    try:
        y = np.asarray(function(tf.constant(x)), np.float64)
    except (TypeError, ValueError, AttributeError, tf.errors.OpError):
        return None
    return y if y.shape == x.shape and np.isfinite(y).all() else None


def is_elementwise(function: Callable[[Any], Any]) -> bool:
    """Whether a function computes every element by itself."""
    x, half = _NEAR.astype(np.float32), len(_NEAR) // 2
    whole, turned, first = (_values(function, part) for part in (x, x[::-1], x[:half]))
    if whole is None or turned is None or first is None:
        return False
    return bool((whole == turned[::-1]).all() and (whole[:half] == first).all())


def is_within(function: Callable[[Any], Any], low: float, high: float) -> bool:
    """Whether all values of a function lie between two limits."""
    y = _values(function, PROBE)
    return y is not None and bool(low <= y.min() and y.max() <= high)


def find_line(function: Callable[[Any], Any]) -> Line | None:
    """Recognise a function of one variable; None where it is no clipped line.

    Parameters
    ----------
    function : takes and gives a float32 tensor, element by element
    """
    y = _values(function, PROBE)
    if y is None:
        return None
    low = -inf if y[0] < y[1] else float(y.min())
    high = inf if y[-1] > y[-2] else float(y.max())
    inside = np.flatnonzero((y > low) & (y < high))
    if len(inside) < 2:
        return None
    first, last = inside[0], inside[-1]
    slope = round(float((y[last] - y[first]) / (PROBE[last] - PROBE[first])), 6)
    line = Line(slope, round(float(y[first] - slope * PROBE[first]), 6), round(low, 6), round(high, 6))
    fits = np.abs(line(PROBE.astype(np.float64)) - y) <= TOLERANCE * (1.0 + np.abs(y))
    return line if slope > 0 and fits.all() else None
