"""The sum of two branches."""

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
        shapes = [source.shape for source in sources]
        self.require(shapes == [self.shape] * 2, f"shapes {shapes} of its inputs are not {self.shape}")
        exact = sum_format(*(source.fmt for source in sources))
        self.require(self.fmt == exact, f"format {self.fmt} is not the exact sum's {exact}")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        left, right = (
            tensor.astype(dtype) * dtype.type(2.0 ** (self.fmt.frac - source.fmt.frac))
            for source, tensor in zip(sources, tensors, strict=True)
        )
        total: Tensor = left + right
        return total


def sum_format(left: FixedFormat, right: FixedFormat) -> FixedFormat:
    """Return the narrowest format of the exact sum of any two values."""
    frac = max(left.frac, right.frac)
    shifts = [frac - left.frac, frac - right.frac]
    low = (left.min_raw << shifts[0]) + (right.min_raw << shifts[1])
    high = (left.max_raw << shifts[0]) + (right.max_raw << shifts[1])
    return format_for(low, high, frac)
