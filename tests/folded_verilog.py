"""A shared product written out as Verilog, to count what its selections, ROMs, multipliers and adders take in LUTs.

What is on DSP blocks stands outside, its operands being outputs and its product an input: Yosys would pack additions
into it, which the estimate leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence

from hw_amc.hls.cpp import bits_of
from hw_amc.hls.folding import Multiplier
from hw_amc.hls.product import Product
from hw_amc.sources import Sources

TOP = "product"


def emit(product: Product) -> Sources:
    """One round a cycle; the accumulators are outputs."""
    folding, x_bits, acc = product.folding, product.x_fmt.bits, product.acc_fmt.bits
    r_bits = max((folding.rounds - 1).bit_length(), 1)
    lines, outside, number = [], [], 0
    position = [place for place, length in enumerate(folding.lengths) for _ in range(length)]
    starts = [int(r in folding.starts) for r in range(folding.rounds)]
    lines += _table("position", position, max(max(position).bit_length(), 1)) + _table("start", starts, 1)
    for place, bank in enumerate(folding.banks):
        terms = []
        for each in bank.multipliers:
            on_dsp = product.dsp is None or number < product.dsp
            w_bits = bits_of(each.weights)
            lines += _multiplier(number, each, x_bits, w_bits, on_dsp)
            if on_dsp:
                outside += [
                    f"output signed [{x_bits - 1}:0] tap{number}",
                    f"output reg signed [{w_bits - 1}:0] w{number}",
                    f"input signed [{x_bits + w_bits - 1}:0] p{number}",
                ]
            terms.append(f"p{number}")
            number += 1
        bias = [0 if output is None else int(product.bias[output]) for output in bank.outputs]
        lines += _table(f"bias{place}", bias, acc, "position", signed=True)
        lines += [
            f"    wire signed [{acc - 1}:0] t{place} = {_tree(terms)};",
            f"    always @(posedge clk) s{place} <= (start ? bias{place} : s{place}) + (t{place} <<< {product.shift});",
        ]
    ports = [f"output reg signed [{acc - 1}:0] s{place}" for place in range(len(folding.banks))]
    inputs = [f"input signed [{x_bits - 1}:0] x{i}" for i in range(len(product.matrix))]
    text = [
        f"module {TOP} (input clk, {', '.join([*inputs, *outside, *ports])});",
        f"    reg [{r_bits - 1}:0] r = 0;",
        f"    always @(posedge clk) r <= r == {folding.rounds - 1} ? 0 : r + 1;",
        *lines,
        "endmodule",
    ]
    return Sources({"product.v": "\n".join([*text, ""])})


def _table(
    name: str, values: Sequence[int], bits: int, index: str = "r", signed: bool = False, port: bool = False
) -> list[str]:
    """A constant table by cases."""
    cases = " ".join(f"{place}: {name} = {value};" for place, value in enumerate(values))
    declared = [] if port else [f"    reg {'signed ' if signed else ''}[{bits - 1}:0] {name};"]
    return [*declared, f"    always @* case ({index}) {cases} default: {name} = 0; endcase"]


def _multiplier(number: int, each: Multiplier, x_bits: int, w_bits: int, on_dsp: bool) -> list[str]:
    lines = _table(f"w{number}", each.weights.tolist(), w_bits, signed=True, port=on_dsp)
    pick = "r"
    if len(each.inputs) > 1 and each.picks.tolist() != list(range(len(each.picks))):
        pick = f"pick{number}"
        lines += _table(pick, each.picks.tolist(), max(max(each.picks.tolist()).bit_length(), 1))
    tap = _select([f"x{i}" for i in each.inputs], pick)
    if on_dsp:
        return [*lines, f"    assign tap{number} = {tap};"]
    lines.append(f"    wire signed [{x_bits - 1}:0] tap{number} = {tap};")
    lines.append(f"    wire signed [{x_bits + w_bits - 1}:0] p{number} = tap{number} * w{number};")
    return lines


def _select(values: list[str], index: str) -> str:
    level = 0
    while len(values) > 1:
        pairs = [f"({index}[{level}] ? {b} : {a})" for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[2 * len(pairs) :]
        level += 1
    return values[0]


def _tree(terms: list[str]) -> str:
    found = list(terms) or ["0"]
    while len(found) > 1:
        pairs = [f"({a} + {b})" for a, b in zip(found[::2], found[1::2], strict=False)]
        found = pairs + found[2 * len(pairs) :]
    return found[0]
