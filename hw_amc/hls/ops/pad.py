"""Zeros around a frame or an image, and their opposite."""

from __future__ import annotations

from math import prod
from typing import ClassVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild, Operation
from hw_amc.hls.ops.windows import Windows


class ZeroPad(Operation):
    """A window of one element, outside of which zeros lie."""

    node: ClassVar[type[Node]] = ir.ZeroPad
    header: ClassVar[str] = "hw_amc_maximum.h"

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        return self._windows(layer).last_needed()

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::max_of_windows"

    def members(self, layer: LayerBuild) -> list[str]:
        operand = f"typedef {raw_type(layer.source.fmt)} operand_raw_t;"
        return [operand, *self._windows(layer).members(layer.source.shape[-1], 0)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        bits = layer.node.shape[-1] * layer.node.fmt.bits
        return Cost(layer.node.name, layer.steps + 2, 2, bits, 2 * bits)

    def _windows(self, layer: LayerBuild) -> Windows:
        sizes = layer.source.shape[:-1]
        ones = (1,) * len(sizes)
        return Windows.of(sizes, ones, ones, layer.node.pads)


class Crop(Operation):
    """Every element is read, those inside are passed on."""

    node: ClassVar[type[Node]] = ir.Crop
    header: ClassVar[str] = "hw_amc_crop.h"

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        rows, columns = self._inside(layer)
        places = np.arange(prod(layer.source.shape[:-1])).reshape(1, -1, layer.source.shape[-2])
        if len(layer.source.shape) == 2:
            return [int(place) for place in places.ravel()[columns]]
        return [int(place) for place in places[0, rows, columns].ravel()]

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::crop"

    def members(self, layer: LayerBuild) -> list[str]:
        rows, columns = self._inside(layer)
        sizes = (1, *layer.source.shape[:-1])[-2:]
        numbers = {"rows": sizes[0], "columns": sizes[1], "top": rows.start, "bottom": rows.stop,
                   "left": columns.start, "right": columns.stop}  # fmt: skip
        return [constant(name, value) for name, value in numbers.items()]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        bits = layer.node.shape[-1] * layer.node.fmt.bits
        return Cost(layer.node.name, prod(layer.source.shape[:-1]) + 2, 2, 0, bits)

    def _inside(self, layer: LayerBuild) -> tuple[slice, slice]:
        """Rows and columns that are left."""
        sizes, crops = (1, *layer.source.shape[:-1])[-2:], ((0, 0), *layer.node.crops)[-2:]
        rows, columns = (slice(crop[0], size - crop[1]) for size, crop in zip(sizes, crops, strict=True))
        return rows, columns
