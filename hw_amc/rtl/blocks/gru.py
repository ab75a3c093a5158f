"""The GRU in a C-slow loop: one matrix of input and state, a cell for each unit, contexts interleaved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.rtl.blocks.base import Resources, SlotTiming, Tensor, adder_cost, delay_cost, memory_cost
from hw_amc.rtl.blocks.matrix import Matrix, signed_width
from hw_amc.rtl.blocks.recurrent import RecurrentBlock, half, shift_of, sum_bits, value_of


@dataclass(frozen=True)
class GruBlock(RecurrentBlock):
    """A GRU layer; the matrix has the columns z, r, candidate of h, candidate of x (gru_matrix)."""

    node: ir.Gru

    loop: ClassVar[str] = "amc_gru"
    gates: ClassVar[dict[str, str]] = {"m_z": "MZ", "m_r": "MZ", "m_h": "MH", "m_x": "MX"}
    offsets: ClassVar[dict[str, str]] = {"C_Z": "SUM", "C_R": "SUM", "C_H": "HB", "C_X": "XB"}

    @property
    def module(self) -> str:
        return super().module.replace("amc_gru", "amc_gru_tables" if self._tabled else "amc_gru")

    @property
    def _tabled(self) -> bool:
        return self.node.gate_table is not None or self.node.candidate_table is not None

    def tables(self) -> dict[str, int | str]:
        return super().tables() if self._tabled else {}

    @cached_property
    def widths(self) -> dict[str, int]:
        """Bits of the cell's wires by the names of amc_gru_cell's parameters."""
        node, H, frac = self.node, self.node.units, self.node.acc_frac(self.source_fmt)
        m_z, m_h, m_x = self.matrix.widths[0], self.matrix.widths[2 * H], self.matrix.widths[3 * H]
        z_shift, c_shift = shift_of(node.gate, frac), shift_of(node.candidate, frac + node.gate_fmt.frac)
        constants = self.constants
        total = max(sum_bits(m_z, constants["C_Z"]), sum_bits(m_z, constants["C_R"]), z_shift + 2)
        h_bits = sum_bits(m_h, constants["C_H"])
        x_bits = sum_bits(m_x + node.gate_fmt.bits, constants["C_X"])
        product = max(h_bits + node.gate_fmt.bits, x_bits) + 1
        return {
            "STATE": node.fmt.bits,
            "GATE": node.gate_fmt.bits,
            "MZ": m_z,
            "MH": m_h,
            "MX": m_x,
            "SUM": total,
            "HB": h_bits,
            "XB": x_bits,
            "PRODUCT": max(product, c_shift + 2),
            "Z_SHIFT": z_shift,
            "C_SHIFT": c_shift,
        }

    @cached_property
    def constants(self) -> dict[str, NDArray[np.int64]]:
        """Constants of each cell: biases, the hard sigmoid's 1, half an LSB of what is rounded."""
        node, H, frac = self.node, self.node.units, self.node.acc_frac(self.source_fmt)
        bias = node.bias.astype(np.int64) << (frac - node.bias_fmt.frac)
        recurrent = node.recurrent_bias.astype(np.int64) << (frac - node.recurrent_bias_fmt.frac)
        z_shift, c_shift = shift_of(node.gate, frac), shift_of(node.candidate, frac + node.gate_fmt.frac)
        gates = (bias + recurrent)[: 2 * H] + (node.gate.adds_one << frac) + half(z_shift)
        return {
            "C_Z": gates[:H],
            "C_R": gates[H:],
            "C_H": recurrent[2 * H :],
            "C_X": (bias[2 * H :] << node.gate_fmt.frac) + half(c_shift),
        }

    def model(self, x: NDArray[Any]) -> Tensor:
        """Follow the cell as it is built: constants folded, blend as 2^g c + z (h - c)."""
        node, H, constants = self.node, self.node.units, self.constants
        gate, state, frac = node.gate_fmt, node.fmt, node.acc_frac(self.source_fmt)
        h = np.zeros(H, np.int64)
        output = np.zeros((len(x), H), np.int64)
        for t, sample in enumerate(np.asarray(x, np.int64)):
            m = self.matrix.graph.model(np.concatenate([sample, h])[np.newaxis])[0]
            z = value_of(node.gate, m[:H] + constants["C_Z"], frac)
            r = value_of(node.gate, m[H : 2 * H] + constants["C_R"], frac)
            total = (m[3 * H :] << gate.frac) + constants["C_X"] + r * (m[2 * H : 3 * H] + constants["C_H"])
            c = value_of(node.candidate, total, frac + gate.frac)
            h = np.asarray(requantize((c << gate.frac) + z * (h - c), gate.frac + state.frac, state), np.int64)
            output[t] = h
        return output

    def cost(self, timing: SlotTiming) -> Resources:
        widths, H = self.widths, self.node.units
        state, gate = widths["STATE"], widths["GATE"]
        cell = adder_cost(widths["SUM"]) * 2 + adder_cost(widths["HB"]) + adder_cost(widths["XB"] - gate)
        cell += Resources(lut=2 * (gate + 5), ff=2 * gate) + Resources(lut=state + 6, ff=3 * state)
        cell += adder_cost(state + 1) + Resources(lut=state + 2, ff=2 * state, dsp=2)
        cell += delay_cost(gate, 3) + delay_cost(state, 5) + delay_cost(state, 3) + delay_cost(widths["XB"] - gate, 2)
        cell += self.tables_cost(2, 1)
        flags = delay_cost(timing.ctx_bits + 4, self.latency(timing))
        pad = timing.round_cycles - self.loop_latency
        if isinstance(self.matrix, Matrix):
            loop = delay_cost(H * state, self.matrix.depth) + delay_cost(H * state, pad)
            return self.matrix.cost() + cell * H + loop + flags
        # A multiplexer of `share` inputs for the matrix' outputs, a table for the constants, the states' memory.
        wires = 2 * widths["MZ"] + widths["MH"] + widths["MX"]
        tables = 2 * widths["SUM"] + widths["HB"] + widths["XB"]
        cell += Resources(lut=wires * -(-self.share // 4) + tables, ff=wires + tables)
        cell += memory_cost(state, timing.contexts * self.share) + delay_cost(state, pad)
        return self.matrix.cost() + cell * self.banks + Resources(ff=H * state, lut=self.banks * self.share) + flags


def gru_matrix(node: ir.Gru, source_fmt: FixedFormat) -> NDArray[np.int64]:
    """Matrix at the common fraction: rows x then h; columns z, r, candidate of h, candidate of x."""
    H, inputs, frac = node.units, node.kernel.shape[0], node.acc_frac(source_fmt)
    kernel = node.kernel.astype(np.int64) << (frac - source_fmt.frac - node.kernel_fmt.frac)
    recurrent = node.recurrent.astype(np.int64) << (frac - node.fmt.frac - node.recurrent_fmt.frac)
    matrix = np.zeros((inputs + H, 4 * H), np.int64)
    matrix[:inputs, : 2 * H] = kernel[:, : 2 * H]
    matrix[inputs:, : 2 * H] = recurrent[:, : 2 * H]
    matrix[inputs:, 2 * H : 3 * H] = recurrent[:, 2 * H :]
    matrix[:inputs, 3 * H :] = kernel[:, 2 * H :]
    return matrix


def gru_widths(matrix: Any, units: int) -> tuple[int, ...]:
    """Width of each column: one for both gates, one for each part of the candidate."""
    H = units
    widths = (
        [signed_width(matrix, range(2 * H))] * (2 * H)
        + [signed_width(matrix, range(2 * H, 3 * H))] * H
        + [signed_width(matrix, range(3 * H, 4 * H))] * H
    )
    return tuple(widths)
