"""Where two branches meet: their sum or difference."""

from __future__ import annotations

from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild, Operation


class _Join(Operation):
    """One element of each branch a cycle."""

    header: ClassVar[str] = "hw_amc_join.h"
    kernel_name: ClassVar[str]

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::{self.kernel_name}"

    def members(self, layer: LayerBuild) -> list[str]:
        return [constant("steps", layer.steps)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        bits = layer.node.shape[-1] * layer.node.fmt.bits
        return Cost(layer.node.name, layer.steps + 2, 2, bits, bits)


class Add(_Join):
    """Exact sum, the coarser branch shifted left."""

    node: ClassVar[type[Node]] = ir.Add
    kernel_name: ClassVar[str] = "add_branches"


class Subtract(_Join):
    """Exact difference."""

    node: ClassVar[type[Node]] = ir.Subtract
    kernel_name: ClassVar[str] = "subtract_branches"
