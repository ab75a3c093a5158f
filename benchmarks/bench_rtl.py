"""Our matrix against the usual ones, by Yosys in one run: python benchmarks/bench_rtl.py MODEL [--units N] [--dsps N].

All rows of the table are the same matrix, that of the model's GRU (or of its first units): each is simulated by Icarus
against numpy, and synthesised for 7 series with the same commands.

- sum of products: every output is written as one sum of products with constants, between registers; in logic (a plain
  author's Verilog: what is shared is what the tool finds).
- folded: multiply-accumulate units, one DSP block each. A unit works off the nonzero weights of its columns, one a
  cycle, the longest columns dealt first. The vector lies in a LUT RAM of each unit; the cycles that fill it are not
  counted.
- ours: the adder graph at R = 1, and digit-serial.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hw_amc import graph as ir
from hw_amc import tools
from hw_amc.adders import build_graph
from hw_amc.cache import default_root
from hw_amc.errors import Mismatch
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.gru import gru_matrix
from hw_amc.rtl.blocks.matrix import Matrix, signed_width
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.sums import SumGraph, sums_of
from hw_amc.rtl.verilog import constant, packed
from hw_amc.sources import Sources
from hw_amc.synth import yosys as synth
from hw_amc.workspace import Workspace

Weights = NDArray[np.int64]

BENCH = """
module bench;
    reg clk = 0;
    always #5 clk = ~clk;
    reg [{x_bits}-1:0] vectors [0:{count}-1];
    reg [{x_bits}-1:0] x;
    reg start = 0;
    integer i, j;
    wire [{y_bits}-1:0] y;
    {load_regs}
    dut dut (.clk(clk), {pins}, .y(y));
    initial begin
        $readmemh("vectors.hex", vectors);
        for (i = 0; i < {count}; i = i + 1) begin
            x = vectors[i];
            {load}
            @(negedge clk) start = 1;
            @(negedge clk) start = 0;
            for (j = 0; j < {wait_cycles}; j = j + 1) @(negedge clk);
            $display("%h", y);
        end
        $finish;
    end
endmodule
"""
#: The folded units take the vector row by row.
LOAD = """for (j = 0; j < {rows}; j = j + 1) begin
                load = 1; row = j; value = x[j*{bits} +: {bits}]; @(negedge clk);
            end
            load = 0;"""


@dataclass(frozen=True)
class Design:
    """One way to compute the matrix."""

    name: str
    files: dict[str, str]
    #: Cycles from one vector to the next, and at most from a start to its outputs.
    cycles: int
    latency: int
    #: The vector is loaded row by row.
    loaded: bool = False


def sum_of_products(weights: Weights, bits: int, widths: tuple[int, ...]) -> Design:
    """Each output one expression between two registers."""
    rows = len(weights)
    text = [f"module dut (input clk, input [{rows * bits - 1}:0] x, output reg [{sum(widths) - 1}:0] y);\n"]
    text.append(f"    reg [{rows * bits - 1}:0] taken;\n    always @(posedge clk) taken <= x;\n")
    text += [f"    wire signed [{bits - 1}:0] x{row} = taken[{row * bits} +: {bits}];\n" for row in range(rows)]
    position = 0
    for column, width in enumerate(widths):
        terms = [f"x{row} * {_signed(int(w), bits)}" for row, w in enumerate(weights[:, column]) if w]
        text.append(f"    wire signed [{width - 1}:0] s{column} = {' + '.join(terms) or 0};\n")
        text.append(f"    always @(posedge clk) y[{position} +: {width}] <= s{column};\n")
        position += width
    return Design("sum of products", {"dut.v": "".join([*text, "endmodule\n"])}, 1, 2)


def _signed(weight: int, bits: int) -> str:
    width = max(bits, abs(weight).bit_length() + 1)
    return f"-{width}'sd{-weight}" if weight < 0 else f"{width}'sd{weight}"


def deal(weights: Weights, units: int) -> list[list[int]]:
    """Columns of each unit: the longest first, always to the unit with the least work."""
    work = (weights != 0).sum(axis=0)
    dealt: list[list[int]] = [[] for _ in range(units)]
    loads = np.zeros(units, np.int64)
    for column in np.argsort(-work, kind="stable"):
        if work[column]:
            unit = int(loads.argmin())
            dealt[unit].append(int(column))
            loads[unit] += work[column]
    return [columns for columns in dealt if columns]


def folded(weights: Weights, bits: int, widths: tuple[int, ...], units: int) -> Design:
    """Multiply-accumulate units with zero skipping."""
    rows = weights.shape[0]
    address = max((rows - 1).bit_length(), 1)
    dealt = deal(weights, units)
    steps = max(int((weights[:, columns] != 0).sum()) for columns in dealt)
    count = max(steps.bit_length(), 1)
    starts = np.concatenate([[0], np.cumsum(widths)])
    weight_bits = int(max(abs(weights.min()), weights.max())).bit_length() + 1
    text = [
        f"module dut (input clk, input start, input load, input [{address - 1}:0] row, input [{bits - 1}:0] value,\n",
        f"            output reg [{sum(widths) - 1}:0] y);\n",
        f"    reg [{count - 1}:0] step;\n    reg run;\n    always @(posedge clk) begin\n",
        f"        run <= start | (run & step != {steps - 1});\n",
        f"        step <= start ? {count}'d0 : step + 1'b1;\n    end\n",
    ]
    for unit, columns in enumerate(dealt):
        text.append(_unit(unit, columns, weights, (bits, address, count, weight_bits), max(widths)))
        for index, column in enumerate(columns):
            low, width = int(starts[column]), widths[column]
            text.append(f"    always @(posedge clk) if (u{unit}_done & u{unit}_column_4 == {index})")
            text.append(f" y[{low} +: {width}] <= u{unit}_sum[{width - 1}:0];\n")
    empty = [column for column in range(weights.shape[1]) if not weights[:, column].any()]
    text += [f"    always @(posedge clk) y[{int(starts[c])} +: {widths[c]}] <= {widths[c]}'d0;\n" for c in empty]
    return Design(f"folded, {len(dealt)} DSPs", {"dut.v": "".join([*text, "endmodule\n"])}, steps, steps + 8, True)


def _unit(unit: int, columns: list[int], weights: Weights, shape: tuple[int, int, int, int], width: int) -> str:
    """Vector, program (row, weight, first, last, column of each step), multiplier and accumulator of a unit."""
    bits, address, count, weight_bits = shape
    pick = max((len(columns) - 1).bit_length(), 1)
    program = []
    for index, column in enumerate(columns):
        chosen = np.flatnonzero(weights[:, column])
        for place, row in enumerate(chosen):
            first, last = int(place == 0), int(place == len(chosen) - 1)
            fields = (
                (index, pick),
                (last, 1),
                (first, 1),
                (int(weights[row, column]), weight_bits),
                (int(row), address),
            )
            word = 0
            for value, size in fields:
                word = word << size | value & ((1 << size) - 1)
            program.append(word)
    size = pick + 2 + weight_bits + address
    cases = "".join(f"            {count}'d{step}: p = {constant(word, size)};\n" for step, word in enumerate(program))
    u = f"u{unit}"
    return f"""
    (* ram_style = "distributed" *)
    reg [{bits - 1}:0] {u}_x [0:{(1 << address) - 1}];
    reg [{size - 1}:0] {u}_p, {u}_q;
    always @* begin : {u}_program
        reg [{size - 1}:0] p;
        case (step)
{cases}            default: p = {size}'d0;
        endcase
        {u}_p = p;
    end
    reg signed [{bits - 1}:0] {u}_a;
    reg signed [{weight_bits - 1}:0] {u}_b;
    reg signed [{bits + weight_bits - 1}:0] {u}_m;
    reg signed [{width - 1}:0] {u}_sum;
    reg {u}_first_2, {u}_first_3, {u}_last_2, {u}_last_3, {u}_done;
    reg [{pick - 1}:0] {u}_column_2, {u}_column_3, {u}_column_4;
    always @(posedge clk) begin
        if (load) {u}_x[row] <= value;
        {u}_q <= run ? {u}_p : {size}'d0;
        {u}_a <= {u}_x[{u}_q[{address - 1}:0]];
        {u}_b <= {u}_q[{address} +: {weight_bits}];
        {{{u}_column_2, {u}_last_2, {u}_first_2}} <= {u}_q[{size - 1} -: {pick + 2}];
        {u}_m <= {u}_a * {u}_b;
        {{{u}_column_3, {u}_last_3, {u}_first_3}} <= {{{u}_column_2, {u}_last_2, {u}_first_2}};
        {u}_sum <= ({u}_first_3 ? 0 : {u}_sum) + {u}_m;
        {u}_done <= {u}_last_3;
        {u}_column_4 <= {u}_column_3;
    end
"""


def ours(adders: SumGraph, widths: tuple[int, ...], cycles: int) -> Design:
    """The product's matrix at R = `cycles`."""
    matrix = Matrix("dut", adders, widths) if cycles == 1 else SerialMatrix("dut", adders, widths, cycles)
    return Design(f"ours, R = {cycles}", matrix.files(), cycles, matrix.depth + 1)


def check(design: Design, weights: Weights, bits: int, widths: tuple[int, ...], folder: Path) -> None:
    """Simulate a few vectors in Icarus; Mismatch if a single bit differs from numpy."""
    rng = np.random.default_rng(1)
    rows = weights.shape[0]
    x = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (4, rows))
    x[0], x[1] = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    lines = [packed((int(v) for v in vector), bits).split("h")[1] for vector in x]
    (folder / "vectors.hex").write_text("\n".join(lines) + "\n")
    serial = "start" in design.files["dut.v"].split(";")[0]
    registers = f"reg load = 0; reg [{max((rows - 1).bit_length(), 1) - 1}:0] row = 0; reg [{bits - 1}:0] value = 0;"
    pins = ".start(start), .load(load), .row(row), .value(value)" if design.loaded else ".x(x)"
    bench = BENCH.format(
        x_bits=rows * bits, y_bits=sum(widths), count=len(x), wait_cycles=design.latency,
        load_regs=registers if design.loaded else "", load=LOAD.format(rows=rows, bits=bits) if design.loaded else "",
        pins=pins if design.loaded or not serial else f".start(start), {pins}",
    )  # fmt: skip
    (folder / "bench.v").write_text(bench)
    tools.run(["iverilog", "-g2005-sv", "-o", "sim", "bench.v", *design.files], folder)
    found = tools.run(["vvp", "-n", "sim"], folder).split()
    for vector, line in zip(x @ weights, found, strict=True):
        word = 0
        for value, width in reversed(list(zip(vector.tolist(), widths, strict=True))):
            word = word << width | value & ((1 << width) - 1)
        if int(line, 16) != word:
            raise Mismatch(f"{design.name} computes another vector than numpy")


def load_matrix(model: str, units: int | None) -> tuple[Weights, int]:
    """Matrix of the model's GRU, or of its first units, rows h then x; bits of its inputs."""
    graph = Workspace.open(model).load_graph()
    node = next(node for node in graph.nodes if isinstance(node, ir.Gru))
    source = graph[node.inputs[0]].fmt
    full, inputs, kept = gru_matrix(node, source), node.kernel.shape[0], units or node.units
    columns = np.concatenate([np.arange(kept) + part * node.units for part in range(4)])
    rows = np.concatenate([inputs + np.arange(kept), np.arange(inputs)])
    return full[np.ix_(rows, columns)], max(source.bits, node.fmt.bits)


def measure(design: Design, weights: Weights, bits: int, widths: tuple[int, ...]) -> dict[str, object]:
    """Check and synthesise a design; multipliers by constants are kept out of the DSP blocks."""
    with tempfile.TemporaryDirectory() as name:
        folder, project = Path(name), Sources(design.files)
        project.write(folder)
        check(design, weights, bits, widths, folder)
        found = synth.run(project, "dut", folder, options=() if design.loaded else ("-nodsp",))
    return {
        "design": design.name, "cycles": design.cycles, "lut": found.lut, "ff": found.ff, "dsp": found.dsp,
        "carry": found.carry, "arrival_ns": found.arrival_ns,
    }  # fmt: skip


def main() -> None:
    """Build, check, synthesise and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--units", type=int, help="cells of the GRU to keep; all by default")
    parser.add_argument("--dsps", type=int, default=220, help="multiply-accumulate units of the folded design")
    parser.add_argument("--cycles", type=int, default=10, help="R of the digit-serial matrix")
    parser.add_argument("--designs", nargs="+", default=["products", "folded", "parallel", "serial"])
    parser.add_argument("--binary", action="store_true", help="adders of two terms only")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()

    weights, bits = load_matrix(options.model, options.units)
    graph = build_graph(weights, [FixedFormat(bits, 0)] * len(weights), cache=default_root())
    adders = sums_of(graph, ternary=not options.binary)
    widths = (signed_width(adders, range(weights.shape[1])),) * weights.shape[1]
    makers: dict[str, Callable[[], Design]] = {
        "products": lambda: sum_of_products(weights, bits, widths),
        "folded": lambda: folded(weights, bits, widths, options.dsps),
        "parallel": lambda: ours(adders, widths, 1),
        "serial": lambda: ours(adders, widths, options.cycles),
    }
    nonzeros = np.count_nonzero(weights)
    title = (
        f"{weights.shape[0]} x {weights.shape[1]}, {bits} bits, {nonzeros} weights, {1 - nonzeros / weights.size:.0%} 0"
    )
    table = Table("design", "cycles", "LUT", "FF", "DSP", "CARRY4", "longest path, ns", title=title)
    rows = []
    for key in options.designs:
        rows.append(measure(makers[key](), weights, bits, widths))
        table.add_row(*(str(figure) for figure in rows[-1].values()))
    Console().print(table)
    if options.json is not None:
        options.json.write_text(json.dumps({"matrix": title, "designs": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
