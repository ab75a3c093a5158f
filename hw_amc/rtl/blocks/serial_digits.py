"""A digit-serial matrix as modules of digit adders: the form of it that is synthesised."""

from __future__ import annotations

from hw_amc.rtl.blocks.delay_lines import DelayText
from hw_amc.rtl.blocks.serial_plan import SerialPlan
from hw_amc.rtl.sums import Sum
from hw_amc.rtl.verilog import instance_line, vector

_HEADER = """\
// {name}: y = x * matrix, {inputs} inputs, {outputs} outputs, {adders} adders of {bits} bits, {digits} digits a word.
// start loads x; y stands from {depth} cycles later until the next word. Generated from the adder graph: x<i> is an
// input, n<i> an adder, _d<j> its digits j cycles later, _s<k>_<t> shifted left by k bits for a word that begins at t.
/* verilator lint_off UNUSEDSIGNAL */  // rows and bits that no column needs
`ifndef AMC_SIMULATION
module {name} (
    input  clk,
    input  start,
    input  {x_range} x,
    output {y_range} y
);
"""


class DigitText:
    """Writes the module; collects delays and windows as the adders ask for them."""

    def __init__(self, matrix: SerialPlan) -> None:
        self.matrix = matrix
        self.d = matrix.digit_bits
        self.starts, self.begins = matrix.schedule
        #: Delays of each node that something reads.
        self.delays: dict[int, set[int]] = {}
        self.shifted: dict[str, tuple[int, str]] = {}
        self.windows: set[tuple[int, int]] = set()

    @property
    def delay_bits(self) -> int:
        """Flip-flops of all delays and shifted copies."""
        return self.d * sum(map(max, self.delays.values())) + sum(width for width, _ in self.shifted.values())

    def _name(self, node: int, delay: int = 0) -> str:
        count = len(self.matrix.graph.inputs)
        base = f"x{node}" if node < count else f"n{node - count}"
        if delay:
            self.delays.setdefault(node, set()).add(delay)
            return f"{base}_d{delay}"
        return base

    def _window(self, begin: int, cycles: int) -> str:
        """Signal that is high in `cycles` cycles from the one before a word's begin: clears a register."""
        self.windows.add((begin - 1, cycles))
        return f"w{begin - 1}_{cycles}"

    def _operand(self, node: int, shift: int, begin: int) -> str:
        """Digits of `value << shift` for a word that begins at `begin`."""
        d = self.d
        whole, part = divmod(shift, d)
        if whole >= self.matrix.digits:
            return f"{d}'d0"
        delay = begin - self.starts[node] + whole
        if not shift:
            return self._name(node, delay)
        base = f"{self._name(node)}_s{shift}_{begin}"
        if base not in self.shifted:
            # A register is the last cycle of each delay.
            pieces = []
            if part:
                low = self._bits(node, delay, d - part, d - 1)
                pieces.append((f"{base}[{part - 1}:0]", f"{self._window(begin, whole + 1)} ? {part}'d0 : {low}"))
            if whole:
                high = self._bits(node, delay - 1, 0, d - part - 1)
                pieces.append((f"{base}[{d - 1}:{part}]", f"{self._window(begin, whole)} ? {d - part}'d0 : {high}"))
            clocked = "".join(f"        {target} <= {value};\n" for target, value in pieces)
            self.shifted[base] = (d if whole else part, clocked)
        if whole:
            return base
        return f"{{{self._bits(node, delay, 0, d - part - 1)}, {base}}}"

    def _bits(self, node: int, delay: int, low: int, high: int) -> str:
        name = self._name(node, delay)
        return name if (low, high) == (0, self.d - 1) else f"{name}[{high}:{low}]"

    def emit(self) -> str:
        """Text of the module."""
        matrix, graph = self.matrix, self.matrix.graph
        adders = [self._adder(i, one) for i, one in enumerate(graph.sums, len(graph.inputs))]
        outputs = self._outputs()
        header = _HEADER.format(
            name=matrix.name,
            inputs=len(graph.inputs),
            outputs=len(graph.outputs),
            adders=len(graph.sums),
            bits=self.d,
            digits=matrix.digits,
            depth=matrix.depth,
            x_range=vector(sum(fmt.bits for fmt in graph.inputs)),
            y_range=vector(sum(matrix.widths)),
        )
        return "".join(
            [
                header,
                self._control(),
                *self.matrix.serialisers(),
                self._registers(),
                *adders,
                outputs,
                "endmodule\n`endif\n",
            ]
        )

    def _control(self) -> str:
        """Pulses: `at[k]` is high k cycles after start; windows are several of them."""
        last = max([self.matrix.depth, *(begin + cycles for begin, cycles in self.windows)])
        text = [
            f"    reg {vector(last)} line;\n    wire {vector(last + 1)} at = {{line, start}};\n",
            f"    always @(posedge clk) line <= at{vector(last)};\n",
        ]
        for begin, cycles in sorted(self.windows):
            name = f"w{begin}_{cycles}"
            if begin:  # registered, since many registers hang on it
                text.append(f"    reg {name};\n    always @(posedge clk) {name} <= ")
                text.append(f"|at[{begin + cycles - 2}:{begin - 1}];\n")
            else:
                text.append(f"    wire {name} = |at[{cycles - 1}:0];\n")
        return "".join(text)

    def _registers(self) -> str:
        graph, lines = self.matrix.graph, DelayText()
        first, last = len(graph.inputs), len(graph.inputs) + len(graph.sums)
        for node, used in sorted(self.delays.items()):
            lines.add(
                [self._name(node)] + [f"{self._name(node)}_d{step + 1}" for step in range(max(used))], self.d, used
            )
        for name, (width, assignment) in self.shifted.items():
            lines.declared.append(f"    reg {vector(width)} {name};\n")
            lines.clocked.append(assignment)
        wires = [f"    wire {vector(self.d)} {self._name(index)};\n" for index in range(first, last)]
        return "".join([*wires, lines.emit()])

    def _adder(self, index: int, one: Sum) -> str:
        begin, name = self.begins[index], self._name(index)
        digits = [self._operand(term.node, term.shift, begin) for term in one.terms]
        ports = {"clk": "clk", "clear": f"at[{begin - 1}]", **dict(zip("abc", digits, strict=False)), "s": name}
        if len(digits) == 2:
            parameters = {"D": self.d, "SUB": one.negatives}
            return instance_line("amc_digit_add", f"add_{name}", parameters, ports)
        return instance_line("amc_digit_add3", f"add_{name}", {"D": self.d, "NEGATIVE": one.negatives}, ports)

    def _outputs(self) -> str:
        """Deserialise each output's value once, then the columns in order."""
        matrix, graph = self.matrix, self.matrix.graph
        text: list[str] = []
        for node, digits in matrix.collected().items():
            fmt, name = graph.formats[node], f"{self._name(node)}_word"
            extra = matrix.depth - self.starts[node] - digits
            ports = {"clk": "clk", "take": f"at[{matrix.depth - 1}]", "digit": self._name(node)}
            ports["word"] = f"{name}_all"
            parameters = {"D": self.d, "DIGITS": digits, "EXTRA": extra}
            text.append(f"    wire {vector(digits * self.d)} {name}_all;\n")
            text.append(f"    wire {vector(fmt.bits)} {name} = {name}_all{vector(fmt.bits)};\n")
            text.append(instance_line("amc_deserialise", f"take_{self._name(node)}", parameters, ports))
        columns = matrix.columns(lambda node: f"{self._name(node)}_word")
        return "".join([*text, "    assign y = {\n", columns, "\n    };\n"])
