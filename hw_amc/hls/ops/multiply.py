"""The product of two branches."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context, multiplier
from hw_amc.hls.ops.base import LayerBuild, Operation, elements


class Multiply(Operation):
    """One element a cycle, a DSP block a channel; an element that serves several of the other branch is kept."""

    node: ClassVar[type[Node]] = ir.Multiply
    header: ClassVar[str] = "hw_amc_multiply.h"

    def refusal(self, layer: LayerBuild) -> str:
        own = layer.node.shape[:-1]
        for source in layer.sources:
            run = layer.steps // elements(source)
            # An element that serves several stands still: only the last axes may have one place.
            kept = next((axis for axis in range(len(own)) if prod(own[axis:]) == run), len(own))
            if source.shape[:-1] != (*own[:kept], *[1] * (len(own) - kept)):
                return (
                    f"the HLS core multiplies no {source.shape} with {layer.node.shape}: its rows would come again; "
                    "build the network as RTL (`hw-amc rtl`)"
                )
        return ""

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        run = layer.steps // elements(layer.sources[place])
        return [step // run for step in range(layer.steps)]

    def multiplications(self, layer: LayerBuild) -> int:
        return int(layer.node.shape[-1])

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::multiply_branches"

    def members(self, layer: LayerBuild) -> list[str]:
        left, right = (layer.steps // elements(source) for source in layer.sources)
        return [constant("steps", layer.steps), constant("left_run", left), constant("right_run", right)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        left, right = layer.sources
        channels, bits = layer.node.shape[-1], layer.node.fmt.bits
        _, dsp = multiplier(left.fmt.bits, right.fmt.bits, on_dsp=True)
        held = sum(source.shape[-1] * source.fmt.bits for source in layer.sources)
        return Cost(layer.node.name, layer.steps + 3, 3, 0, held + channels * bits, channels * dsp)
