"""A constant matrix in one step per cycle: its sums, flat, with registers every `cut` levels of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from hw_amc.adders import Output
from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.blocks.delay_lines import DelayText
from hw_amc.rtl.sums import Sum, SumGraph
from hw_amc.rtl.verilog import extended, instance, instance_line, library, vector

_HEADER = """\
// {name}: y = x * matrix, {inputs} inputs, {outputs} outputs, {adders} sums in {levels} levels.
// y follows x by {depth} cycles. Generated from the adder graph: x<i> is an input, n<i> a sum, _d<j> its
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
    """Sums as a module; `widths` are the bits of each output, sign-extended to them."""

    name: str
    graph: SumGraph
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
        """The module, and what it instantiates."""
        modules = library("amc_register")
        if self.graph.ternary:
            modules |= library("amc_sum3")
        return modules | {f"{self.name}.v": self.emit()}

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
    def _delays(self) -> dict[int, set[int]]:
        """Delays of each node that something reads."""
        used: dict[int, set[int]] = {}
        for index, one in enumerate(self.graph.sums, len(self.graph.inputs)):
            for term in one.terms:
                used.setdefault(term.node, set()).add(self._delay(term.node, self._stage(index)))
        for out in self.graph.outputs:
            if out.node is not None:
                used.setdefault(out.node, set()).add(self._delay(out.node, self.depth))
        return used

    def emit(self) -> str:
        """Text of the module."""
        graph = self.graph
        bits_in, bits_out = sum(fmt.bits for fmt in graph.inputs), sum(self.widths)
        text = [
            _HEADER.format(
                name=self.name,
                inputs=len(graph.inputs),
                outputs=len(graph.outputs),
                adders=len(graph.sums),
                levels=graph.depth,
                depth=self.depth,
                x_range=vector(bits_in),
                y_range=vector(bits_out),
            )
        ]
        for index, (fmt, start) in enumerate(zip(graph.inputs, self._offsets, strict=True)):
            text.append(f"    wire {vector(fmt.bits)} x{index} = x[{start}+:{fmt.bits}];\n")
        text += self._registers()
        text += [self._sum(index, one) for index, one in enumerate(graph.sums, len(graph.inputs))]
        text.append("    assign y = {\n")
        columns = [self._output(out, width) for out, width in zip(graph.outputs, self.widths, strict=True)]
        text.append(",\n".join(f"        {column}" for column in reversed(columns)))
        text.append("\n    };\nendmodule\n")
        return "".join(text)

    def _registers(self) -> list[str]:
        """Declarations of the sums' wires, and all delays."""
        formats, inputs, lines = self.graph.formats, len(self.graph.inputs), DelayText()
        for node, used in sorted(self._delays.items()):
            lines.add([self._name(node, step) for step in range(max(used) + 1)], formats[node].bits, used)
        wires = [
            f"    wire {vector(formats[node].bits)} {self._name(node, 0)};\n" for node in range(inputs, len(formats))
        ]
        return [*wires, lines.emit()]

    def _sum(self, index: int, one: Sum) -> str:
        """Text of a sum, modulo its width: bits that one term alone makes pass by the carry chain."""
        name, width, stage = self._name(index, 0), self.graph.formats[index].bits, self._stage(index)
        passed = one.passed(width)
        low = min(one.terms, key=lambda term: term.shift)
        below = self._operand(low.node, stage, 0, 0, passed) if passed else ""
        if passed == width:  # all other terms are multiples of 2^width
            return f"    assign {name} = {below};  // {width} bits\n"
        terms = [self._operand(term.node, stage, term.shift, passed, width - passed) for term in one.terms]
        if len(terms) == 2:
            total = f"{terms[0]} {'-' if one.negatives else '+'} {terms[1]}"
            return f"    assign {name} = {f'{{{total}, {below}}}' if passed else total};  // {width} bits\n"
        text = f"    assign {name}{vector(passed)} = {below};\n" if passed else ""
        ports = dict(zip("abc", terms, strict=True)) | {"y": f"{name}[{width - 1}:{passed}]" if passed else name}
        parameters = {"WIDTH": width - passed, "NEGATIVE": one.negatives}
        return text + instance_line("amc_sum3", f"add_{name}", parameters, ports)

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
        for index, one in enumerate(self.graph.sums, len(self.graph.inputs)):
            bits = self.graph.formats[index].bits
            chain = max(bits - one.passed(bits), 1)
            lut += chain
            carry += -(-chain // 4)
        ff = sum(self.graph.formats[node].bits * max(used) for node, used in self._delays.items())
        return Resources(lut=lut, ff=ff, carry=carry)


def signed_width(graph: SumGraph, columns: Sequence[int]) -> int:
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
