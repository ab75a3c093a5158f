"""Convolutions over time and over images, stride 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node
from hw_amc.graph.ops.linear import Linear


@dataclass(frozen=True, eq=False)
class Conv1d(Linear):
    """Convolution over time, zero padding `same`: y[t] = sum_k x[t + k - (K-1)//2] kernel[k] + bias.

    `kernel` is (K, C_in, C_out).
    """

    op: ClassVar[str] = "conv1d"
    rank: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        T, channels = sources[0].shape
        self.require(self.kernel.ndim == 3 and len(self.kernel) > 0, f"kernel has shape {self.kernel.shape}")
        width, _, filters = self.kernel.shape
        self.require_arrays({"kernel": (width, channels, filters), "bias": (filters,)})
        self.require_shape((T, filters))
        self.check_accumulator(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        width, T = len(self.kernel), self.shape[0]
        before = (width - 1) // 2
        padded = np.pad(tensors[0].astype(dtype, copy=False), ((0, 0), (before, width - 1 - before), (0, 0)))
        kernel = self.kernel.astype(dtype)
        acc: Tensor = padded[:, :T] @ kernel[0]
        for k in range(1, width):
            acc += padded[:, k : k + T] @ kernel[k]
        return self.add_bias(acc, sources[0])


@dataclass(frozen=True, eq=False)
class Conv2d(Linear):
    """Convolution over rows and columns: y[r, c] = sum x[r + i - t, c + j - l] kernel[i, j] + bias.

    `kernel` is (rows, columns, C_in, C_out).
    """

    op: ClassVar[str] = "conv2d"
    rank: ClassVar[int | None] = 3

    #: Zeros around the image, as many as keep its size; the odd one behind. False: none.
    same: bool

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros above and below, left and right."""
        above, left = ((size - 1) // 2 if self.same else 0 for size in self.kernel.shape[:2])
        below, right = (size - 1 if self.same else 0 for size in self.kernel.shape[:2])
        return (above, below - above), (left, right - left)

    def check(self, sources: Sequence[Node]) -> None:
        height, width, channels = sources[0].shape
        self.require(self.kernel.ndim == 4 and self.kernel.size > 0, f"kernel has shape {self.kernel.shape}")
        rows, columns, _, filters = self.kernel.shape
        self.require_arrays({"kernel": (rows, columns, channels, filters), "bias": (filters,)})
        fewer = (0, 0) if self.same else (rows - 1, columns - 1)
        self.require_shape((height - fewer[0], width - fewer[1], filters))
        self.check_accumulator(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        height, width = self.shape[:2]
        padded = np.pad(tensors[0].astype(dtype, copy=False), ((0, 0), *self.padding, (0, 0)))
        kernel = self.kernel.astype(dtype)
        acc = np.zeros((len(padded), *self.shape), dtype)
        for row, column in np.ndindex(kernel.shape[:2]):
            acc += padded[:, row : row + height, column : column + width] @ kernel[row, column]
        return self.add_bias(acc, sources[0])
