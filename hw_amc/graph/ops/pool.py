"""Means and maxima over windows and over whole frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import ClassVar

import numpy as np

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat, Tensor
from hw_amc.graph.ops.base import Node
from hw_amc.graph.ops.windows import Pads, count_windows, require_places, taps


def mean_format(fmt: FixedFormat, count: int) -> FixedFormat:
    """Return the exact format of a mean over `count` = 2**n values: their sum with a moved binary point."""
    shift = count.bit_length() - 1
    return FixedFormat(fmt.bits + shift, fmt.frac + shift, fmt.signed)


@dataclass(frozen=True, eq=False)
class AvgPool1d(Node):
    """Mean of `pool` successive samples, `pool` a power of two: the sum, with log2(pool) more fraction bits."""

    op: ClassVar[str] = "avg_pool1d"
    rank: ClassVar[int | None] = 2

    pool: int

    def check(self, sources: Sequence[Node]) -> None:
        _check_whole_windows(self, sources[0], self.pool)
        _check_mean(self, sources[0].fmt, self.pool)

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        windows = _whole_windows(tensors[0], self.pool).astype(self.exact_dtype(sources), copy=False)
        sums: Tensor = windows.sum(axis=2)
        return sums


@dataclass(frozen=True, eq=False)
class MaxPool1d(Node):
    """Largest of `pool` successive samples."""

    op: ClassVar[str] = "max_pool1d"
    rank: ClassVar[int | None] = 2

    pool: int
    #: Samples from one window to the next; None: `pool`, and the windows take the whole frame.
    stride: int | None = field(default=None, kw_only=True)
    #: Places before and behind the frame that windows may cover; they hold nothing.
    pads: Pads = field(default=(0, 0), kw_only=True)

    def check(self, sources: Sequence[Node]) -> None:
        self.require_same_format(sources[0])
        if not self.options:
            _check_whole_windows(self, sources[0], self.pool)
            return
        stride = self.pool if self.stride is None else self.stride
        _check_places(self, sources[0], (self.pool,), (stride,), (self.pads,))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        if not self.options:
            largest: Tensor = _whole_windows(tensors[0], self.pool).max(axis=2)
            return largest
        stride = self.pool if self.stride is None else self.stride
        return _maximum(self, tensors[0], sources[0], (self.pool,), (stride,), (self.pads,))


@dataclass(frozen=True, eq=False)
class GlobalAvgPool1d(Node):
    """Mean over time, whose length is a power of two: the sum, with log2(T) more fraction bits."""

    op: ClassVar[str] = "global_avg_pool1d"
    rank: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        T, channels = sources[0].shape
        self.require_shape((channels,))
        _check_mean(self, sources[0].fmt, T)

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        sums: Tensor = tensors[0].astype(self.exact_dtype(sources), copy=False).sum(axis=1)
        return sums


@dataclass(frozen=True, eq=False)
class GlobalMaxPool1d(Node):
    """Largest sample over time."""

    op: ClassVar[str] = "global_max_pool1d"
    rank: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        self.require_shape(sources[0].shape[1:])
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        largest: Tensor = tensors[0].max(axis=1)
        return largest


@dataclass(frozen=True, eq=False)
class MaxPool2d(Node):
    """Largest element of each window; rows and columns that fill no window are left out.

    An output of height 1 may be a tensor over time, one of one pixel a vector.
    """

    op: ClassVar[str] = "max_pool2d"
    rank: ClassVar[int | None] = 3

    #: Rows and columns of a window, and from one to the next.
    pool: tuple[int, int]
    stride: tuple[int, int]
    #: Places above and below, left and right, that windows may cover; they hold nothing.
    pads: tuple[Pads, Pads] = field(default=((0, 0), (0, 0)), kw_only=True)

    def check(self, sources: Sequence[Node]) -> None:
        self.require_same_format(sources[0])
        _check_places(self, sources[0], self.pool, self.stride, self.pads)

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return _maximum(self, tensors[0], sources[0], self.pool, self.stride, self.pads)


def _check_mean(node: Node, source: FixedFormat, count: int) -> None:
    if count & (count - 1):
        raise UnsupportedLayer(f"{node.name}: a mean over {count} samples is not exact; use a power of two")
    exact = mean_format(source, count)
    node.require(node.fmt == exact, f"format {node.fmt} is not the exact mean's {exact}")


def _check_whole_windows(node: Node, source: Node, pool: int) -> None:
    T, channels = source.shape
    node.require(pool > 0 and T % pool == 0, f"{T} samples are not a multiple of pool {pool}")
    node.require_shape((T // pool, channels))


def _whole_windows(x: Tensor, pool: int) -> Tensor:
    """Samples by window: (n, windows, pool, channels)."""
    n, T, channels = x.shape
    return x.reshape(n, T // pool, pool, channels)


def check_windows(
    node: Node, source: Node, pool: Sequence[int], strides: Sequence[int], pads: Sequence[Pads]
) -> tuple[int, ...]:
    """Require windows that each hold a sample, and return how many there are along each axis."""
    *sizes, _ = source.shape
    node.require(
        len(pool) == len(strides) == len(pads) == len(sizes) and min(*pool, *strides) > 0,
        f"pool {tuple(pool)} and stride {tuple(strides)} must be positive, one for each axis",
    )
    inside = all(min(pad) >= 0 and max(pad) < size for pad, size in zip(pads, pool, strict=True))
    node.require(inside, f"padding {tuple(pads)} leaves windows without a sample")
    return tuple(map(count_windows, sizes, pool, strides, pads))


def _check_places(node: Node, source: Node, pool: Sequence[int], strides: Sequence[int], pads: Sequence[Pads]) -> None:
    require_places(node, check_windows(node, source, pool, strides, pads), source.shape[-1])


def _maximum(
    node: Node, x: Tensor, source: Node, pool: Sequence[int], strides: Sequence[int], pads: Sequence[Pads]
) -> Tensor:
    places = check_windows(node, source, pool, strides, pads)
    if any(map(any, pads)):
        x = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=source.fmt.min_raw)
    views = [view for _, view in taps(x, pool, strides, (1,) * len(pool), places)]
    return reduce(np.maximum, views).reshape(len(x), *node.shape)
