"""The operations of the integer graph on images: tensors (height, width, channels), rows first.

docs/graph.md writes them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.nodes import Linear, Node, Weights, check_arrays


@dataclass(frozen=True, eq=False)
class Reshape(Node):
    """The same integers in the same order, in another shape."""

    op: ClassVar[str] = "reshape"

    def check(self, sources: list[Node]) -> None:
        shape = sources[0].shape
        self.require(prod(self.shape) == prod(shape), f"shape {self.shape} has not as many elements as {shape}")
        self.require(self.fmt == sources[0].fmt, f"format {self.fmt} differs from input {sources[0].fmt}")


@dataclass(frozen=True, eq=False)
class Conv2d(Linear):
    """Convolution over rows and columns, stride 1: y[r, c] = sum x[r + i - t, c + j - l] kernel[i, j] + bias."""

    op: ClassVar[str] = "conv2d"

    #: (rows, columns, C_in, C_out)
    kernel: Weights
    bias: Weights
    kernel_fmt: FixedFormat
    bias_fmt: FixedFormat
    #: Zeros around the image, as many as keep its size; the odd one behind. False: none.
    same: bool

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Zeros above and below, left and right."""
        above, left = ((size - 1) // 2 if self.same else 0 for size in self.kernel.shape[:2])
        below, right = (size - 1 if self.same else 0 for size in self.kernel.shape[:2])
        return (above, below - above), (left, right - left)

    def check(self, sources: list[Node]) -> None:
        height, width, channels = sources[0].shape
        rows, columns, _, filters = self.kernel.shape
        wanted = (height, width, filters) if self.same else (height - rows + 1, width - columns + 1, filters)
        self.require(min(wanted) > 0 and self.shape == wanted, f"shape {self.shape} is not {wanted}")
        check_arrays(self, {"kernel": (rows, columns, channels, filters), "bias": (filters,)})
        self.check_accumulator(sources[0], pad=self.same)


@dataclass(frozen=True, eq=False)
class MaxPool2d(Node):
    """Largest element of each window; rows and columns that fill no window are left out."""

    op: ClassVar[str] = "max_pool2d"

    #: Rows and columns of a window, and from one to the next.
    pool: tuple[int, int]
    stride: tuple[int, int]

    def check(self, sources: list[Node]) -> None:
        height, width, channels = sources[0].shape
        sizes = zip((height, width), self.pool, self.stride, strict=True)
        wanted = (*((size - pool) // stride + 1 for size, pool, stride in sizes), channels)
        self.require(min(wanted) > 0 and self.shape == wanted, f"shape {self.shape} is not {wanted}")
        self.require(self.fmt == sources[0].fmt, f"format {self.fmt} differs from input {sources[0].fmt}")
