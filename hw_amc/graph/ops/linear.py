"""What all products with a constant kernel share: their bounds, their bias, their exact accumulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat, Raw, Tensor, format_for
from hw_amc.graph.ops.base import Node, Weights

#: Array of Python integers: a bound may exceed 64 bits where the format that it is checked against does not.
Exact = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Linear(Node):
    """A product with a constant kernel and a bias; the output is the exact accumulator."""

    #: The last axis is the output's channels.
    kernel: Weights
    #: (C_out,)
    bias: Weights
    kernel_fmt: FixedFormat
    bias_fmt: FixedFormat

    def kernels(self) -> dict[str, Weights]:
        return {"kernel": self.kernel}

    def matrix(self) -> Weights:
        """Kernel as (inputs of one output, outputs)."""
        return self.kernel.reshape(-1, self.kernel.shape[-1])

    def acc_frac(self, input_fmt: FixedFormat) -> int:
        """Fraction bits of the exact accumulator."""
        return input_fmt.frac + self.kernel_fmt.frac

    def scaled_bias(self, input_fmt: FixedFormat) -> NDArray[np.int64]:
        """Bias at the accumulator's precision."""
        return self._exact_bias(input_fmt).astype(np.int64)

    def _exact_bias(self, input_fmt: FixedFormat) -> Exact:
        shift = self.acc_frac(input_fmt) - self.bias_fmt.frac
        self.require(shift >= 0, f"bias {self.bias_fmt} is finer than the product of {input_fmt} and {self.kernel_fmt}")
        bias: Exact = exact(self.bias) << shift
        return bias

    def acc_range(self, input_fmt: FixedFormat) -> tuple[int, int]:
        """Smallest and largest accumulator that any input can produce."""
        low, high = linear_range(self.matrix(), self._exact_bias(input_fmt), input_fmt)
        return min(low), max(high)

    def narrowest_format(self, input_fmt: FixedFormat) -> FixedFormat:
        """Return the narrowest signed format that holds the accumulator."""
        low, high = self.acc_range(input_fmt)
        return format_for(min(low, -1), high, self.acc_frac(input_fmt))

    def check_accumulator(self, source: Node) -> None:
        """Require the output format to be exact for every input."""
        low, high = self.acc_range(source.fmt)
        self.require(
            self.fmt.frac == self.acc_frac(source.fmt) and self.fmt.holds_range(low, high),
            f"format {self.fmt} cannot hold the accumulator [{low}, {high}], frac {self.acc_frac(source.fmt)}",
        )

    def exact_dtype(self, sources: Sequence[Node]) -> np.dtype[Any]:
        """Float in which every partial sum is exact: bounded by the L1 norm, not by the result's range."""
        (source,) = sources
        norms = exact(np.abs(self.matrix().astype(np.int64)).sum(axis=0))
        return self.float_for(max(norms * source.fmt.max_abs + abs(self._exact_bias(source.fmt))))

    def add_bias(self, acc: Tensor, source: Node) -> Tensor:
        """Add the bias in place."""
        acc += self.scaled_bias(source.fmt).astype(acc.dtype)
        return acc


def exact(integers: Raw) -> Exact:
    """Return an array of Python integers, which cannot overflow."""
    return integers.astype(object)


def linear_range(matrix: Raw, bias: NDArray[Any], input_fmt: FixedFormat) -> tuple[Exact, Exact]:
    """Exact bounds of `x @ matrix + bias` per output over every x of `input_fmt`, as Python integers."""
    weights = np.asarray(matrix, np.int64)
    positive = exact(np.maximum(weights, 0).sum(axis=0))
    negative = exact(np.minimum(weights, 0).sum(axis=0))
    low: Exact = positive * input_fmt.min_raw + negative * input_fmt.max_raw + exact(bias)
    high: Exact = positive * input_fmt.max_raw + negative * input_fmt.min_raw + exact(bias)
    return low, high
