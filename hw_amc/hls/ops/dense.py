"""The fully connected layer, on a vector or on each step of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.linear import LinearOperation


class Dense(LinearOperation):
    """y = x kernel + bias."""

    node: ClassVar[type[Node]] = ir.Dense
    header: ClassVar[str] = "hw_amc_linear.h"
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "QDense": {"kernel": "kernel_quantizer", "bias": "bias_quantizer"}
    }
    kernel_name: ClassVar[str] = "linear"

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        return f"kernel[{row}, {column}]"
