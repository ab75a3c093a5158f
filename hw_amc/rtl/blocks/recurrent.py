"""The C-slow loop of recurrent layers: what GRU and LSTM share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.adders import integer_format
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.graph.ops.recurrent import Curve
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Wires
from hw_amc.rtl.blocks.lanes import addressed, table_luts
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.blocks.matrix import Matrix
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.blocks.serial_plan import legal_cycles
from hw_amc.rtl.verilog import instance, library, packed, vector

#: Cycles of a cell. GRU: gate sum, gate, product, candidate sum, candidate, difference, product, blend, state.
#: LSTM: gate sum, gate, products, carry, half an LSB, carry and its tanh, product, half an LSB, state.
CELL_CYCLES = 9
#: Fields of a node that make tables of its gates and of its candidate.
TABLES = ("gate_table", "gate_in_fmt", "candidate_table", "candidate_in_fmt")
#: Fields of a node that make tables of its gates and of its candidate.
TABLES = ("gate_table", "gate_in_fmt", "candidate_table", "candidate_in_fmt")


@dataclass(frozen=True)
class RecurrentBlock(Block):
    """A recurrent layer: a matrix of input and state, cells, and the way back."""

    node: ir.Gru | ir.Lstm
    source_fmt: FixedFormat
    matrix: Matrix | SerialMatrix

    #: Verilog of the loop; its sibling `_shared` has cells shared over the cycles of a step, `_cell` is one of them.
    loop: ClassVar[str]
    #: Ports that take the matrix' columns, in their order -> the parameter that is their width.
    gates: ClassVar[dict[str, str]]
    #: Parameters that hold constants of all cells -> the parameter that is their width.
    offsets: ClassVar[dict[str, str]]

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.node.name

    @property
    def layer(self) -> str:  # type: ignore[override]
        return self.node.name

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.matrix.cycles

    @property
    def legal_cycles(self) -> list[int]:
        return legal_cycles(self.matrix.graph)

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.node.units

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.node.fmt

    @property
    def banks(self) -> int:
        """Cells in hardware: all of them, or shared over the cycles of a step."""
        return self.channels if isinstance(self.matrix, Matrix) else -(-self.channels // self.matrix.cycles)

    @property
    def share(self) -> int:
        """Units that a cell in hardware works off one after the other."""
        return -(-self.channels // self.banks)

    @property
    @abstractmethod
    def widths(self) -> dict[str, int]:
        """Bits of the cell's wires by the names of its parameters."""

    @property
    @abstractmethod
    def constants(self) -> dict[str, NDArray[np.int64]]:
        """Constants of each cell by the names of the loop's parameters."""

    @property
    def module(self) -> str:
        """Verilog module of the loop."""
        return self.loop if isinstance(self.matrix, Matrix) else f"{self.loop}_shared"

    def tables(self) -> dict[str, int | str]:
        """Parameters of the gates' and the candidate's functions."""
        found: dict[str, int | str] = {}
        for name, curve in (("GATE", self.node.gate), ("CAND", self.node.candidate)):
            found |= {f"{name}_IN": rounded_format(curve).bits, f"{name}_TABLED": int(curve.table is not None)}
            if curve.table is not None and curve.source is not None:
                found[f"{name}_TABLE"] = packed(addressed(curve.table, curve.source), curve.fmt.bits)
        return found

    def tables_cost(self, gates: int, candidates: int) -> Resources:
        """Memories of a cell with so many functions of each sort."""
        cost = Resources()
        for curve, count in ((self.node.gate, gates), (self.node.candidate, candidates)):
            if curve.source is not None:
                cost += Resources(lut=table_luts(curve.source.bits, curve.fmt.bits)) * count
        return cost

    def latency(self, timing: SlotTiming) -> int:
        return 1 + self.loop_latency if isinstance(self.matrix, Matrix) else timing.round_cycles

    @property
    def loop_latency(self) -> int:  # type: ignore[override]
        """One cycle of the matrix' registers, or of each shared unit, and the cell."""
        registers = 0 if isinstance(self.matrix, Matrix) else self.share
        return self.matrix.depth + registers + CELL_CYCLES

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, name, widths, H = self.output(), self.name, self.widths, self.node.units
        shared = isinstance(self.matrix, SerialMatrix)
        ports = {"clk": "clk", "rst": "rst", "in_flags": source.flags}
        if not shared:
            ports |= {"in_data": source.data, "matrix_x": f"{name}_x"}
        ports["matrix_h"] = f"{name}_h"
        start = 0
        for key, width in self.gates.items():
            ports[key] = f"{name}_m[{start}+:{H * widths[width]}]"
            start += H * widths[width]
        ports |= {"out_flags": out.flags, "out_data": out.data}
        x = source.data if shared else f"{name}_x"
        return "\n".join(
            [
                declare(out, timing),
                "" if shared else f"    wire {vector(source.width)} {name}_x;",
                f"    wire {vector(H * self.fmt.bits)} {name}_h;",
                f"    wire {vector(start)} {name}_m;",
                self.matrix.instantiate(f"{name}_matrix", f"{source.flags}[0]", f"{{{name}_h, {x}}}", f"{name}_m"),
                instance(self.module, f"{name}_unit", self._parameters(source, timing), ports),
            ]
        )

    def _parameters(self, source: Wires, timing: SlotTiming) -> dict[str, int | str]:
        widths = self.widths
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CELLS": self.channels,
            "DEPTH": self.matrix.depth,
            "PAD": timing.round_cycles - self.loop_latency,
            **widths,
            **self.tables(),
        }
        if isinstance(self.matrix, SerialMatrix):
            index = max((self.share - 1).bit_length(), 1)
            parameters |= {"BANKS": self.banks, "SHARE": self.share, "INDEX": index}
        else:
            parameters["INPUTS"] = source.width
        spare = [0] * (self.banks * self.share - self.channels)
        for key, width in self.offsets.items():
            parameters[key] = packed([*(int(value) for value in self.constants[key]), *spare], widths[width])
        return parameters

    def files(self) -> dict[str, str]:
        return library(self.module) | self.matrix.files()


def rounded_format(curve: Curve) -> FixedFormat:
    """Format onto which a sum is rounded: of the value, or of what a table takes."""
    return curve.fmt if curve.source is None else curve.source


def shift_of(curve: Curve, frac: int) -> int:
    """Bits that rounding cuts off a sum of `frac` fraction bits."""
    return frac + curve.adds_one - rounded_format(curve).frac


def value_of(curve: Curve, total: NDArray[np.int64], frac: int) -> NDArray[np.int64]:
    """Values of sums that have their half LSB, and a hard sigmoid's 1, already."""
    shift, fmt = shift_of(curve, frac), rounded_format(curve)
    rounded = np.asarray(requantize(total - half(shift), shift + fmt.frac, fmt), np.int64)
    return rounded if curve.table is None else curve.table.astype(np.int64)[rounded - fmt.min_raw]


def half(shift: int) -> int:
    """Half an LSB of what is left when `shift` bits are cut."""
    return 1 << (shift - 1) if shift > 0 else 0


def sum_bits(bits: int, constants: NDArray[np.int64]) -> int:
    """Signed bits of a `bits`-bit signed number plus any of the constants."""
    low, high = -(1 << (bits - 1)) + int(constants.min()), (1 << (bits - 1)) - 1 + int(constants.max())
    return max(integer_format(min(low, -1), high).bits, bits + 1)
