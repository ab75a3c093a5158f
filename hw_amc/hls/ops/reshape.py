"""The same integers in another shape."""

from __future__ import annotations

from math import gcd, prod
from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild, Operation

#: Most values of one element of a stream: all of them lie in registers, and in each FIFO.
MOST_VALUES = 4096


class Reshape(Operation):
    """Elements are cut into groups of values, and these put together: registers that shift."""

    node: ClassVar[type[Node]] = ir.Reshape
    header: ClassVar[str] = "hw_amc_reshape.h"

    def refusal(self, layer: LayerBuild) -> str:
        return refuse_long(layer.node)

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::reshape"

    def members(self, layer: LayerBuild) -> list[str]:
        group = _group(layer)
        return [constant("group", group), constant("groups", prod(layer.node.shape) // group)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        values, bits = prod(layer.node.shape), layer.node.fmt.bits
        ff = (layer.node.shape[-1] + layer.source.shape[-1]) * bits
        # Registers of the input take the stream's element or shift, where they give more than one group.
        lut = layer.source.shape[-1] * bits if _group(layer) < layer.source.shape[-1] else 0
        return Cost(layer.node.name, values // _group(layer) + 2, 2, lut, ff)


def _group(layer: LayerBuild) -> int:
    """Values that are passed on a turn."""
    return gcd(layer.node.shape[-1], layer.source.shape[-1])


def refuse_long(node: Node) -> str:
    """Say why an element of a stream is too long; empty where it is not."""
    if node.shape[-1] <= MOST_VALUES:
        return ""
    return (
        f"the HLS core would keep {node.shape[-1]:,} values of one element in registers, more than {MOST_VALUES:,}; "
        "pool before"
    )
