"""Convolutions of any window, over images and over time."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node, Weights
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.estimate.product import product_cost
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.linear import CONV_ARRAYS, LinearOperation
from hw_amc.hls.ops.windows import Windows
from hw_amc.hls.product import legal_reuse_factors


class Convolution(LinearOperation):
    """A product of each window of an image; over time it is an image of height 1."""

    header: ClassVar[str] = "hw_amc_convolve.h"
    keras = CONV_ARRAYS
    kernel_name: ClassVar[str] = "convolve"

    def matrix(self, layer: LayerBuild) -> Weights:
        return windows_of(layer).spread(layer.node.ungrouped_kernel())

    def legal(self, layer: LayerBuild) -> list[int]:
        """Reuse factors that hls4ml's rules admit: of the kernel, without what groups and dilation leave out."""
        return legal_reuse_factors(*layer.node.matrix().shape)

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        return windows_of(layer).last_needed()

    def members(self, layer: LayerBuild) -> list[str]:
        return [*super().members(layer), *windows_of(layer).members(layer.source.shape[-1], 0)]

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        channels = layer.source.shape[-1]
        place, channel = divmod(row, channels)
        places, node = windows_of(layer).places_of_taps, layer.node
        inputs, outputs = channels // node.groups, node.kernel.shape[-1] // node.groups
        if place not in places or channel // inputs != column // outputs:
            return f"the zero at [{row}, {column}]"
        tap = ", ".join(map(str, np.unravel_index(places.index(place), node.window)))
        return f"kernel[{tap}, {channel % inputs}, {column}]"

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        product, windows = self.product(layer), windows_of(layer)
        found = product_cost(product, context)
        lut, ff, bram = windows.cost(layer.source.shape[-1] * layer.source.fmt.bits)
        depth = context.stages(found.path_ns) + 1
        results = len(product.bias) * product.acc_fmt.bits
        return Cost(
            layer.node.name,
            cycles=windows.places + layer.steps * found.rounds + depth,
            latency_cycles=windows.last_needed()[0] + 1 + found.rounds + depth,
            lut=found.lut + lut + (results if found.rounds else 0),
            ff=found.ff + ff + results,
            dsp=found.dsp,
            bram36=(found.bram18 + bram) / 2,
        )


class Conv2d(Convolution):
    """A convolution over rows and columns."""

    node: ClassVar[type[Node]] = ir.Conv2d
    options: ClassVar[tuple[str, ...]] = ("stride", "dilation", "pads", "groups")


def windows_of(layer: LayerBuild) -> Windows:
    """Windows of a convolution."""
    node: Any = layer.node
    return Windows.of(layer.source.shape[:-1], node.window, node.strides, node.padding, node.dilations)
