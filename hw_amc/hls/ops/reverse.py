"""A frame from its end."""

from __future__ import annotations

from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import LOOP_STATES, Context, bram18
from hw_amc.hls.ops.base import LayerBuild, Operation, elements


class Reverse(Operation):
    """A memory of a frame: written, then read from its end."""

    node: ClassVar[type[Node]] = ir.Reverse
    header: ClassVar[str] = "hw_amc_reverse.h"

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        return [elements(layer.source) - 1] * layer.steps

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::reverse"

    def members(self, layer: LayerBuild) -> list[str]:
        return [
            constant("elements", elements(layer.source)),
            f"typedef {raw_type(layer.source.fmt)} operand_raw_t;",
        ]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        channels, bits, count = layer.source.shape[-1], layer.node.fmt.bits, elements(layer.source)
        cycles = 2 * (count + LOOP_STATES) + 3
        bram = channels * bram18(count, bits) / 2
        return Cost(layer.node.name, cycles, cycles, ff=2 * channels * bits, bram36=bram)
