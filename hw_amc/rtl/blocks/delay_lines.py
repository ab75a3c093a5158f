"""Registers behind the values of a matrix, as many as their uses ask for; what is read is a flip-flop.

Bits that a sum only passes on go from line to line, so that even short ones could become one shift register in LUTs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hw_amc.rtl.verilog import instance_line, vector


@dataclass
class DelayText:
    """Text of delay lines: declarations, assignments of a clocked block, instances."""

    declared: list[str] = field(default_factory=list)
    clocked: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)

    def add(self, names: Sequence[str], bits: int, used: Collection[int]) -> None:
        """Add a line.

        Parameters
        ----------
        names : sequence of str
            Of the value and of its copies 1, 2, ... cycles later.
        bits : int
            Of the value.
        used : collection of int
            Delays that something reads.
        """
        plain = [name for step, name in enumerate(names) if step and step not in used]
        if plain:
            self.declared.append(f"    reg {vector(bits)} {', '.join(plain)};\n")
        for step, (old, new) in enumerate(pairwise(names), 1):
            if step in used:
                self.declared.append(f"    wire {vector(bits)} {new};\n")
                ports = {"clk": "clk", "ce": "1'b1", "d": old, "q": new}
                self.instances.append(instance_line("amc_register", f"hold_{new}", {"WIDTH": bits}, ports))
            else:
                self.clocked.append(f"        {new} <= {old};\n")

    def emit(self) -> str:
        """All of it."""
        block = ["    always @(posedge clk) begin\n", *self.clocked, "    end\n"] if self.clocked else []
        return "".join([*self.declared, *self.instances, *block])
