"""The fully connected layer over a flattened map, which it takes place by place."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from hw_amc.graph import Node
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.estimate.product import product_cost
from hw_amc.hls.maps import MapDense
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.linear import LinearOperation
from hw_amc.hls.product import Product, legal_reuse_factors


class DenseOverMap(LinearOperation):
    """y = x kernel + bias, x being a map; reuse factors are those of a place: one comes a cycle at most."""

    node: ClassVar[type[Node]] = MapDense
    header: ClassVar[str] = "hw_amc_map_dense.h"
    kernel_name: ClassVar[str] = "map_dense"
    settings: ClassVar[tuple[str, ...]] = ("reuse_factor", "dsp_multipliers")

    def legal(self, layer: LayerBuild) -> list[int]:
        """Reuse factors that hls4ml's rules admit for the channels of a place."""
        return legal_reuse_factors(layer.source.shape[-1], layer.node.shape[-1])

    def build_products(self, layer: LayerBuild) -> tuple[Product, ...]:
        return (self.build_product(layer, "resource", prod(layer.source.shape[:-1])),)

    def weights_of_step(self, layer: LayerBuild) -> int:
        return int(layer.source.shape[-1] * layer.node.shape[-1])

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        return f"kernel[{row}, {column}]"

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::{self.kernel_name}"

    def members(self, layer: LayerBuild) -> list[str]:
        return self.types(layer)

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        product = self.product(layer)
        found = product_cost(product, context)
        depth = context.stages(found.path_ns) + 1
        sums = len(product.bias) * product.acc_fmt.bits
        return Cost(
            layer.node.name,
            cycles=product.places * (found.rounds + 1) + depth,
            latency_cycles=found.rounds + 1 + depth,
            lut=found.lut,
            ff=found.ff + layer.source.shape[-1] * product.x_fmt.bits + sums,
            dsp=found.dsp,
            bram36=found.bram18 / 2,
        )
