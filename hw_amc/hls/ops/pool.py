"""Means and maxima over windows of samples, and over the frame."""

from __future__ import annotations

from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.ops.base import LayerBuild, Operation


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


class MaxPool1d(_Pool):
    """Largest of a window."""

    node: ClassVar[type[Node]] = ir.MaxPool1d
    kernel_name: ClassVar[str] = "max_pool1d"
    bit_luts: ClassVar[int] = 2


class GlobalMaxPool1d(MaxPool1d):
    """Largest of the frame."""

    node: ClassVar[type[Node]] = ir.GlobalMaxPool1d
