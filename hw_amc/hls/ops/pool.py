"""Means and maxima over windows of samples, and over the frame."""

from __future__ import annotations

from typing import Any, ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild, Operation
from hw_amc.hls.ops.windows import Windows


class _Pool(Operation):
    """One sample a cycle, a result behind the last one of a window."""

    header: ClassVar[str] = "hw_amc_pool1d.h"
    kernel_name: ClassVar[str]
    #: LUTs for each bit of a channel: a mean adds, a maximum compares and selects.
    bit_luts: ClassVar[int]

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::{self.kernel_name}"

    def members(self, layer: LayerBuild) -> list[str]:
        samples = layer.source.shape[0]
        windows = layer.node.shape[0] if len(layer.node.shape) > 1 else 1
        return [
            constant("windows", windows),
            constant("pool", samples // windows),
            f"typedef {raw_type(layer.node.fmt)} sum_raw_t;",
        ]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        channels, bits = layer.node.shape[-1], layer.node.fmt.bits
        return Cost(
            layer.node.name, layer.source.shape[0] + 2, 2, channels * bits * self.bit_luts, 2 * channels * bits
        )  # fmt: skip


class AvgPool1d(_Pool):
    """Mean of a window."""

    node: ClassVar[type[Node]] = ir.AvgPool1d
    kernel_name: ClassVar[str] = "mean_pool1d"
    bit_luts: ClassVar[int] = 1


class GlobalAvgPool1d(AvgPool1d):
    """Mean of the frame."""

    node: ClassVar[type[Node]] = ir.GlobalAvgPool1d


class GlobalMaxPool1d(_Pool):
    """Largest of the frame."""

    node: ClassVar[type[Node]] = ir.GlobalMaxPool1d
    kernel_name: ClassVar[str] = "max_pool1d"
    bit_luts: ClassVar[int] = 2


class MaxPool2d(Operation):
    """Largest of each window of an image, which keeps what it covers."""

    node: ClassVar[type[Node]] = ir.MaxPool2d
    header: ClassVar[str] = "hw_amc_maximum.h"
    options: ClassVar[tuple[str, ...]] = ("pads",)

    def windows(self, layer: LayerBuild) -> Windows:
        """Its windows."""
        node = layer.node
        return Windows.of(layer.source.shape[:-1], node.pool, node.stride, node.pads)

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        return self.windows(layer).last_needed()

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::max_of_windows"

    def members(self, layer: LayerBuild) -> list[str]:
        fmt = layer.source.fmt
        operand = f"typedef {raw_type(fmt)} operand_raw_t;"
        return [operand, *self.windows(layer).members(layer.source.shape[-1], fmt.min_raw)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        bits, windows = layer.source.shape[-1] * layer.source.fmt.bits, self.windows(layer)
        lut, ff, bram = windows.cost(bits)
        compared = windows.kept - 1
        depth = context.stages(context.adds(max(compared, 1), layer.source.fmt.bits)) + 1
        latency = windows.last_needed()[0] + 1 + depth
        return Cost(
            layer.node.name, windows.places + depth, latency, 2 * bits * compared + lut, ff + bits, bram36=bram / 2
        )


class MaxPool1d(GlobalMaxPool1d):
    """Largest of a window of samples; with strides or padding of its own it is one over an image of height 1."""

    node: ClassVar[type[Node]] = ir.MaxPool1d
    options: ClassVar[tuple[str, ...]] = ("stride", "pads")

    def header_of(self, node: Any) -> str:
        return MaxPool2d.header if node.options else self.header

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        if layer.node.options:
            return _OVER_IMAGE.last_needed(layer, place)
        return super().last_needed(layer, place)

    def kernel(self, layer: LayerBuild) -> str:
        return _OVER_IMAGE.kernel(layer) if layer.node.options else super().kernel(layer)

    def members(self, layer: LayerBuild) -> list[str]:
        return _OVER_IMAGE.members(layer) if layer.node.options else super().members(layer)

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return _OVER_IMAGE.cost(layer, context) if layer.node.options else super().cost(layer, context)


class _OverImage(MaxPool2d):
    """A maximum over time as one over an image."""

    def windows(self, layer: LayerBuild) -> Windows:
        node = layer.node
        stride = node.pool if node.stride is None else node.stride
        return Windows.of(layer.source.shape[:-1], (node.pool,), (stride,), (node.pads,))


_OVER_IMAGE = _OverImage()
