"""A digit-serial matrix as statements of one clocked block: the form of it that Icarus simulates.

Icarus spends its time on events, and ten thousand adders, each a module, make millions of them. Here the same adders,
delays and shift registers stand as statements over arrays: bit for bit and cycle for cycle what `serial_digits` writes
for synthesis, some ten times faster. `AMC_SIMULATION` chooses it.
"""

from __future__ import annotations

from hw_amc.rtl.blocks.serial_plan import SerialPlan
from hw_amc.rtl.sums import Sum
from hw_amc.rtl.verilog import vector

_TEXT = """\
// {name} for event-driven simulators: what {name}.v does in every cycle, as statements.
// n[i] is adder i, its digit below the carry or borrow that it keeps; _d<j>[i] are digits j cycles later, s[i] the
// bits of a shifted operand that come from former digits. Generated from the adder graph.
`ifdef AMC_SIMULATION
module {name} (
    input  clk,
    input  start,
    input  {x_range} x,
    output {y_range} y
);
    reg {line_range} line;
    wire {at_range} at = {{line, start}};
{declarations}    always @(posedge clk) begin
        line <= at{line_range};
{statements}    end
    assign y = {{
{columns}
    }};
endmodule
`endif
"""


class StatementText:
    """Writes the module; collects delays, shifted operands and what is cleared when as the adders ask for them."""

    def __init__(self, matrix: SerialPlan) -> None:
        self.matrix = matrix
        self.d = matrix.digit_bits
        self.starts, self.begins = matrix.schedule
        self.inputs = len(matrix.graph.inputs)
        self.delays: dict[int, int] = {}
        #: (node, shift, begin) -> place in `s`.
        self.shifted: dict[tuple[int, int, int], int] = {}
        self.shifts: list[str] = []
        #: Cycles (first, how many) -> what is cleared in them.
        self.clears: dict[tuple[int, int], list[str]] = {}

    def emit(self) -> str:
        """Text of the module."""
        matrix, graph = self.matrix, self.matrix.graph
        adders = [self._adder(index, one) for index, one in enumerate(graph.sums, self.inputs)]
        declarations, outputs = self._outputs()
        body = [*adders, *self._delays(), *self.shifts, *self._clears(), *outputs]
        last = max([matrix.depth, *(first + cycles for first, cycles in self.clears)])
        return _TEXT.format(
            name=matrix.name,
            x_range=vector(sum(fmt.bits for fmt in graph.inputs)),
            y_range=vector(sum(matrix.widths)),
            line_range=vector(last),
            at_range=vector(last + 1),
            declarations="".join([*matrix.serialisers(), *self._arrays(), *declarations]),
            statements="".join(body),
            columns=matrix.columns(lambda node: f"{self._label(node)}_word"),
        )

    def _label(self, node: int) -> str:
        return f"x{node}" if node < self.inputs else f"n{node - self.inputs}"

    def _place(self, node: int, delay: int) -> tuple[str, str]:
        """Element that holds a value's digit after a delay, and the range of the digit in it."""
        kind, index = ("x", node) if node < self.inputs else ("n", node - self.inputs)
        if delay:
            return f"{kind}_d{delay}[{index}]", ""
        return (f"x{index}", "") if kind == "x" else (f"n[{index}]", vector(self.d))

    def _digit(self, node: int, delay: int) -> str:
        self.delays[node] = max(self.delays.get(node, 0), delay)
        return "".join(self._place(node, delay))

    def _bits(self, node: int, delay: int, low: int, high: int) -> str:
        self.delays[node] = max(self.delays.get(node, 0), delay)
        return f"{self._place(node, delay)[0]}[{high}:{low}]"

    def _adder(self, index: int, one: Sum) -> str:
        """A sum of digits and the carry behind them: one bit, or two where there are three terms, of either sign."""
        begin, d = self.begins[index], self.d
        digits = [self._operand(term.node, term.shift, begin) for term in one.terms]
        signs = ["-" if term.negative else "+" for term in one.terms]
        name = self._place(index, 0)[0]
        total = digits[0] + "".join(f" {sign} {digit}" for sign, digit in zip(signs[1:], digits[1:], strict=True))
        if len(digits) == 2:
            carry, kept = f"{name}[{d}]", f"{name}[{d}] <= 1'd0"
            self.clears.setdefault((begin - 1, 1), []).append(kept)
            return f"        {name} <= {total} {signs[1]} {carry};\n"
        fill = f"{{{d}{{{name}[{d + 1}]}}}}" if one.negatives else f"{d}'d0"
        self.clears.setdefault((begin - 1, 1), []).append(f"{name}[{d + 1}:{d}] <= 2'd0")
        return f"        {name} <= {total} + {{{fill}, {name}[{d + 1}:{d}]}};\n"

    def _operand(self, node: int, shift: int, begin: int) -> str:
        """Digits of `value << shift` for a word that begins at `begin`."""
        d, (whole, part) = self.d, divmod(shift, self.d)
        if whole >= self.matrix.digits:
            return f"{d}'d0"
        delay = begin - self.starts[node] + whole
        if not shift:
            return self._digit(node, delay)
        key = (node, shift, begin)
        if key not in self.shifted:
            self.shifted[key] = len(self.shifted)
            self._shift(f"s[{self.shifted[key]}]", node, delay, whole, part, begin)
        name = f"s[{self.shifted[key]}]"
        return name if whole else f"{{{self._bits(node, delay, 0, d - part - 1)}, {name}{vector(part)}}}"

    def _shift(self, name: str, node: int, delay: int, whole: int, part: int, begin: int) -> None:
        """Register the bits of a shifted operand that are not this cycle's, cleared where they are another word's."""
        d = self.d
        if part:
            low = self._bits(node, delay, d - part, d - 1)
            self.shifts.append(f"        {name}{vector(part)} <= {low};\n")
            self.clears.setdefault((begin - 1, whole + 1), []).append(f"{name}{vector(part)} <= {part}'d0")
        if whole:
            high = self._bits(node, delay - 1, 0, d - part - 1)
            self.shifts.append(f"        {name}[{d - 1}:{part}] <= {high};\n")
            self.clears.setdefault((begin - 1, whole), []).append(f"{name}[{d - 1}:{part}] <= {d - part}'d0")

    def _delays(self) -> list[str]:
        return [
            f"        {self._place(node, step)[0]} <= {''.join(self._place(node, step - 1))};\n"
            for node, delay in sorted(self.delays.items())
            for step in range(1, delay + 1)
        ]

    def _clears(self) -> list[str]:
        text = []
        for (first, cycles), lines in sorted(self.clears.items()):
            text.append(f"        if (|at[{first + cycles - 1}:{first}]) begin\n")
            text += [f"            {line};\n" for line in lines]
            text.append("        end\n")
        return text

    def _arrays(self) -> list[str]:
        """Declarations, as long as the largest index asks for."""
        adders, d = len(self.matrix.graph.sums), self.d
        carry = 2 if self.matrix.graph.ternary else 1
        text = [f"    reg {vector(d + carry)} n [0:{adders - 1}];\n"] if adders else []
        for kind, nodes in (("x", range(self.inputs)), ("n", range(self.inputs, self.inputs + adders))):
            deepest = max((self.delays.get(node, 0) for node in nodes), default=0)
            text += [f"    reg {vector(d)} {kind}_d{step} [0:{len(nodes) - 1}];\n" for step in range(1, deepest + 1)]
        return [*text, f"    reg {vector(d)} s [0:{len(self.shifted) - 1}];\n"] if self.shifted else text

    def _outputs(self) -> tuple[list[str], list[str]]:
        """Shift registers that collect each output's digits, and the words taken from them."""
        matrix, d = self.matrix, self.d
        declarations, lines, words = [], [], []
        for node in matrix.collected():
            name, digit = self._label(node), self._digit(node, 0)
            # Digits that wait for the last one, and for the cycle in which all outputs are taken.
            length = matrix.depth - self.starts[node] - 1
            declarations.append(f"    reg {vector(matrix.graph.formats[node].bits)} {name}_word;\n")
            if length:
                declarations.append(f"    reg {vector(length * d)} {name}_line;\n")
                rest = f", {name}_line[{length * d - 1}:{d}]" if length > 1 else ""
                lines.append(f"        {name}_line <= {{{digit}{rest}}};\n")
                digit = f"{{{digit}, {name}_line}}"
            words.append(f"            {name}_word <= {digit};\n")
        if words:
            words = [f"        if (at[{matrix.depth - 1}]) begin\n", *words, "        end\n"]
        return declarations, [*lines, *words]
