"""Means and maxima over windows and over whole frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat, Tensor
from hw_amc.graph.ops.base import Node


def mean_format(fmt: FixedFormat, count: int) -> FixedFormat:
    """Return the exact format of a mean over `count` = 2**n values: their sum with a moved binary point."""
    shift = count.bit_length() - 1
    return FixedFormat(fmt.bits + shift, fmt.frac + shift, fmt.signed)


class _Windows(Node):
    """A pool of windows over time that meet without a gap."""

    rank: ClassVar[int | None] = 2

    pool: int

    def _check_windows(self, source: Node) -> None:
        T, channels = source.shape
        self.require(self.pool > 0 and T % self.pool == 0, f"{T} samples are not a multiple of pool {self.pool}")
        self.require_shape((T // self.pool, channels))

    def _windows(self, x: Tensor) -> Tensor:
        """Samples by window: (n, windows, pool, channels)."""
        return x.reshape(len(x), self.shape[0], self.pool, self.shape[1])


@dataclass(frozen=True, eq=False)
class AvgPool1d(_Windows):
    """Mean of `pool` successive samples, `pool` a power of two: the sum, with log2(pool) more fraction bits."""

    op: ClassVar[str] = "avg_pool1d"

    pool: int

    def check(self, sources: Sequence[Node]) -> None:
        self._check_windows(sources[0])
        _check_mean(self, sources[0].fmt, self.pool)

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        windows = self._windows(tensors[0]).astype(self.exact_dtype(sources), copy=False)
        sums: Tensor = windows.sum(axis=2)
        return sums


@dataclass(frozen=True, eq=False)
class MaxPool1d(_Windows):
    """Largest of `pool` successive samples."""

    op: ClassVar[str] = "max_pool1d"

    pool: int

    def check(self, sources: Sequence[Node]) -> None:
        self._check_windows(sources[0])
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        largest: Tensor = self._windows(tensors[0]).max(axis=2)
        return largest


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
    """Largest element of each window; rows and columns that fill no window are left out."""

    op: ClassVar[str] = "max_pool2d"
    rank: ClassVar[int | None] = 3

    #: Rows and columns of a window, and from one to the next.
    pool: tuple[int, int]
    stride: tuple[int, int]

    def check(self, sources: Sequence[Node]) -> None:
        *image, channels = sources[0].shape
        self.require(min(*self.pool, *self.stride) > 0, f"pool {self.pool} and stride {self.stride} must be positive")
        sizes = zip(image, self.pool, self.stride, strict=True)
        self.require_shape((*((size - pool) // stride + 1 for size, pool, stride in sizes), channels))
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        (down, right), (height, width) = self.stride, self.shape[:2]
        windows = [
            tensors[0][:, row : row + down * (height - 1) + 1 : down, column : column + right * (width - 1) + 1 : right]
            for row, column in np.ndindex(*self.pool)
        ]
        largest: Tensor = np.max(windows, axis=0)
        return largest


def _check_mean(node: Node, source: FixedFormat, count: int) -> None:
    if count & (count - 1):
        raise UnsupportedLayer(f"{node.name}: a mean over {count} samples is not exact; use a power of two")
    exact = mean_format(source, count)
    node.require(node.fmt == exact, f"format {node.fmt} is not the exact mean's {exact}")
