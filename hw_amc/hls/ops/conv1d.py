"""Convolution over time."""

from __future__ import annotations

from typing import Any, ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.conv2d import Convolution
from hw_amc.hls.ops.linear import LinearOperation

#: What the plain kernel does not know: with one of these a convolution over time is one over an image of height 1.
_WINDOWED = {"stride", "dilation", "pads"}


class Conv1d(Convolution):
    """A product of a window of samples; at stride 1 and padding same the zeros in front cost no cycle."""

    node: ClassVar[type[Node]] = ir.Conv1d
    options: ClassVar[tuple[str, ...]] = ("stride", "dilation", "pads", "groups")

    def header_of(self, node: Any) -> str:
        return "hw_amc_conv1d.h" if _is_plain(node) else self.header

    def kernel(self, layer: LayerBuild) -> str:
        return super().kernel(layer).replace("convolve", "conv1d") if _is_plain(layer.node) else super().kernel(layer)

    def members(self, layer: LayerBuild) -> list[str]:
        if not _is_plain(layer.node):
            return super().members(layer)
        width, ahead = constant("width", len(layer.node.kernel)), constant("ahead", _ahead(layer.node))
        return [width, ahead, *LinearOperation.members(self, layer)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        if not _is_plain(layer.node):
            return super().cost(layer, context)
        return self.cost_of(layer, context, layer.steps, _ahead(layer.node), len(layer.node.kernel))


def _is_plain(node: Any) -> bool:
    return not _WINDOWED & set(node.options)


def _ahead(node: Any) -> int:
    """Samples behind its own that a result waits for."""
    width = len(node.kernel)
    return width - 1 - (width - 1) // 2
