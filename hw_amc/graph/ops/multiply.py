"""The product of two branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hw_amc.graph.fixed import FixedFormat, Tensor, format_for
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Multiply(Node):
    """Product of two branches, element by element, nothing rounded.

    An axis of one element serves all elements of the other's.
    """

    op: ClassVar[str] = "multiply"
    arity: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        shapes = [source.shape for source in sources]
        fits = len({len(shape) for shape in shapes}) == 1 and all(
            a == b or 1 in (a, b) for a, b in zip(*shapes, strict=True)
        )
        self.require(fits, f"shapes {shapes} of its inputs do not fit together")
        self.require_shape(tuple(map(max, zip(*shapes, strict=True))))
        exact = product_format(*(source.fmt for source in sources))
        self.require(self.fmt == exact, f"format {self.fmt} is not the exact product's {exact}")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        left, right = (tensor.astype(dtype, copy=False) for tensor in tensors)
        product: Tensor = left * right
        return product


def product_format(left: FixedFormat, right: FixedFormat) -> FixedFormat:
    """Return the narrowest format of the exact product of any two values."""
    corners = [a * b for a in (left.min_raw, left.max_raw) for b in (right.min_raw, right.max_raw)]
    return format_for(min(corners), max(corners), left.frac + right.frac)
