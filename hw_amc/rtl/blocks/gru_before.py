"""The GRU whose reset gate multiplies the state before the candidate's product: a loop around two matrices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.rtl.blocks.base import Resources, SlotTiming, Tensor, Wires, adder_cost, delay_cost
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.blocks.matrix import Matrix
from hw_amc.rtl.blocks.recurrent import CELL_CYCLES, RecurrentBlock, half, shift_of, sum_bits, value_of
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.verilog import instance, vector


@dataclass(frozen=True)
class GruBeforeBlock(RecurrentBlock):
    """A GRU layer with reset_after = false; every cell has gates of its own, whatever R."""

    node: ir.Gru
    #: Of r h, to the candidate's recurrent part.
    candidate_matrix: Matrix | SerialMatrix

    loop: ClassVar[str] = "amc_gru_before"
    gates: ClassVar[dict[str, str]] = {"m_z": "MZ", "m_r": "MZ", "m_x": "MX"}
    offsets: ClassVar[dict[str, str]] = {"C_Z": "SUM", "C_R": "SUM", "C_X": "XB"}

    @property
    def module(self) -> str:
        return self.loop

    @property
    def banks(self) -> int:
        return self.channels

    @property
    def loop_latency(self) -> int:  # type: ignore[override]
        return self.matrix.depth + self.candidate_matrix.depth + CELL_CYCLES

    def latency(self, timing: SlotTiming) -> int:
        return 1 + self.loop_latency

    @property
    def _fracs(self) -> tuple[int, int]:
        """Fraction bits of the gates' sums and of the candidate's."""
        frac = self.node.acc_frac(self.source_fmt)
        return frac, frac + self.node.gate_fmt.frac

    @cached_property
    def widths(self) -> dict[str, int]:
        node, constants, (frac, fine) = self.node, self.constants, self._fracs
        m_z, m_x, m_c = self.matrix.widths[0], self.matrix.widths[-1], self.candidate_matrix.widths[0]
        z_shift, c_shift = shift_of(node.gate, frac), shift_of(node.candidate, fine)
        total = max(sum_bits(m_z, constants["C_Z"]), sum_bits(m_z, constants["C_R"]), z_shift + 2)
        x_bits = sum_bits(m_x + node.gate_fmt.bits, constants["C_X"])
        return {
            "STATE": node.fmt.bits,
            "GATE": node.gate_fmt.bits,
            "MZ": m_z,
            "MX": m_x,
            "MC": m_c,
            "SUM": total,
            "XB": x_bits,
            "TOTAL": max(max(m_c, x_bits) + 1, c_shift + 2),
            "Z_SHIFT": z_shift,
            "C_SHIFT": c_shift,
        }

    @cached_property
    def constants(self) -> dict[str, NDArray[np.int64]]:
        node, H, (frac, fine) = self.node, self.node.units, self._fracs
        bias = node.bias.astype(np.int64) << (frac - node.bias_fmt.frac)
        gates = bias[: 2 * H] + (node.gate.adds_one << frac) + half(shift_of(node.gate, frac))
        candidate = (bias[2 * H :] << node.gate_fmt.frac) + half(shift_of(node.candidate, fine))
        return {"C_Z": gates[:H], "C_R": gates[H:], "C_X": candidate}

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, name, w, H = self.output(), self.name, self.widths, self.node.units
        product = w["GATE"] + w["STATE"]
        ports = {"clk": "clk", "rst": "rst", "in_flags": source.flags, "in_data": source.data}
        ports |= {"start": f"{name}_start", "matrix_x": f"{name}_x", "matrix_h": f"{name}_h"}
        start = 0
        for key, width in self.gates.items():
            ports[key] = f"{name}_m[{start}+:{H * w[width]}]"
            start += H * w[width]
        ports |= {"start_c": f"{name}_start_c", "matrix_c": f"{name}_rh", "m_c": f"{name}_c"}
        ports |= {"out_flags": out.flags, "out_data": out.data}
        second = self.candidate_matrix
        return "\n".join(
            [
                declare(out, timing),
                "    /* verilator lint_off UNUSEDSIGNAL */  // starts of matrices that take a vector a cycle",
                f"    wire {name}_start, {name}_start_c;",
                "    /* verilator lint_on UNUSEDSIGNAL */",
                f"    wire {vector(source.width)} {name}_x;\n    wire {vector(H * w['STATE'])} {name}_h;",
                f"    wire {vector(start)} {name}_m;\n    wire {vector(H * product)} {name}_rh;",
                f"    wire {vector(H * w['MC'])} {name}_c;",
                self.matrix.instantiate(f"{name}_matrix", f"{name}_start", f"{{{name}_h, {name}_x}}", f"{name}_m"),
                second.instantiate(f"{name}_candidate", f"{name}_start_c", f"{name}_rh", f"{name}_c"),
                instance(self.module, f"{name}_unit", self._parameters(source, timing), ports),
            ]
        )

    def _parameters(self, source: Wires, timing: SlotTiming) -> dict[str, int | str]:
        parameters = super()._parameters(source, timing)
        for shared in ("BANKS", "SHARE", "INDEX"):
            parameters.pop(shared, None)
        return {**parameters, "INPUTS": source.width, "DEPTH_C": self.candidate_matrix.depth}

    def files(self) -> dict[str, str]:
        return super().files() | self.candidate_matrix.files()

    def model(self, x: NDArray[Any]) -> Tensor:
        """Follow the cell as it is built."""
        node, H, constants, (frac, fine) = self.node, self.node.units, self.constants, self._fracs
        gate, state = node.gate_fmt, node.fmt
        h, output = np.zeros(H, np.int64), np.zeros((len(x), H), np.int64)
        for t, sample in enumerate(np.asarray(x, np.int64)):
            m = self.matrix.graph.model(np.concatenate([sample, h])[np.newaxis])[0]
            z = value_of(node.gate, m[:H] + constants["C_Z"], frac)
            r = value_of(node.gate, m[H : 2 * H] + constants["C_R"], frac)
            recurrent = self.candidate_matrix.graph.model((r * h)[np.newaxis])[0]
            c = value_of(node.candidate, (m[2 * H :] << gate.frac) + constants["C_X"] + recurrent, fine)
            h = np.asarray(requantize((c << gate.frac) + z * (h - c), gate.frac + state.frac, state), np.int64)
            output[t] = h
        return output

    def cost(self, timing: SlotTiming) -> Resources:
        w, H, depth = self.widths, self.node.units, self.candidate_matrix.depth
        state, gate = w["STATE"], w["GATE"]
        cell = adder_cost(w["SUM"]) * 2 + adder_cost(w["XB"] - gate) + adder_cost(w["TOTAL"]) + adder_cost(state + 1)
        cell += Resources(lut=2 * (gate + 5) + 2 * state + 8, ff=3 * gate + 4 * state, dsp=2)
        cell += delay_cost(gate, depth + 4) + delay_cost(state, depth + 3) + delay_cost(w["XB"], depth + 2)
        cell += delay_cost(state, 2) + delay_cost(state, 3) + self.tables_cost(2, 1)
        loop = delay_cost(H * state, self.matrix.depth) + delay_cost(H * state, timing.round_cycles - self.loop_latency)
        flags = delay_cost(timing.ctx_bits + 4, self.latency(timing))
        return self.matrix.cost() + self.candidate_matrix.cost() + cell * H + loop + flags


def before_matrices(node: ir.Gru, source_fmt: FixedFormat) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Matrix of x then h to z, r and the candidate's input part; matrix of r h to its recurrent part."""
    H, frac = node.units, node.acc_frac(source_fmt)
    kernel = node.kernel.astype(np.int64) << (frac - source_fmt.frac - node.kernel_fmt.frac)
    recurrent = node.recurrent.astype(np.int64) << (frac - node.fmt.frac - node.recurrent_fmt.frac)
    first = np.concatenate([kernel, recurrent])
    first[len(kernel) :, 2 * H :] = 0
    return first, recurrent[:, 2 * H :]
