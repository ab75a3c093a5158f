"""The operations of the integer graph: shapes, formats, integer weights, and what must hold between them.

docs/graph.md writes them up with their equations; `hw_amc.graph.golden` executes them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat, Raw, format_for

Weights = NDArray[np.int32]

#: Word in graph.json -> operation.
OPS: dict[str, type[Node]] = {}


@dataclass(frozen=True, eq=False)
class Node:
    """One operation and its one output tensor."""

    #: Word in graph.json; set by each operation.
    op: ClassVar[str] = ""

    name: str
    inputs: tuple[str, ...]
    #: Shape of the output without the batch axis: (T, C) or (C,).
    shape: tuple[int, ...]
    fmt: FixedFormat

    def __init_subclass__(cls) -> None:
        if cls.op:
            OPS[cls.op] = cls

    def arrays(self) -> dict[str, Weights]:
        """Weight arrays by field name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}

    def check(self, sources: list[Node]) -> None:
        """Raise DataError unless shapes, formats and weights agree with the input nodes."""

    def require(self, condition: bool, message: str) -> None:
        """Raise DataError with this node's name unless `condition`."""
        if not condition:
            raise DataError(f"graph node {self.name!r} ({self.op}): {message}")


@dataclass(frozen=True, eq=False)
class Input(Node):
    """Frames as they come off the wire: (T, 2), I and Q."""

    op: ClassVar[str] = "input"


@dataclass(frozen=True, eq=False)
class Quantize(Node):
    """`clip(rne(x, in.frac - fmt.frac))`: round half to even, saturate. Into an unsigned format it is a ReLU."""

    op: ClassVar[str] = "quantize"

    def check(self, sources: list[Node]) -> None:
        self.require(self.shape == sources[0].shape, f"shape {self.shape} differs from input {sources[0].shape}")


class Linear(Node):
    """Shared by nodes that multiply by a constant kernel and add a bias; the output is the exact accumulator."""

    kernel: Weights
    bias: Weights
    kernel_fmt: FixedFormat
    bias_fmt: FixedFormat

    def matrix(self) -> Weights:
        """Kernel as (inputs of one output, outputs)."""
        return self.kernel.reshape(-1, self.kernel.shape[-1])

    def acc_frac(self, input_fmt: FixedFormat) -> int:
        """Fraction bits of the exact accumulator."""
        return input_fmt.frac + self.kernel_fmt.frac

    def scaled_bias(self, input_fmt: FixedFormat) -> NDArray[np.int64]:
        """Bias at the accumulator's precision."""
        shift = self.acc_frac(input_fmt) - self.bias_fmt.frac
        self.require(shift >= 0, f"bias {self.bias_fmt} is finer than the product of {input_fmt} and {self.kernel_fmt}")
        return self.bias.astype(np.int64) << shift

    def acc_range(self, input_fmt: FixedFormat, pad: bool) -> tuple[int, int]:
        """Smallest and largest accumulator that any input can produce; `pad` admits zeros in place of samples."""
        low, high = linear_range(self.matrix(), self.scaled_bias(input_fmt), input_fmt, pad)
        return int(low.min()), int(high.max())

    def check_accumulator(self, source: Node, pad: bool = False) -> None:
        """Require the output format to be exact for every input."""
        low, high = self.acc_range(source.fmt, pad)
        self.require(
            self.fmt.frac == self.acc_frac(source.fmt) and self.fmt.holds([low, high]),
            f"format {self.fmt} cannot hold the accumulator [{low}, {high}], frac {self.acc_frac(source.fmt)}",
        )


@dataclass(frozen=True, eq=False)
class Conv1d(Linear):
    """Convolution over time, stride 1, zero padding `same`: y[t] = sum_k x[t + k - (K-1)//2] kernel[k] + bias."""

    op: ClassVar[str] = "conv1d"

    #: (K, C_in, C_out)
    kernel: Weights
    bias: Weights
    kernel_fmt: FixedFormat
    bias_fmt: FixedFormat

    def check(self, sources: list[Node]) -> None:
        T, channels = sources[0].shape
        width, _, filters = self.kernel.shape
        self.require(self.shape == (T, filters), f"shape {self.shape} is not {(T, filters)}")
        check_arrays(self, {"kernel": (width, channels, filters), "bias": (filters,)})
        self.check_accumulator(sources[0], pad=True)


@dataclass(frozen=True, eq=False)
class Dense(Linear):
    """Fully connected layer on the last axis: y = x kernel + bias."""

    op: ClassVar[str] = "dense"

    #: (C_in, C_out)
    kernel: Weights
    bias: Weights
    kernel_fmt: FixedFormat
    bias_fmt: FixedFormat

    def check(self, sources: list[Node]) -> None:
        channels, units = sources[0].shape[-1], self.kernel.shape[1]
        self.require(self.shape == (*sources[0].shape[:-1], units), f"shape {self.shape} does not end in {units}")
        check_arrays(self, {"kernel": (channels, units), "bias": (units,)})
        self.check_accumulator(sources[0])


@dataclass(frozen=True, eq=False)
class Affine(Linear):
    """Per-channel scale and bias, what is left of a batch normalisation: y[c] = x[c] kernel[c] + bias[c]."""

    op: ClassVar[str] = "affine"

    #: (C,)
    kernel: Weights
    bias: Weights
    kernel_fmt: FixedFormat
    bias_fmt: FixedFormat

    def matrix(self) -> Weights:
        return self.kernel[np.newaxis]

    def check(self, sources: list[Node]) -> None:
        channels = sources[0].shape[-1]
        self.require(self.shape == sources[0].shape, f"shape {self.shape} differs from input {sources[0].shape}")
        check_arrays(self, {"kernel": (channels,), "bias": (channels,)})
        self.check_accumulator(sources[0])


@dataclass(frozen=True, eq=False)
class AvgPool1d(Node):
    """Mean of `pool` successive samples, `pool` a power of two: the sum, with log2(pool) more fraction bits."""

    op: ClassVar[str] = "avg_pool1d"

    pool: int

    def check(self, sources: list[Node]) -> None:
        _check_windows(self, sources[0], self.pool)
        _check_mean(self, sources[0].fmt, self.pool)


@dataclass(frozen=True, eq=False)
class MaxPool1d(Node):
    """Largest of `pool` successive samples."""

    op: ClassVar[str] = "max_pool1d"

    pool: int

    def check(self, sources: list[Node]) -> None:
        _check_windows(self, sources[0], self.pool)
        self.require(self.fmt == sources[0].fmt, f"format {self.fmt} differs from input {sources[0].fmt}")


@dataclass(frozen=True, eq=False)
class GlobalAvgPool1d(Node):
    """Mean over time, whose length is a power of two: the sum, with log2(T) more fraction bits."""

    op: ClassVar[str] = "global_avg_pool1d"

    def check(self, sources: list[Node]) -> None:
        T, channels = sources[0].shape
        self.require(self.shape == (channels,), f"shape {self.shape} is not {(channels,)}")
        _check_mean(self, sources[0].fmt, T)


@dataclass(frozen=True, eq=False)
class GlobalMaxPool1d(Node):
    """Largest sample over time."""

    op: ClassVar[str] = "global_max_pool1d"

    def check(self, sources: list[Node]) -> None:
        _, channels = sources[0].shape
        self.require(self.shape == (channels,), f"shape {self.shape} is not {(channels,)}")
        self.require(self.fmt == sources[0].fmt, f"format {self.fmt} differs from input {sources[0].fmt}")


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Sum of two branches of equal shape, the coarser one shifted left: exact, nothing is rounded."""

    op: ClassVar[str] = "add"

    def check(self, sources: list[Node]) -> None:
        self.require(len(sources) == 2, f"{len(sources)} inputs; add two at a time")
        shapes = [source.shape for source in sources]
        self.require(shapes == [self.shape] * 2, f"shapes {shapes} of its inputs are not {self.shape}")
        exact = sum_format(*(source.fmt for source in sources))
        self.require(self.fmt == exact, f"format {self.fmt} is not the exact sum's {exact}")


def sum_format(left: FixedFormat, right: FixedFormat) -> FixedFormat:
    """Return the narrowest format of the exact sum of any two values."""
    frac = max(left.frac, right.frac)
    shifts = [frac - left.frac, frac - right.frac]
    low = (left.min_raw << shifts[0]) + (right.min_raw << shifts[1])
    high = (left.max_raw << shifts[0]) + (right.max_raw << shifts[1])
    return format_for(low, high, frac)


def linear_range(
    matrix: Raw, bias: NDArray[np.int64], input_fmt: FixedFormat, pad: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Exact bounds of `x @ matrix + bias` per output over every x of `input_fmt` (and 0 if `pad`)."""
    weights = np.asarray(matrix, np.int64)
    low_in = min(input_fmt.min_raw, 0) if pad else input_fmt.min_raw
    positive = np.maximum(weights, 0).sum(axis=0)
    negative = np.minimum(weights, 0).sum(axis=0)
    low = positive * low_in + negative * input_fmt.max_raw + bias
    high = positive * input_fmt.max_raw + negative * low_in + bias
    return low, high


def check_arrays(node: Node, wanted: dict[str, tuple[int, ...]]) -> None:
    """Require int32 arrays of these shapes, each within its format."""
    for key, shape in wanted.items():
        array, fmt = getattr(node, key), getattr(node, f"{key}_fmt")
        node.require(array.dtype == np.int32, f"{key} must be int32, not {array.dtype}")
        node.require(array.shape == shape, f"{key} has shape {array.shape}, expected {shape}")
        node.require(fmt.holds(array), f"{key} has integers outside its format {fmt}")


def _check_windows(node: Node, source: Node, pool: int) -> None:
    T, channels = source.shape
    node.require(T % pool == 0, f"{T} samples are not a multiple of pool {pool}")
    node.require(node.shape == (T // pool, channels), f"shape {node.shape} does not fit pool {pool}")


def _check_mean(node: Node, source: FixedFormat, count: int) -> None:
    """Require the exact format: a mean over 2**n samples is their sum with a moved binary point."""
    shift = count.bit_length() - 1
    if count != 1 << shift:
        raise UnsupportedLayer(f"{node.name}: a mean over {count} samples is not exact; use a power of two")
    exact = FixedFormat(source.bits + shift, source.frac + shift, source.signed)
    node.require(node.fmt == exact, f"format {node.fmt} is not the exact mean's {exact}")
