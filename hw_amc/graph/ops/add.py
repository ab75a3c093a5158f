"""The sum and the difference of two branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hw_amc.graph.fixed import FixedFormat, Tensor, format_for
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Add(Node):
    """Sum of two branches of equal shape, the coarser one shifted left: exact, nothing is rounded."""

    op: ClassVar[str] = "add"
    arity: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        _check(self, sources, sum_format(*(source.fmt for source in sources)))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        left, right = _aligned(self, sources, tensors)
        total: Tensor = left + right
        return total


@dataclass(frozen=True, eq=False)
class Subtract(Node):
    """Difference of two branches of equal shape, the first less the second; as exact as their sum."""

    op: ClassVar[str] = "subtract"
    arity: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        _check(self, sources, difference_format(*(source.fmt for source in sources)))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        left, right = _aligned(self, sources, tensors)
        difference: Tensor = left - right
        return difference


def sum_format(left: FixedFormat, right: FixedFormat) -> FixedFormat:
    """Return the narrowest format of the exact sum of any two values."""
    frac = max(left.frac, right.frac)
    (least, most), (low, high) = (_scaled_range(fmt, frac) for fmt in (left, right))
    return format_for(least + low, most + high, frac)


def difference_format(left: FixedFormat, right: FixedFormat) -> FixedFormat:
    """Return the narrowest format of the exact difference of any two values."""
    frac = max(left.frac, right.frac)
    (least, most), (low, high) = (_scaled_range(fmt, frac) for fmt in (left, right))
    return format_for(least - high, most - low, frac)


def _scaled_range(fmt: FixedFormat, frac: int) -> tuple[int, int]:
    return fmt.min_raw << (frac - fmt.frac), fmt.max_raw << (frac - fmt.frac)


def _check(node: Node, sources: Sequence[Node], exact: FixedFormat) -> None:
    shapes = [source.shape for source in sources]
    node.require(shapes == [node.shape] * 2, f"shapes {shapes} of its inputs are not {node.shape}")
    node.require(node.fmt == exact, f"format {node.fmt} is not the exact result's {exact}")


def _aligned(node: Node, sources: Sequence[Node], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors in a float that holds them at the output's binary point."""
    dtype = node.exact_dtype(sources)
    return [
        tensor.astype(dtype) * dtype.type(2.0 ** (node.fmt.frac - source.fmt.frac))
        for source, tensor in zip(sources, tensors, strict=True)
    ]
