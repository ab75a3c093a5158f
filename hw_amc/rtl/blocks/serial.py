"""A constant matrix over several cycles: digit-serial distributed arithmetic.

Every adder of the graph becomes an adder of `digit_bits` bits that takes a word in digits, lowest first; a shift is
a delay. Word w of a value occupies `digits` cycles; a value's word begins `start` cycles after its inputs were
loaded. Bits that a left shift vacates belong to the former word: the last register in front of an adder is cleared
there, which costs no LUT. Arithmetic is modulo 2^(digits * digit_bits), which holds every output.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.blocks.serial_digits import DigitText
from hw_amc.rtl.blocks.serial_plan import SerialPlan
from hw_amc.rtl.blocks.serial_statements import StatementText
from hw_amc.rtl.verilog import instance, library


@dataclass(frozen=True)
class SerialMatrix(SerialPlan):
    """An adder graph as a module, in a form for synthesis and one for event-driven simulators."""

    def instantiate(self, label: str, start: str, x: str, y: str) -> str:
        """Text of the instance."""
        return instance(self.name, label, {}, {"clk": "clk", "start": start, "x": x, "y": y})

    def files(self) -> dict[str, str]:
        """The module, in a second file the form for `AMC_SIMULATION`, and what they instantiate."""
        modules = library("amc_digit_add", "amc_serialise", "amc_deserialise", "amc_register")
        if self.graph.ternary:
            modules |= library("amc_digit_add3")
        texts = {f"{self.name}.v": DigitText(self).emit(), f"{self.name}_sim.v": StatementText(self).emit()}
        return modules | texts

    def cost(self) -> Resources:
        """A LUT a bit of an adder; serialisers, deserialisers, delays."""
        text = DigitText(self)
        text.emit()
        graph, d = self.graph, self.digit_bits
        used = {term.node for one in graph.sums for term in one.terms} | {out.node for out in graph.outputs}
        inputs = sum(fmt.bits for node, fmt in enumerate(graph.inputs) if node in used)
        words = self.collected()
        out_bits = sum(graph.formats[node].bits for node in words)
        starts, _ = self.schedule
        held = sum(d * (self.depth - starts[node] - 1) for node in words)
        three = sum(len(one.terms) == 3 for one in graph.sums)
        lut = d * len(graph.sums) + inputs + len(text.windows)
        ff = (d + 1) * len(graph.sums) + three + inputs + out_bits + held + text.delay_bits + self.depth
        return Resources(lut=lut, ff=ff, carry=three * -(-d // 4))
