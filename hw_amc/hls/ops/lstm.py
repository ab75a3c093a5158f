"""Long short-term memory, its state quantiser included."""

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


class Lstm(RecurrentOperation):
    """Four members a cell: the sums of input and forget gate, of the candidate, and of the output gate."""

    node: ClassVar[type[Node]] = ir.Lstm
    header: ClassVar[str] = "hw_amc_lstm.h"
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "QLSTM": {
            "kernel": "kernel_quantizer",
            "recurrent_kernel": "recurrent_quantizer",
            "bias": "bias_quantizer",
        }
    }
    cell_name: ClassVar[str] = "lstm_cell"
    cell_members: ClassVar[int] = 4
    cell_keeps: ClassVar[int] = 2
    cell_multiplications: ClassVar[int] = 3
    cell_gates: ClassVar[int] = 3
    cell_candidates: ClassVar[int] = 2
    lane_luts: ClassVar[int] = 700

    def blocks(self, layer: LayerBuild) -> list[tuple[int | None, int | None]]:
        return [(gate, gate) for gate in range(self.cell_members)]

    def biases(self, layer: LayerBuild) -> NDArray[np.int64]:
        node, frac = layer.node, layer.node.acc_frac(layer.source.fmt)
        # The hard sigmoid is (sum + 1) / 2; the candidate has none.
        one = node.gate.adds_one << frac
        ones = np.repeat([one, one, 0, one], node.units)
        biases: NDArray[np.int64] = (node.bias.astype(np.int64) << (frac - node.bias_fmt.frac)) + ones
        return biases

    def weights(self, arrays: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        return {"kernel": arrays["kernel"], "recurrent": arrays["recurrent_kernel"], "bias": arrays["bias"]}

    def members(self, layer: LayerBuild) -> list[str]:
        gates, candidate = self._sums(layer)
        return [
            *super().members(layer),
            f"typedef {cpp_type(layer.node.candidate_fmt)} candidate_t;",
            f"typedef {cpp_type(gates, rounding=False)} gate_sum_t;",
            f"typedef {cpp_type(candidate, rounding=False)} candidate_sum_t;",
        ]

    def _sums(self, layer: LayerBuild) -> tuple[FixedFormat, FixedFormat]:
        """Formats of the gates' sums and of the candidate's."""
        H = layer.node.units
        admit, forget, candidate, give = (
            wide_range(self, layer, slice(gate * H, (gate + 1) * H)) for gate in range(self.cell_members)
        )
        widest = max((admit, forget, give), key=lambda fmt: fmt.bits)
        return widest, candidate

    def cell_path(self, layer: LayerBuild, context: Context) -> list[float]:
        node, family = layer.node, context.family
        gate, state, candidate = node.gate_fmt.bits, node.fmt.bits, node.candidate_fmt.bits
        return [
            *curves.path(node, "gate", max(gate, candidate) + 2, context),
            family.mul_ns,
            *context.adds(1, state + gate + 1),
            *curves.path(node, "candidate", state + gate + 1, context),
            family.mul_ns,
            *context.adds(2, candidate + gate),
        ]

    def cell_cost(self, layer: LayerBuild) -> tuple[int, int]:
        """LUTs and DSPs: three gates, the candidate, the carry, the output, each rounded and saturated."""
        node = layer.node
        gates, sums = self._sums(layer)
        gate, state, candidate = node.gate_fmt.bits, node.fmt.bits, node.candidate_fmt.bits
        total = max(state, candidate) + gate + 1
        lut = 3 * curves.luts(node, "gate", gates.bits - 1) + curves.luts(node, "candidate", sums.bits)
        lut += total + round_clip(total, state) + curves.luts(node, "candidate", total)
        lut += round_clip(candidate + gate, state)
        widths = (state, candidate, candidate)
        return lut, sum(multiplier(gate, bits, on_dsp=True)[1] for bits in widths)

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        return self.recurrent_cost(layer, context)
