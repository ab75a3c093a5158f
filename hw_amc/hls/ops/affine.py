"""A scale and a bias for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node, Weights
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.linear import LinearOperation
from hw_amc.hls.product import legal_reuse_factors


class Affine(LinearOperation):
    """A diagonal matrix; reuse factors refer to a fan-in of 1."""

    node: ClassVar[type[Node]] = ir.Affine
    header: ClassVar[str] = "hw_amc_linear.h"
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "QAffine": {"scale": "scale_quantizer", "bias": "bias_quantizer"}
    }
    kernel_name: ClassVar[str] = "linear"

    def matrix(self, layer: LayerBuild) -> Weights:
        return np.diag(layer.node.kernel)

    def legal(self, layer: LayerBuild) -> list[int]:
        return legal_reuse_factors(1, len(layer.node.kernel))

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        return f"kernel[{column}]" if row == column else f"the zero at [{row}, {column}]"
