"""Layers written out as Verilog, to count what they take beside the products of `folded_verilog`.

Multiplications of two variables are modules of their own: Yosys packs no addition into their DSP blocks, which the
estimate does not do either. What controls a layer (counters, handshakes) is an input.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.estimate.logic import Integers
from hw_amc.hls.ops.windows import Windows
from hw_amc.sources import Sources

TOP = "layer"
#: Modules that multiply, for what keeps them apart.
MULTIPLIERS = "product_*"


@dataclass(frozen=True)
class Value:
    """A signed wire, wide enough for its format: without a sign it has one bit more."""

    name: str
    fmt: FixedFormat

    @property
    def bits(self) -> int:
        """Bits of the wire."""
        return self.fmt.bits + (not self.fmt.signed)


@dataclass
class Module:
    """A module that grows wire by wire."""

    #: Widths of operands that are multiplied.
    widths: set[tuple[int, int]] = field(default_factory=set)
    ports: list[str] = field(default_factory=lambda: ["input clk"])
    lines: list[str] = field(default_factory=list)

    def emit(self) -> Sources:
        """Verilog of the module and of what multiplies."""
        text = [f"module {TOP} ({', '.join(self.ports)});", *self.lines, "endmodule", ""]
        for a, b in sorted(self.widths):
            ports = f"input signed [{a - 1}:0] a, input signed [{b - 1}:0] b, output signed [{a + b - 1}:0] p"
            text += [f"module product_{a}x{b} ({ports});", "    assign p = a * b;", "endmodule", ""]
        return Sources({"layer.v": "\n".join(text)})

    def fresh(self) -> str:
        """A name that is not taken."""
        return f"v{len(self.lines)}"

    def flag(self, name: str, bits: int = 1) -> str:
        """An input that some controller would give."""
        self.ports.append(f"input [{bits - 1}:0] {name}")
        return name

    def input(self, name: str, fmt: FixedFormat) -> Value:
        """An input of a format."""
        self.ports.append(f"input [{fmt.bits - 1}:0] {name}")
        sign = f"{name}[{fmt.bits - 1}], " if fmt.signed else "1'b0, "
        return self.wire(FixedFormat(fmt.bits, fmt.frac, fmt.signed), f"$signed({{{sign}{name}}})")

    def output(self, name: str, value: Value) -> None:
        """A registered output."""
        self.ports.append(f"output reg [{value.fmt.bits - 1}:0] {name}")
        self.lines.append(f"    always @(posedge clk) {name} <= {value.name};")

    def wire(self, fmt: FixedFormat, expression: str) -> Value:
        """A wire of an expression."""
        value = Value(self.fresh(), fmt)
        self.lines.append(f"    wire signed [{value.bits - 1}:0] {value.name} = {expression};")
        return value

    def register(self, value: Value, enable: str = "1'b1") -> Value:
        """What a value was when `enable` was up."""
        kept = Value(self.fresh(), value.fmt)
        self.lines.append(
            f"    reg signed [{value.bits - 1}:0] {kept.name}; always @(posedge clk) if ({enable}) "
            f"{kept.name} <= {value.name};"
        )
        return kept

    def add(self, a: Value, b: Value, sign: str = "+") -> Value:
        """The exact sum, or difference."""
        frac = max(a.fmt.frac, b.fmt.frac)
        shifts = frac - a.fmt.frac, frac - b.fmt.frac
        fmt = FixedFormat(max(a.bits + shifts[0], b.bits + shifts[1]) + 1, frac)
        # Widened first: an operand of a shift has its own width.
        wide = [self.wire(FixedFormat(fmt.bits, frac), x.name).name for x in (a, b)]
        return self.wire(fmt, f"({wide[0]} <<< {shifts[0]}) {sign} ({wide[1]} <<< {shifts[1]})")

    def total(self, values: list[Value], fmt: FixedFormat) -> Value:
        """The sum of values of one format by a balanced tree."""
        while len(values) > 1:
            pairs = [self.add(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[2 * len(pairs) :]
        return self.wire(fmt, values[0].name)

    def multiply(self, a: Value, b: Value) -> Value:
        """A product on a DSP block."""
        product = Value(self.fresh(), FixedFormat(a.bits + b.bits, a.fmt.frac + b.fmt.frac))
        self.widths.add((a.bits, b.bits))
        self.lines += [
            f"    wire signed [{product.bits - 1}:0] {product.name};",
            f"    product_{a.bits}x{b.bits} of_{product.name} ({a.name}, {b.name}, {product.name});",
        ]
        return product

    def scale(self, value: Value, constant: int, fmt: FixedFormat) -> Value:
        """A product with a positive constant: a term for each digit, of fewest digits."""
        signed, rest, place = [], constant, 0
        while rest:
            if rest & 1:
                digit = 2 - rest % 4
                signed.append((place, digit))
                rest -= digit
            rest, place = rest >> 1, place + 1
        binary = [(bit, 1) for bit in range(constant.bit_length()) if constant >> bit & 1]
        digits = binary if len(binary) <= len(signed) else signed
        found = self.wire(fmt, value.name)
        terms = [f"{'+' if digit > 0 else '-'} ({found.name} <<< {bit})" for bit, digit in reversed(digits)]
        return self.wire(fmt, " ".join(terms).removeprefix("+ "))

    def convert(self, value: Value, to: FixedFormat) -> Value:
        """Rounded half to even and saturated."""
        shift = value.fmt.frac - to.frac
        if shift <= 0:
            wide = self.wire(FixedFormat(value.bits - shift, to.frac), value.name)
            return self.clip(self.wire(wide.fmt, f"{wide.name} <<< {-shift}"), to)
        x = self.wire(FixedFormat(max(value.bits, shift + 1) + 1, value.fmt.frac), value.name)
        rest = f" | (|{x.name}[{shift - 2}:0])" if shift > 1 else ""
        up = f"{x.name}[{shift - 1}] & ({x.name}[{shift}]{rest})"
        fmt = FixedFormat(x.bits - shift, to.frac)
        return self.clip(self.wire(fmt, f"$signed({x.name}[{x.bits - 1}:{shift}]) + $signed({{1'b0, {up}}})"), to)

    def clip(self, value: Value, to: FixedFormat) -> Value:
        """Saturated, by the bits above those that stay."""
        x, top, kept = value.name, value.bits - 1, to.bits - to.signed
        result = Value(self.fresh(), to)
        if top <= kept and to.signed:
            return self.wire(to, x)
        above = f"{x}[{top - 1}:{kept}]" if top > kept else "1'b0"
        low, high = (f"{x}[{top}] & ~(&{above})" if to.signed else f"{x}[{top}]"), f"~{x}[{top}] & (|{above})"
        zero = "" if to.signed else "1'b0, "
        same = f"{{{zero}{x}[{to.bits - 1}:0]}}"
        self.lines += [
            f"    wire signed [{result.bits - 1}:0] {result.name} = {low} ? {to.min_raw} : {high} ? {to.max_raw} :"
            f" $signed({same});"
        ]
        return result

    def table(self, name: str, index: str, values: Integers, bits: int) -> str:
        """An entry of a ROM of LUTs."""
        cases = " ".join(f"{place}: {name} = {value};" for place, value in enumerate(values.tolist()))
        self.lines += [
            f"    reg signed [{bits - 1}:0] {name};",
            f"    always @* case ({index}) {cases} default: {name} = 0; endcase",
        ]
        return name

    def memory(self, name: str, words: int, bits: int, values: Any = ()) -> str:
        """An array, with its contents."""
        held = " ".join(f"{name}[{place}] = {value};" for place, value in enumerate(values))
        self.lines.append(f"    reg signed [{bits - 1}:0] {name} [0:{words - 1}];")
        if held:
            self.lines.append(f"    initial begin {held} end")
        return name


def hard_sigmoid(module: Module, total: Value, gate: FixedFormat) -> Value:
    """clip((s + 1) / 2, 0, 1) of a sum that has the 1."""
    return module.convert(Value(total.name, FixedFormat(total.fmt.bits, total.fmt.frac + 1)), gate)


def gru_cell(formats: tuple[FixedFormat, FixedFormat, FixedFormat], gate: FixedFormat, state: FixedFormat) -> Module:
    """One cell from its four sums and its old state."""
    module = Module()
    update, reset = (module.input(name, formats[0]) for name in ("update", "reset"))
    own, recurrent = module.input("own", formats[1]), module.input("recurrent", formats[2])
    old = module.input("old", state)
    z, r = hard_sigmoid(module, update, gate), hard_sigmoid(module, reset, gate)
    candidate = module.convert(module.add(own, module.multiply(r, recurrent)), state)
    blend = module.multiply(z, module.add(old, candidate, "-"))
    module.output("state", module.convert(module.add(candidate, blend), state))
    return module


def lstm_cell(gates: FixedFormat, sums: FixedFormat, node: Any) -> Module:
    """One cell from its four sums and its old carry."""
    module, gate, state = Module(), node.gate_fmt, node.fmt
    admit, forget, give = (
        hard_sigmoid(module, module.input(name, gates), gate) for name in ("admit", "forget", "give")
    )
    candidate = module.convert(module.input("candidate", sums), node.candidate_fmt)
    old = module.input("old", state)
    total = module.add(module.multiply(forget, old), module.multiply(admit, candidate))
    module.output("carry", module.convert(total, state))
    squashed = module.convert(total, node.candidate_fmt)
    module.output("state", module.convert(module.multiply(give, squashed), state))
    return module


def quantizer(source: FixedFormat, to: FixedFormat, channels: int) -> Module:
    """Rounding and saturation of every channel."""
    module = Module()
    for channel in range(channels):
        module.output(f"y{channel}", module.convert(module.input(f"x{channel}", source), to))
    return module


def sums(formats: list[FixedFormat], channels: int) -> Module:
    """The sum of two branches."""
    module = Module()
    for channel in range(channels):
        a, b = (module.input(f"x{channel}_{place}", fmt) for place, fmt in enumerate(formats))
        module.output(f"y{channel}", module.add(a, b))
    return module


def products(formats: list[FixedFormat], channels: int) -> Module:
    """The product of two branches."""
    module = Module()
    for channel in range(channels):
        a, b = (module.register(module.input(f"x{channel}_{place}", fmt)) for place, fmt in enumerate(formats))
        module.output(f"y{channel}", module.multiply(a, b))
    return module


def tables(values: Integers, source: FixedFormat, to: FixedFormat, channels: int, in_bram: bool) -> Module:
    """A function of each channel: a ROM of LUTs each, or a block RAM for two."""
    module = Module()
    for channel in range(channels):
        module.ports += [f"input [{source.bits - 1}:0] x{channel}", f"output reg [{to.bits - 1}:0] y{channel}"]
        if in_bram:
            if channel % 2 == 0:
                module.lines.append('    (* rom_style = "block" *)')
                module.memory(f"rom{channel // 2}", len(values), to.bits, values.tolist())
            entry = f"rom{channel // 2}[x{channel}]"
        else:
            entry = module.table(f"entry{channel}", f"x{channel}", values, to.bits)
        module.lines.append(f"    always @(posedge clk) y{channel} <= {entry};")
    return module


def means_in_turn(source: FixedFormat, total: FixedFormat, factor: int, to: FixedFormat, channels: int) -> Module:
    """Sums of samples that come one after another, times a constant."""
    module = Module()
    first = module.flag("first")
    for channel in range(channels):
        x, name = module.input(f"x{channel}", source), f"sum{channel}"
        module.lines += [
            f"    reg signed [{total.bits - 1}:0] {name};",
            f"    always @(posedge clk) {name} <= ({first} ? 0 : {name}) + {x.name};",
        ]
        module.output(f"y{channel}", module.scale(Value(name, total), factor, to))
    return module


def window(module: Module, windows: Windows, source: FixedFormat, channels: int) -> list[list[Value]]:
    """What windows cover, by channel: rows of registers, and what lies between two of them."""
    step, found = module.flag("step"), []
    if windows.in_memory:
        module.flag("place", windows.line.bit_length())
    for channel in range(channels):
        value, kept = module.input(f"x{channel}", source), []
        for row in range(windows.taps[0]):
            if row and windows.line:
                value = (_in_memory if windows.in_memory else _in_shifts)(module, value, windows.line)
            for _ in range(windows.reach[1]):
                value = module.register(value, step)
                kept.append(value)
        found.append(kept)
    return found


def _in_memory(module: Module, value: Value, length: int) -> Value:
    name, kept = module.fresh(), Value(f"{module.fresh()}_out", value.fmt)
    module.lines.append('    (* ram_style = "block" *)')
    module.memory(name, length, value.bits)
    module.lines += [
        f"    reg signed [{value.bits - 1}:0] {kept.name};",
        f"    always @(posedge clk) if (step) begin {kept.name} <= {name}[place]; {name}[place] <= {value.name}; end",
    ]
    return kept


def _in_shifts(module: Module, value: Value, length: int) -> Value:
    name, later = module.fresh(), "" if length == 1 else f"[{length - 2}:0]"
    for bit in range(value.fmt.bits):
        line, before = f"{name}_{bit}", f"{value.name}[{bit}]"
        moved = before if length == 1 else f"{{{line}{later}, {before}}}"
        module.lines += [
            f"    reg [{length - 1}:0] {line};",
            f"    always @(posedge clk) if (step) {line} <= {moved};",
        ]
    last = [f"{name}_{bit}[{length - 1}]" for bit in reversed(range(value.fmt.bits))]
    return module.wire(value.fmt, f"$signed({{{', '.join(last)}}})")


def windowed(windows: Windows, source: FixedFormat, channels: int) -> Module:
    """The windows alone."""
    module = Module()
    for channel, kept in enumerate(window(module, windows, source, channels)):
        for place, value in enumerate(kept):
            module.ports.append(f"output [{source.bits - 1}:0] y{channel}_{place}")
            module.lines.append(f"    assign y{channel}_{place} = {value.name};")
    return module


def maxima(windows: Windows, source: FixedFormat, channels: int) -> Module:
    """The largest of each window."""
    module = Module()
    for channel, kept in enumerate(window(module, windows, source, channels)):
        values = kept
        while len(values) > 1:
            pairs = [
                module.wire(source, f"{a.name} > {b.name} ? {a.name} : {b.name}")
                for a, b in zip(values[::2], values[1::2], strict=False)
            ]
            values = pairs + values[2 * len(pairs) :]
        module.output(f"y{channel}", values[0])
    return module


def means_of_windows(
    windows: Windows, source: FixedFormat, total: FixedFormat, factors: Integers, factor_fmt: FixedFormat, channels: int
) -> Module:
    """The sum of each window times its own reciprocal."""
    module = Module()
    number = module.flag("number", max(len(factors) - 1, 1).bit_length())
    factor = module.wire(factor_fmt, module.table("factor", number, factors, factor_fmt.bits + 1))
    for channel, kept in enumerate(window(module, windows, source, channels)):
        module.output(f"y{channel}", module.multiply(module.total(kept, total), factor))
    return module


def frames(count: int, source: FixedFormat, channels: int, chosen: bool) -> Module:
    """A frame that is written, then read: all channels of an element, or one."""
    module = Module()
    for name in ("to", "place"):
        module.flag(name, (count - 1).bit_length())
    write, read = module.flag("write"), []
    for channel in range(channels):
        name = f"frame{channel}"
        x = module.input(f"x{channel}", source)
        module.lines.append('    (* ram_style = "block" *)')
        module.memory(name, count, source.bits)
        module.lines += [
            f"    reg signed [{source.bits - 1}:0] read{channel};",
            f"    always @(posedge clk) begin if ({write}) {name}[to] <= {x.name}; read{channel} <= {name}[place]; end",
        ]
        read.append(Value(f"read{channel}", source))
    if not chosen:
        for channel, value in enumerate(read):
            module.output(f"y{channel}", value)
        return module
    which, names = module.flag("which", (channels - 1).bit_length()), [value.name for value in read]
    level = 0
    while len(names) > 1:
        pairs = [f"({which}[{level}] ? {b} : {a})" for a, b in zip(names[::2], names[1::2], strict=False)]
        names, level = pairs + names[2 * len(pairs) :], level + 1
    module.output("y", module.wire(source, names[0]))
    return module
