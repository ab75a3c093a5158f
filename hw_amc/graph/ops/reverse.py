"""A frame with its last sample first: what the backward half of a bidirectional layer reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Reverse(Node):
    """`x[T - 1 - t]`: it needs the whole frame before its first output, which a streaming core keeps in a memory."""

    op: ClassVar[str] = "reverse"
    rank: ClassVar[int | None] = 2

    def check(self, sources: Sequence[Node]) -> None:
        self.require_shape(sources[0].shape)
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return tensors[0][:, ::-1]
