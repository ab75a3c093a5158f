"""The gated recurrent unit whose reset gate multiplies the state before the candidate's recurrent product."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.errors import ConfigError
from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.hls import lanes
from hw_amc.hls.cpp import constant, cpp_type, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import LOOP_STATES, Context, multiplier, select_luts
from hw_amc.hls.estimate.product import ProductCost, product_cost
from hw_amc.hls.folding import Cells, Pool
from hw_amc.hls.ops import curves
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.gru import Gru, state_cost, state_path
from hw_amc.hls.ops.recurrent import shifts_of, wide_range
from hw_amc.hls.product import Product


class ResetBeforeGru(Gru):
    """Two products: of input and state, with three members a cell, and of the states times their reset gates.

    The members are both gates' sums and the candidate's part from the input.
    """

    form_of: ClassVar[type[Node]] = ir.Gru
    header: ClassVar[str] = "hw_amc_gru_reset.h"
    cell_members: ClassVar[int] = 3

    def builds(self, node: Any) -> bool:
        return not node.reset_after

    def blocks(self, layer: LayerBuild) -> list[tuple[int | None, int | None]]:
        return [(0, 0), (1, 1), (2, None)]

    def biases(self, layer: LayerBuild) -> NDArray[np.int64]:
        return super().biases(layer)[: self.cell_members * layer.node.units]

    def build_products(self, layer: LayerBuild) -> tuple[Product, ...]:
        (first,) = super().build_products(layer)
        node, settings = layer.node, layer.settings
        if first.strategy != "resource" and settings.cells_reuse_factor not in (None, 1):
            raise ConfigError(
                f"[hls.layers.{node.name}] cells_reuse_factor = {settings.cells_reuse_factor}: with the reset before "
                "the product cells take turns under strategy 'resource' only"
            )
        return first, self._second(layer, first)

    def _second(self, layer: LayerBuild, first: Product) -> Product:
        """Product of the gated states with the candidate's columns of the recurrent kernel."""
        node, units = layer.node, layer.node.units
        settings = layer.settings
        factor = settings.recurrent_reuse_factor or settings.reuse_factor
        dsp = settings.dsp_multipliers
        if dsp is not None:
            own = first.folding.multipliers if first.strategy == "resource" else 0
            dsp = max(dsp - own, 0)
        return Product(
            f"{node.name}_reset_product",
            node.recurrent[:, 2 * units :].astype(np.int64),
            np.zeros(units, np.int64),
            shifts_of(layer)[1],
            gated_format(node),
            reset_format(layer),
            first.strategy,
            pools=(Pool(0, units, min(factor, units * units)),),
            dsp=dsp,
            lane_luts=self.lane_luts // 2,
        )

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        first, units = len(layer.node.kernel) + layer.node.units, layer.node.units
        if row < first:
            return super().locate(layer, row, column)
        return f"recurrent[{row - first}, {2 * units + column}]"

    def second_cells(self, layer: LayerBuild) -> Cells:
        """Cell of each lane of the second product at each position."""
        _, second = self.products(layer)
        return second.folding.cells if second.strategy == "resource" else lanes.in_order(layer.node.units, 1)

    def readers(self, layer: LayerBuild) -> dict[str, int]:
        return {"gate": 2 * len(self.cells(layer)), "candidate": len(self.second_cells(layer))}

    def multiplications_of_cells(self, layer: LayerBuild) -> int:
        return len(self.cells(layer)) + len(self.second_cells(layer))

    def lanes_of_cells(self, layer: LayerBuild) -> str:
        return ""

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::gru_reset{'_folded' if self.product(layer).strategy == 'resource' else ''}"

    def members(self, layer: LayerBuild) -> list[str]:
        node, (first, second) = layer.node, self.products(layer)
        gates, own = self._parts(layer)
        gated = gated_format(node)
        values = FixedFormat(gated.bits, node.fmt.frac + node.gate_fmt.frac)
        return [
            constant("steps", layer.steps),
            constant("inputs", len(node.kernel)),
            constant("units", node.units),
            constant("members", self.cell_members),
            constant("kept", node.units),
            f"typedef {cpp_type(node.fmt)} state_t;",
            f"typedef {cpp_type(node.gate_fmt)} gate_t;",
            f"typedef {cpp_type(values, rounding=False)} gated_t;",
            f"typedef {cpp_type(gates, rounding=False)} gate_sum_t;",
            f"typedef {cpp_type(own, rounding=False)} input_sum_t;",
            f"typedef {cpp_type(second.acc_fmt, rounding=False)} reset_sum_t;",
            f"typedef {raw_type(node.fmt)} state_raw_t;",
            f"typedef {raw_type(node.gate_fmt)} gate_raw_t;",
            f"typedef {raw_type(gated)} gated_raw_t;",
            f"typedef {raw_type(first.x_fmt)} operand_raw_t;",
            f"typedef {raw_type(first.acc_fmt)} acc_raw_t;",
            f"typedef {raw_type(second.acc_fmt)} reset_raw_t;",
            f"typedef {first.name} product;",
            f"typedef {second.name} reset_product;",
            *curves.members(node),
        ]

    def _parts(self, layer: LayerBuild) -> tuple[FixedFormat, FixedFormat]:
        """Formats of the gates' sums, and of the candidate's part from the input."""
        H = layer.node.units
        return wide_range(self, layer, slice(0, 2 * H)), wide_range(self, layer, slice(2 * H, 3 * H))

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        node, found = layer.node, [product_cost(product, context) for product in self.products(layer)]
        cells, paths = (self.cells(layer), self.second_cells(layer)), self._paths(layer, context)
        step = _step(found, paths, context)
        tables = curves.memories(layer, self.readers(layer))
        lut, dsp = tables.lut, 0
        for own, (each_lut, each_dsp), bits in zip(cells, self._costs(layer), self._selected(layer), strict=True):
            lut += len(own) * (each_lut + bits * select_luts(len(own[0])))
            dsp += len(own) * each_dsp
        _, second = self.products(layer)
        kept = 2 * node.fmt.bits + node.gate_fmt.bits + second.x_fmt.bits + self._parts(layer)[1].bits
        registers = node.units * kept + len(node.kernel) * layer.source.fmt.bits
        return Cost(
            node.name,
            cycles=node.shape[0] * step,
            latency_cycles=step,
            lut=lut + sum(each.lut for each in found),
            ff=registers + sum(each.ff for each in found),
            dsp=dsp + sum(each.dsp for each in found),
            bram36=(sum(each.bram18 for each in found) + tables.bram18) / 2,
        )

    def _paths(self, layer: LayerBuild, context: Context) -> tuple[list[float], list[float]]:
        """Delays in series behind each product: reset gate and its multiplication; the new state."""
        node, (_, second) = layer.node, self.products(layer)
        gates = curves.path(node, "gate", node.gate_fmt.bits + 2, context)
        return [*gates, context.family.mul_ns], state_path(layer, second.acc_fmt.bits + 1, context)

    def _costs(self, layer: LayerBuild) -> tuple[tuple[int, int], tuple[int, int]]:
        """LUTs and DSPs of a cell behind each product."""
        node, (_, second) = layer.node, self.products(layer)
        gates, _ = self._parts(layer)
        first = 2 * curves.luts(node, "gate", gates.bits - 1)
        dsp = multiplier(node.gate_fmt.bits, node.fmt.bits, on_dsp=True)[1]
        return (first, dsp), state_cost(layer, second.acc_fmt.bits + 1)

    def _selected(self, layer: LayerBuild) -> tuple[int, int]:
        """Bits that a lane selects of its cells behind each product."""
        node = layer.node
        return node.fmt.bits, node.fmt.bits + node.gate_fmt.bits + self._parts(layer)[1].bits


def _step(found: list[ProductCost], paths: tuple[list[float], list[float]], context: Context) -> int:
    """Cycles of a time step: reading, the rounds of each product with the depth of one, writing."""
    if not found[0].rounds:
        delays = [delay for each, path in zip(found, paths, strict=True) for delay in (*each.path_ns, *path)]
        return context.stages(delays)
    loops = zip(found, paths, strict=True)
    return 1 + sum(each.rounds + context.stages((*each.path_ns, *path)) - 1 + LOOP_STATES for each, path in loops)


def gated_format(node: Any) -> FixedFormat:
    """Format of raw integers of a state times its reset gate, which nothing rounds."""
    return FixedFormat(node.fmt.bits + node.gate_fmt.bits, 0)


def reset_format(layer: LayerBuild) -> FixedFormat:
    """Narrowest signed format that holds the second product whatever the gated states are, and can be rounded."""
    node = layer.node
    kernel = node.recurrent[:, 2 * node.units :].astype(object)
    # The largest gate is 1 - 2^-g: a gated state is smaller than the state, its bits moved by the gate's.
    low, high = node.fmt.min_raw * node.gate_fmt.max_raw, node.fmt.max_raw * node.gate_fmt.max_raw
    positive, negative = np.maximum(kernel, 0).sum(axis=0), np.minimum(kernel, 0).sum(axis=0)
    shift = shifts_of(layer)[1]
    least = min(positive * low + negative * high) << shift
    most = max(positive * high + negative * low) << shift
    frac = node.acc_frac(layer.source.fmt) + node.gate_fmt.frac
    # AMD's ap_fixed cannot round away more bits than a number has, which one of all zero weights would have.
    return format_for(min(least, -(1 << max(frac - node.fmt.frac, 0))), most, frac)
