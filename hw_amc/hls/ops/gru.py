"""The gated recurrent unit, its state quantiser included."""

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
from hw_amc.hls.ops import curves
from hw_amc.hls.ops.base import LayerBuild
from hw_amc.hls.ops.recurrent import RecurrentOperation, wide_range


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
    options: ClassVar[tuple[str, ...]] = (*curves.OPTIONS, "reset_after")
    cell_name: ClassVar[str] = "gru_cell"
    cell_members: ClassVar[int] = 4
    cell_multiplications: ClassVar[int] = 2
    cell_gates: ClassVar[int] = 2
    lane_luts: ClassVar[int] = 700

    def blocks(self, layer: LayerBuild) -> list[tuple[int | None, int | None]]:
        return [(0, 0), (1, 1), (2, None), (None, 2)]

    def biases(self, layer: LayerBuild) -> NDArray[np.int64]:
        node, frac = layer.node, layer.node.acc_frac(layer.source.fmt)
        own = node.bias.astype(np.int64) << (frac - node.bias_fmt.frac)
        recurrent = node.recurrent_bias.astype(np.int64) << (frac - node.recurrent_bias_fmt.frac)
        gates, H = slice(0, 2 * node.units), node.units
        # The hard sigmoid is (sum + 1) / 2.
        one = node.gate.adds_one << frac
        return np.concatenate([own[gates] + recurrent[gates] + one, own[2 * H :], recurrent[2 * H :]])

    def weights(self, arrays: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        bias = arrays["bias"]
        # With the reset before the product there is one.
        own, recurrent = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        return {
            "kernel": arrays["kernel"],
            "recurrent": arrays["recurrent_kernel"],
            "bias": own,
            "recurrent_bias": recurrent,
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
        node, gate = layer.node, layer.node.gate_fmt.bits
        sum_bits = self.product(layer).acc_fmt.bits + gate
        return [
            *curves.path(node, "gate", gate + 2, context),
            context.family.mul_ns,
            *state_path(layer, sum_bits, context),
        ]

    def cell_cost(self, layer: LayerBuild) -> tuple[int, int]:
        """LUTs and DSPs: two gates, the candidate, the blend, each rounded and saturated."""
        node = layer.node
        gates, own, recurrent = self._sums(layer)
        gate = node.gate_fmt.bits
        wide = max(own.bits, recurrent.bits) + gate
        lut, dsp = state_cost(layer, wide)
        lut += 2 * curves.luts(node, "gate", gates.bits - 1)
        return lut, dsp + multiplier(gate, recurrent.bits, on_dsp=True)[1]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return self.recurrent_cost(layer, context)


def state_path(layer: LayerBuild, sum_bits: int, context: Context) -> list[float]:
    """Delays in series from the candidate's parts to the new state: sum, curve, blend, rounding and limits."""
    node = layer.node
    gate, state = node.gate_fmt.bits, node.fmt.bits
    return [
        *context.adds(1, sum_bits),
        *curves.path(node, "candidate", sum_bits, context),
        *context.adds(1, state + 1),
        context.family.mul_ns,
        *context.adds(3, state + gate + 1),
    ]


def state_cost(layer: LayerBuild, sum_bits: int) -> tuple[int, int]:
    """LUTs and DSPs from the candidate's sum, of so many bits, to the new state."""
    node = layer.node
    gate, state = node.gate_fmt.bits, node.fmt.bits
    blend = state + gate + 1
    lut = sum_bits + curves.luts(node, "candidate", sum_bits + 1)
    lut += state + 1 + blend + round_clip(blend, state)
    return lut, multiplier(gate, state + 1, on_dsp=True)[1]
