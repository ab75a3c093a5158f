"""When the digits of every value of a digit-serial matrix come, and the text that its forms have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from hw_amc.rtl.sums import SumGraph
from hw_amc.rtl.verilog import extended, instance_line, vector


@dataclass(frozen=True)
class SerialPlan:
    """Sums as a module with `cycles` cycles a word; `widths` are the bits of each output."""

    name: str
    graph: SumGraph
    widths: tuple[int, ...]
    cycles: int

    @cached_property
    def word_bits(self) -> int:
        """Bits of the widest output, from its own lowest bit."""
        return word_bits(self.graph)

    @property
    def digit_bits(self) -> int:
        """Bits of a digit, d."""
        return -(-self.word_bits // self.cycles)

    @property
    def digits(self) -> int:
        """Digits of a word; at most `cycles`."""
        return -(-self.word_bits // self.digit_bits)

    @cached_property
    def schedule(self) -> tuple[list[int], list[int]]:
        """First cycle of each value's word, and of its operands' (0 for inputs)."""
        count = len(self.graph.inputs)
        starts, begins = [1] * count, [0] * count
        for one in self.graph.sums:
            begin = 1
            for term in one.terms:
                whole = term.shift // self.digit_bits
                begin = max(begin, starts[term.node] - whole + (whole > 0))
            begins.append(begin)
            starts.append(begin + 1)
        return starts, begins

    def collected(self) -> dict[int, int]:
        """Values that are outputs, and how many digits each needs."""
        nodes = {out.node: None for out in self.graph.outputs if out.node is not None}
        return {node: -(-self.graph.formats[node].bits // self.digit_bits) for node in nodes}

    @cached_property
    def depth(self) -> int:
        """Cycles from `start` to standing outputs."""
        starts, _ = self.schedule
        return max((starts[node] + digits for node, digits in self.collected().items()), default=1)

    def serialisers(self) -> list[str]:
        """Text that makes the digits x<i> of the inputs."""
        text, position = [], 0
        for index, fmt in enumerate(self.graph.inputs):
            text.append(f"    wire {vector(self.digit_bits)} x{index};\n")
            ports = {"clk": "clk", "load": "start", "x": f"x[{position}+:{fmt.bits}]", "digit": f"x{index}"}
            parameters = {"WIDTH": fmt.bits, "D": self.digit_bits, "SIGNED": int(fmt.signed)}
            text.append(instance_line("amc_serialise", f"load{index}", parameters, ports))
            position += fmt.bits
        return text

    def columns(self, word: Callable[[int], str]) -> str:
        """Elements of the concatenation y; `word` names a value's collected word."""
        columns = []
        for out, width in zip(self.graph.outputs, self.widths, strict=True):
            if out.node is None:
                columns.append(f"{width}'d0")
                continue
            name, fmt = word(out.node), self.graph.formats[out.node]
            if out.shift <= 0:
                columns.append(extended(name, fmt.bits, fmt.signed, -out.shift, width))
            else:
                columns.append(f"{extended(name, fmt.bits, fmt.signed, 0, width - out.shift)}, {out.shift}'d0")
        return ",\n".join(f"        {column}" for column in reversed(columns))


def word_bits(graph: SumGraph) -> int:
    """Bits of the widest output's value: the least number that a word of the serial matrix must have."""
    return max((graph.formats[out.node].bits for out in graph.outputs if out.node is not None), default=1)


def legal_cycles(graph: SumGraph) -> list[int]:
    """R that differ in size, for digits of 1, 2, ... bits; any up to the largest is possible."""
    bits = word_bits(graph)
    return sorted({-(-bits // digit) for digit in range(1, bits + 1)})
