"""Rounding half to even and saturation; a ReLU where the target is unsigned."""

from __future__ import annotations

from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context, round_clip
from hw_amc.hls.ops.base import LayerBuild, Operation


class Quantize(Operation):
    """One element of the stream a cycle."""

    node: ClassVar[type[Node]] = ir.Quantize
    header: ClassVar[str] = "hw_amc_quantize.h"

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::quantize"

    def members(self, layer: LayerBuild) -> list[str]:
        return [constant("steps", layer.steps)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        channels, node = layer.node.shape[-1], layer.node
        lut = round_clip(layer.source.fmt.bits, node.fmt.bits)
        return Cost(node.name, layer.steps + 2, 2, channels * lut, channels * node.fmt.bits)
