"""The channels of several branches beside each other."""

from __future__ import annotations

from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild, Operation

#: Branches of the kernels that there are.
MOST = 4


class Concatenate(Operation):
    """One element of each branch a cycle: wires."""

    node: ClassVar[type[Node]] = ir.Concatenate
    header: ClassVar[str] = "hw_amc_concatenate.h"

    def refusal(self, layer: LayerBuild) -> str:
        if 2 <= len(layer.sources) <= MOST:
            return ""
        return f"the HLS core joins 2 to {MOST} branches at once, not {len(layer.sources)}; join some of them first"

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::concatenate"

    def members(self, layer: LayerBuild) -> list[str]:
        return [constant("steps", layer.steps)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return Cost(layer.node.name, layer.steps + 2, 2, 0, layer.node.shape[-1] * layer.node.fmt.bits)
