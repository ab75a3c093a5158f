"""A constant matrix in one step per cycle: an adder graph, flat, with registers every `cut` adder levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from hw_amc.adders import Adder, AdderGraph, Output
from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.verilog import extended, instance, vector

_HEADER = """\
// {name}: y = x * matrix, {inputs} inputs, {outputs} outputs, {adders} adders in {levels} levels.
// y follows x by {depth} cycles. Generated from the adder graph: x<i> is an input, n<i> an adder, _d<j> its
// value j cycles later.
/* verilator lint_off UNUSEDSIGNAL */  // rows and bits that no column needs
module {name} (
    input  clk,
    input  {x_range} x,
    output {y_range} y
);
"""


@dataclass(frozen=True)
class Matrix:
    """An adder graph as a module; `widths` are the bits of each output, sign-extended to them."""

    name: str
    graph: AdderGraph
    widths: tuple[int, ...]
    cut: int = 1
    #: Cycles of a step, as of a digit-serial matrix.
    cycles: ClassVar[int] = 1

    @property
    def depth(self) -> int:
        """Cycles from inputs to outputs."""
        return -(-self.graph.depth // self.cut)

    def instantiate(self, label: str, start: str, x: str, y: str) -> str:
        """Text of the instance; it takes an x in every cycle, whatever `start`."""
        return instance(self.name, label, {}, {"clk": "clk", "x": x, "y": y})

    def files(self) -> dict[str, str]:
        """The module."""
        return {f"{self.name}.v": self.emit()}

    @cached_property
    def _offsets(self) -> list[int]:
        return _starts([fmt.bits for fmt in self.graph.inputs])

    def _name(self, node: int, delay: int) -> str:
        count = len(self.graph.inputs)
        base = f"x{node}" if node < count else f"n{node - count}"
        return f"{base}_d{delay}" if delay else base

    def _stage(self, node: int) -> int:
        """Pipeline stage that computes a node; inputs come before stage 0."""
        return (self.graph.levels[node] - 1) // self.cut

    def _delay(self, node: int, boundary: int) -> int:
        """Registers between a node and its use in stage `boundary` (or behind the last stage)."""
        return boundary if node < len(self.graph.inputs) else boundary - self._stage(node)

    @cached_property
    def _delays(self) -> dict[int, int]:
        """Longest delay that is needed of each node."""
        longest: dict[int, int] = {}
        for index, adder in enumerate(self.graph.adders, len(self.graph.inputs)):
            for node in (adder.a, adder.b):
                longest[node] = max(longest.get(node, 0), self._delay(node, self._stage(index)))
        for out in self.graph.outputs:
            if out.node is not None:
                longest[out.node] = max(longest.get(out.node, 0), self._delay(out.node, self.depth))
        return longest

    def emit(self) -> str:
        """Text of the module."""
        graph = self.graph
        bits_in, bits_out = sum(fmt.bits for fmt in graph.inputs), sum(self.widths)
        text = [
            _HEADER.format(
                name=self.name,
                inputs=len(graph.inputs),
                outputs=len(graph.outputs),
                adders=len(graph.adders),
                levels=graph.depth,
                depth=self.depth,
                x_range=vector(bits_in),
                y_range=vector(bits_out),
            )
        ]
        for index, (fmt, start) in enumerate(zip(graph.inputs, self._offsets, strict=True)):
            text.append(f"    wire {vector(fmt.bits)} x{index} = x[{start}+:{fmt.bits}];\n")
        text += self._registers()
        for index, adder in enumerate(graph.adders, len(graph.inputs)):
            width = graph.formats[index].bits
            text.append(f"    assign {self._name(index, 0)} = {self._sum(index, adder)};  // {width} bits\n")
        text.append("    assign y = {\n")
        columns = [self._output(out, width) for out, width in zip(graph.outputs, self.widths, strict=True)]
        text.append(",\n".join(f"        {column}" for column in reversed(columns)))
        text.append("\n    };\nendmodule\n")
        return "".join(text)

    def _registers(self) -> list[str]:
        """Declarations of the adders' wires, and all delays in one clocked block."""
        text, clocked = [], []
        for index in range(len(self.graph.inputs), len(self.graph.inputs) + len(self.graph.adders)):
            text.append(f"    wire {vector(self.graph.formats[index].bits)} {self._name(index, 0)};\n")
        for node, delay in sorted(self._delays.items()):
            if delay:
                names = [self._name(node, step) for step in range(delay + 1)]
                text.append(f"    reg {vector(self.graph.formats[node].bits)} {', '.join(names[1:])};\n")
                clocked += [f"        {new} <= {old};\n" for old, new in itertools.pairwise(names)]
        if clocked:
            text += ["    always @(posedge clk) begin\n", *clocked, "    end\n"]
        return text

    def _sum(self, index: int, adder: Adder) -> str:
        """Expression of an adder, modulo its width: bits below a shifted operand pass by the carry chain."""
        stage, width = self._stage(index), self.graph.formats[index].bits
        first, second = ((adder.a, adder.shift_a), (adder.b, adder.shift_b))
        low, high = (first, second) if first[1] == 0 else (second, first)
        passed = min(high[1], width) if not adder.subtract or low is first else 0
        below = self._operand(low[0], stage, 0, 0, passed) if passed else ""
        if passed == width:  # the shifted operand is a multiple of 2^width
            return below
        terms = [self._operand(node, stage, shift, passed, width - passed) for node, shift in (first, second)]
        total = f"{terms[0]} {'-' if adder.subtract else '+'} {terms[1]}"
        return f"{{{total}, {below}}}" if passed else total

    def _operand(self, node: int, stage: int, shift: int, drop: int, bits: int) -> str:
        """`bits` bits of `value << shift` from bit `drop` on, as they stand in `stage`; `drop` is 0 or the shift."""
        name, fmt = self._name(node, self._delay(node, stage)), self.graph.formats[node]
        shift, drop = max(shift - drop, 0), max(drop - shift, 0)
        if shift >= bits:
            return f"{bits}'d0"
        body = extended(name, fmt.bits, fmt.signed, drop, bits - shift)
        return f"{{{body}, {shift}'d0}}" if shift else body

    def _output(self, out: Output, width: int) -> str:
        if out.node is None:
            return f"{width}'d0"
        fmt = self.graph.formats[out.node]
        name = self._name(out.node, self._delay(out.node, self.depth))
        if out.shift <= 0:
            return extended(name, fmt.bits, fmt.signed, -out.shift, width)
        return f"{extended(name, fmt.bits, fmt.signed, 0, width - out.shift)}, {out.shift}'d0"

    def cost(self) -> Resources:
        """One LUT for each bit on a carry chain; the registers of all delays."""
        lut = carry = 0
        for index, adder in enumerate(self.graph.adders, len(self.graph.inputs)):
            passed = adder.shift_b if adder.shift_b or not adder.subtract else 0
            chain = max(self.graph.formats[index].bits - max(passed, 0 if adder.subtract else adder.shift_a), 1)
            lut += chain
            carry += -(-chain // 4)
        ff = sum(self.graph.formats[node].bits * delay for node, delay in self._delays.items())
        return Resources(lut=lut, ff=ff, carry=carry)


def signed_width(graph: AdderGraph, columns: Sequence[int]) -> int:
    """Bits of the narrowest signed word that holds every one of these outputs."""
    widest = 2
    for column in columns:
        out = graph.outputs[column]
        if out.node is not None:
            fmt = graph.formats[out.node]
            widest = max(widest, fmt.bits + (not fmt.signed) + out.shift)
    return widest


def _starts(widths: Sequence[int]) -> list[int]:
    starts, position = [], 0
    for width in widths:
        starts.append(position)
        position += width
    return starts
