"""Windows over time and over images: how many there are, and the samples of each tap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node

#: Zeros, or left out values, before the first and behind the last sample.
Pads = tuple[int, int]


def count_windows(size: int, span: int, stride: int, pads: Pads) -> int:
    """Windows of `span` samples that fit into `size` padded ones; what fills no window is left out."""
    return (sum(pads) + size - span) // stride + 1


def window_pads(sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int], same: bool) -> tuple[Pads, ...]:
    """Places outside, along each axis: none, or for `same` as many as give ceil(size / stride) windows, as in Keras."""
    if not same:
        return ((0, 0),) * len(sizes)
    missing = [
        max((-(-size // stride) - 1) * stride + span - size, 0)
        for size, span, stride in zip(sizes, spans, strides, strict=True)
    ]
    return tuple((count // 2, count - count // 2) for count in missing)


def window_sums(x: Tensor, window: Sequence[int], strides: Sequence[int], pads: Sequence[Pads]) -> Tensor:
    """Sum of each window of x (n, *sizes, channels)."""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    places = tuple(map(count_windows, x.shape[1:-1], window, strides, pads))
    return reduce(np.add, (view for _, view in taps(padded, window, strides, (1,) * len(window), places)))


def window_counts(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], pads: Sequence[Pads]
) -> NDArray[np.int64]:
    """Samples inside, of each window."""
    counts: NDArray[np.int64] = window_sums(np.ones((1, *sizes, 1), np.int64), window, strides, pads)[0, ..., 0]
    return counts


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a tensor over time for an image of height 1, and of a vector for one pixel; any other as it is."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def require_places(node: Node, places: Sequence[int], channels: int) -> None:
    """Require one output for each place; an image of height 1 may be a tensor over time, one pixel a vector."""
    wanted = (*places, channels)
    node.require(
        min(wanted) > 0 and node.shape in (wanted, squeezed(wanted)), f"shape {node.shape} is not {squeezed(wanted)}"
    )


def taps(
    x: Tensor, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int], places: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """Yield each tap's place in the window, and the view (n, *places, channels) of the samples that it meets."""
    for tap in np.ndindex(*window):
        starts = [k * dilation for k, dilation in zip(tap, dilations, strict=True)]
        slices = (
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(starts, places, strides, strict=True)
        )
        yield tap, x[(slice(None), *slices)]
