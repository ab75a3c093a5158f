"""The LSTM in a C-slow loop: as the GRU, with a carry that goes around beside the state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.rtl.blocks.base import Resources, SlotTiming, Tensor, adder_cost, delay_cost, memory_cost
from hw_amc.rtl.blocks.matrix import Matrix
from hw_amc.rtl.blocks.recurrent import RecurrentBlock, half, shift_of, sum_bits, value_of


@dataclass(frozen=True)
class LstmBlock(RecurrentBlock):
    """An LSTM layer; the matrix has the columns i, f, c, o (lstm_matrix)."""

    node: ir.Lstm

    loop: ClassVar[str] = "amc_lstm"
    gates: ClassVar[dict[str, str]] = {"m_i": "M", "m_f": "M", "m_g": "M", "m_o": "M"}
    offsets: ClassVar[dict[str, str]] = {"C_I": "SUM", "C_F": "SUM", "C_G": "SUM", "C_O": "SUM"}

    @property
    def _shifts(self) -> dict[str, int]:
        """Bits that each rounding cuts, and that align the carry's two products."""
        node, F, A = self.node, self.node.acc_frac(self.source_fmt), self.node.carry_frac
        g, s, t = node.gate_fmt.frac, node.fmt.frac, node.candidate_fmt.frac
        return {
            "Z_SHIFT": shift_of(node.gate, F),
            "G_SHIFT": shift_of(node.candidate, F),
            "F_LEFT": A - g - s,
            "I_LEFT": A - g - t,
            "K_SHIFT": A - s,
            "Y_SHIFT": shift_of(node.candidate, A),
            "H_SHIFT": g + t - s,
        }

    @cached_property
    def widths(self) -> dict[str, int]:
        node, shifts, m = self.node, self._shifts, self.matrix.widths[0]
        state, gate, candidate = node.fmt.bits, node.gate_fmt.bits, node.candidate_fmt.bits
        total = max(gate + state + shifts["F_LEFT"], gate + candidate + shifts["I_LEFT"]) + 2
        sums = max(sum_bits(m, constants) for constants in self.constants.values())
        return {
            "STATE": state,
            "GATE": gate,
            "CAND": candidate,
            "M": m,
            "SUM": max(sums, shifts["Z_SHIFT"] + 2, shifts["G_SHIFT"] + 2),
            "TOTAL": max(total, shifts["K_SHIFT"] + 2, shifts["Y_SHIFT"] + 2),
            "PRODUCT": max(gate + candidate + 1, shifts["H_SHIFT"] + 2),
            **shifts,
        }

    @cached_property
    def constants(self) -> dict[str, NDArray[np.int64]]:
        node, shifts, F = self.node, self._shifts, self.node.acc_frac(self.source_fmt)
        bias = np.split(node.bias.astype(np.int64) << (F - node.bias_fmt.frac), 4)
        gate, candidate = (node.gate.adds_one << F) + half(shifts["Z_SHIFT"]), half(shifts["G_SHIFT"])
        added = (gate, gate, candidate, gate)
        return {key: part + extra for key, part, extra in zip(self.offsets, bias, added, strict=True)}

    def model(self, x: NDArray[Any]) -> Tensor:
        """Follow the cell as it is built: constants folded, one exact carry rounded in two ways."""
        node, H, shifts, constants = self.node, self.node.units, self._shifts, self.constants
        gate, candidate, state = node.gate_fmt, node.candidate_fmt, node.fmt
        F, A = node.acc_frac(self.source_fmt), node.carry_frac
        h, k = np.zeros(H, np.int64), np.zeros(H, np.int64)
        output = np.zeros((len(x), H), np.int64)
        for t, sample in enumerate(np.asarray(x, np.int64)):
            m = np.split(self.matrix.graph.model(np.concatenate([sample, h])[np.newaxis])[0], 4)
            sums = [part + offset for part, offset in zip(m, constants.values(), strict=True)]
            i, f, o = (value_of(node.gate, sums[index], F) for index in (0, 1, 3))
            c = value_of(node.candidate, sums[2], F)
            exact = (f * k << shifts["F_LEFT"]) + (i * c << shifts["I_LEFT"])
            k = np.asarray(requantize(exact, A, state), np.int64)
            y = value_of(node.candidate, exact + half(shifts["Y_SHIFT"]), A)
            h = np.asarray(requantize(o * y, gate.frac + candidate.frac, state), np.int64)
            output[t] = h
        return output

    def cost(self, timing: SlotTiming) -> Resources:
        w, H = self.widths, self.node.units
        state, gate, candidate = w["STATE"], w["GATE"], w["CAND"]
        cell = adder_cost(w["SUM"]) * 4 + Resources(lut=3 * (gate + 5) + candidate + 5, ff=3 * gate + candidate)
        cell += Resources(lut=2 * state + candidate + 16, ff=candidate + state, dsp=3) + adder_cost(w["TOTAL"])
        cell += Resources(ff=2 * (gate + state) + w["PRODUCT"]) + delay_cost(gate, 4) + delay_cost(state, 6)
        cell += delay_cost(state, 2) + delay_cost(state, 8) + delay_cost(state, 2) + Resources(lut=2 * state)
        cell += self.tables_cost(3, 2)
        flags = delay_cost(timing.ctx_bits + 4, self.latency(timing))
        pad = timing.round_cycles - self.loop_latency
        if isinstance(self.matrix, Matrix):
            loop = delay_cost(2 * H * state, self.matrix.depth) + delay_cost(2 * H * state, pad)
            return self.matrix.cost() + cell * H + Resources(ff=4 * H * state) + loop + flags
        # A multiplexer of `share` inputs for the matrix' outputs, a table for the constants, the states' memory.
        cell += Resources(lut=4 * w["M"] * -(-self.share // 4) + 4 * w["SUM"], ff=4 * (w["M"] + w["SUM"]))
        cell += memory_cost(2 * state, timing.contexts * self.share) + delay_cost(2 * state, pad)
        return self.matrix.cost() + cell * self.banks + Resources(ff=H * state, lut=self.banks * self.share) + flags


def lstm_matrix(node: ir.Lstm, source_fmt: FixedFormat) -> NDArray[np.int64]:
    """Matrix at the common fraction: rows x then h; columns i, f, c, o."""
    frac = node.acc_frac(source_fmt)
    kernel = node.kernel.astype(np.int64) << (frac - source_fmt.frac - node.kernel_fmt.frac)
    recurrent = node.recurrent.astype(np.int64) << (frac - node.fmt.frac - node.recurrent_fmt.frac)
    return np.concatenate([kernel, recurrent])
