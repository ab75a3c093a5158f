"""The gated recurrent unit with hard gates, its state quantiser included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.cpp import cpp_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context, multiplier, round_clip
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.recurrent import RecurrentOperation, wide_range

_MEMBERS = 4


class Gru(RecurrentOperation):
    """Four members a cell: sums of update and reset gate, the candidate's parts from input and state."""

    node: ClassVar[type[Node]] = ir.Gru
    header: ClassVar[str] = "hw_amc_gru.h"
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "QGRU": {
            "kernel": "kernel_quantizer",
            "recurrent_kernel": "recurrent_quantizer",
            "bias": "bias_quantizer",
        }
    }
    cell_name: ClassVar[str] = "gru_cell"
    cell_members: ClassVar[int] = _MEMBERS
    cell_multiplications: ClassVar[int] = 2
    lane_luts: ClassVar[int] = 700

    def blocks(self, layer: LayerBuild) -> list[tuple[int | None, int | None]]:
        return [(0, 0), (1, 1), (2, None), (None, 2)]

    def biases(self, layer: LayerBuild) -> NDArray[np.int64]:
        node, frac = layer.node, layer.node.acc_frac(layer.source.fmt)
        own = node.bias.astype(np.int64) << (frac - node.bias_fmt.frac)
        recurrent = node.recurrent_bias.astype(np.int64) << (frac - node.recurrent_bias_fmt.frac)
        gates, H = slice(0, 2 * node.units), node.units
        # The hard sigmoid is (sum + 1) / 2.
        return np.concatenate([own[gates] + recurrent[gates] + (1 << frac), own[2 * H :], recurrent[2 * H :]])

    def weights(self, arrays: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        bias = arrays["bias"]
        return {
            "kernel": arrays["kernel"],
            "recurrent": arrays["recurrent_kernel"],
            "bias": bias[0],
            "recurrent_bias": bias[1],
        }

    def members(self, layer: LayerBuild) -> list[str]:
        gates, own, recurrent = self._sums(layer)
        return [
            *super().members(layer),
            f"typedef {cpp_type(gates, rounding=False)} gate_sum_t;",
            f"typedef {cpp_type(own, rounding=False)} input_sum_t;",
            f"typedef {cpp_type(recurrent, rounding=False)} recurrent_sum_t;",
        ]

    def _sums(self, layer: LayerBuild) -> tuple[FixedFormat, FixedFormat, FixedFormat]:
        """Formats of the gates' sums, and of the candidate's parts from input and state."""
        H = layer.node.units
        spans = (slice(0, 2 * H), slice(2 * H, 3 * H), slice(3 * H, 4 * H))
        gates, own, recurrent = (wide_range(self, layer, columns) for columns in spans)
        return gates, own, recurrent

    def cell_path(self, layer: LayerBuild, context: Context) -> list[float]:
        node, acc = layer.node, self.product(layer).acc_fmt.bits
        gate, state = node.gate_fmt.bits, node.fmt.bits
        family = context.family
        return [
            *context.adds(2, gate + 2),  # rounding, limits
            family.mul_ns,
            *context.adds(3, acc + gate),  # sum, rounding, limits
            *context.adds(1, state + 1),
            family.mul_ns,
            *context.adds(3, state + gate + 1),
        ]

    def cell_cost(self, layer: LayerBuild) -> tuple[int, int]:
        """LUTs and DSPs: two hard sigmoids, the candidate, the blend, each rounded and saturated."""
        node = layer.node
        gates, own, recurrent = self._sums(layer)
        gate, state = node.gate_fmt.bits, node.fmt.bits
        wide = max(own.bits, recurrent.bits) + gate
        blend = state + gate + 1
        lut = 2 * round_clip(gates.bits - 1, gate)
        lut += wide + round_clip(wide + 1, state)
        lut += state + 1 + blend + round_clip(blend, state)
        dsp = multiplier(gate, recurrent.bits, on_dsp=True)[1] + multiplier(gate, state + 1, on_dsp=True)[1]
        return lut, dsp

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return self.recurrent_cost(layer, context)
