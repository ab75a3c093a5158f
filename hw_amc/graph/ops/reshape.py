"""The same integers in another shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Reshape(Node):
    """The same integers in the same order, in another shape."""

    op: ClassVar[str] = "reshape"

    def check(self, sources: Sequence[Node]) -> None:
        shape = sources[0].shape
        self.require(prod(self.shape) == prod(shape), f"shape {self.shape} has not as many elements as {shape}")
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return tensors[0].reshape(len(tensors[0]), *self.shape)
