"""What operations with one constant product share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph import Weights
from hw_amc.hls.cpp import raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.estimate.product import product_cost
from hw_amc.hls.folding import Pool
from hw_amc.hls.ops.base import LayerBuild, Operation
from hw_amc.hls.product import Product, legal_reuse_factors, require_legal
from hw_amc.hls.strategies import choose

_CONV = {"kernel": "kernel_quantizer", "bias": "bias_quantizer"}
#: Keras' convolutions -> their arrays and the quantisers that round them.
CONV_ARRAYS: Mapping[str, Mapping[str, str]] = {
    "QConv1D": _CONV,
    "QConv2D": _CONV,
    "QDepthwiseConv2D": {"depthwise_kernel": "depthwise_quantizer", "bias": "bias_quantizer"},
}


class LinearOperation(Operation):
    """A product at each step of the stream."""

    settings: ClassVar[tuple[str, ...]] = ("reuse_factor", "strategy", "dsp_multipliers")

    def matrix(self, layer: LayerBuild) -> Weights:
        """Constant matrix (inputs, outputs)."""
        matrix: Weights = layer.node.matrix()
        return matrix

    def legal(self, layer: LayerBuild) -> list[int]:
        """Reuse factors that hls4ml's rules admit."""
        return legal_reuse_factors(*self.matrix(layer).shape)

    def product(self, layer: LayerBuild) -> Product:
        """Return the only product."""
        return self.products(layer)[0]

    def build_products(self, layer: LayerBuild) -> tuple[Product, ...]:
        settings = layer.settings
        return (self.build_product(layer, choose(layer.node.name, settings.strategy, settings.reuse_factor)),)

    def build_product(self, layer: LayerBuild, strategy: str, places: int = 1) -> Product:
        """Make the product; of a map's places the reuse factor is that of one."""
        node, settings = layer.node, layer.settings
        require_legal(node.name, "reuse_factor", settings.reuse_factor, self.legal(layer))
        matrix = self.matrix(layer).astype(np.int64)
        return Product(
            f"{node.name}_product",
            matrix,
            node.scaled_bias(layer.source.fmt),
            0,
            layer.source.fmt,
            node.fmt,
            strategy,
            pools=(Pool(0, len(matrix) // places, settings.reuse_factor),),
            dsp=settings.dsp_multipliers,
            places=places,
        )

    def weights(self, arrays: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        kernel, bias = arrays.values()
        return {"kernel": kernel, "bias": bias}

    def members(self, layer: LayerBuild) -> list[str]:
        return [f"static const int steps = {layer.steps};", *self.types(layer)]

    def types(self, layer: LayerBuild) -> list[str]:
        """Types of the kernel's numbers, and its product."""
        product = self.product(layer)
        return [
            f"typedef {raw_type(product.x_fmt)} operand_raw_t;",
            f"typedef {raw_type(product.acc_fmt)} acc_raw_t;",
            f"typedef {product.name} product;",
        ]

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::{self.kernel_name}{'_folded' if self.product(layer).strategy == 'resource' else ''}"

    #: C++ kernel; `_folded` is appended where multipliers are shared.
    kernel_name: ClassVar[str]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return self.cost_of(layer, context, layer.steps)

    def cost_of(self, layer: LayerBuild, context: Context, steps: int, extra: int = 0, window: int = 1) -> Cost:
        """Estimate a product of `steps` steps, behind `extra` ones that only fill a window of so many samples."""
        product = self.product(layer)
        found = product_cost(product, context)
        depth = context.stages(found.path_ns) + 1
        step = found.rounds + 1 if found.rounds else 1
        registers = window * layer.source.shape[-1] * layer.source.fmt.bits + len(product.bias) * product.acc_fmt.bits
        # What takes the sums of the last round past their registers.
        past = len(product.bias) * product.acc_fmt.bits if found.rounds else 0
        return Cost(
            layer.node.name,
            cycles=steps * step + extra + depth,
            latency_cycles=step + depth + extra * (step if found.rounds else 1),
            lut=found.lut + past,
            ff=found.ff + registers,
            dsp=found.dsp,
            bram36=found.bram18 / 2,
        )
