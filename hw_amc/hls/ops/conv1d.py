"""Convolution over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.linear import LinearOperation

_ARRAYS = {"kernel": "kernel_quantizer", "bias": "bias_quantizer"}


class Conv1d(LinearOperation):
    """A product of a window of samples; stride 1, padding same."""

    node: ClassVar[type[Node]] = ir.Conv1d
    header: ClassVar[str] = "hw_amc_conv1d.h"
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {"QConv1D": _ARRAYS, "QConv2D": _ARRAYS}
    kernel_name: ClassVar[str] = "conv1d"

    def members(self, layer: LayerBuild) -> list[str]:
        width = len(layer.node.kernel)
        return [constant("width", width), constant("ahead", self.ahead(layer.node)), *super().members(layer)]

    def ahead(self, node: Any) -> int:
        width = len(node.kernel)
        return width - 1 - (width - 1) // 2

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        tap, channel = np.unravel_index(row, layer.node.kernel.shape[:2])
        return f"kernel[{tap}, {channel}, {column}]"

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return self.cost_of(layer, context, layer.steps, self.ahead(layer.node), len(layer.node.kernel))
