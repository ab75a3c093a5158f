"""The same integers with their axes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Permute(Node):
    """The same integers with their axes in another order: axis i of the output is axis `order[i]` of the input."""

    op: ClassVar[str] = "permute"

    order: tuple[int, ...]

    def check(self, sources: Sequence[Node]) -> None:
        shape = sources[0].shape
        self.require(sorted(self.order) == list(range(len(shape))), f"{self.order} is no order of {len(shape)} axes")
        self.require_shape(tuple(shape[axis] for axis in self.order))
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return tensors[0].transpose(0, *(axis + 1 for axis in self.order))
