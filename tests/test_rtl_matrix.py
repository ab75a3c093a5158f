"""Constant matrices in Verilog against numpy: parallel with every cut, digit-serial with every digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.adders import Adder, AdderGraph, Output, build_graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.matrix import Matrix, signed_width
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.blocks.serial_plan import word_bits
from hw_amc.rtl.sums import Sum, SumGraph, Term, sums_of
from hw_amc.rtl.verilog import packed
from hw_amc.tools import run

BENCH = """
module bench;
    reg clk = 0;
    always #5 clk = ~clk;
    reg [{x_bits}-1:0] vectors [0:{count}-1];
    integer cycle = 0;
    wire start = cycle % {period} == 0 && cycle / {period} < {count};
    wire [{x_bits}-1:0] x = start ? vectors[cycle / {period}] : {{{x_bits}{{1'bx}}}};
    wire [{y_bits}-1:0] y;
    dut dut (.clk(clk), {start} .x(x), .y(y));
    initial $readmemh("vectors.hex", vectors);
    always @(posedge clk) begin
        cycle <= cycle + 1;
        if (cycle >= {depth} && (cycle - {depth}) % {period} == {late}) $display("%h", y);
        if (cycle == {depth} + {period} * {count} - 1) $finish;
    end
endmodule
"""

#: The vendor's LUT with two outputs, flip-flop and carry cells, from their definitions (UG953, UG974).
CELLS = """
module LUT6_2 #(parameter [63:0] INIT = 0) (input I0, I1, I2, I3, I4, I5, output O5, O6);
    assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
    assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule
module FDRE #(parameter INIT = 0) (input C, CE, R, D, output reg Q = INIT);
    always @(posedge C) if (R) Q <= 0; else if (CE) Q <= D;
endmodule
module CARRY4 (input CI, CYINIT, input [3:0] DI, S, output [3:0] O, CO);
    assign CO[0] = S[0] ? CI | CYINIT : DI[0];
    assign CO[3:1] = (S[3:1] & CO[2:0]) | (~S[3:1] & DI[3:1]);
    assign O = S ^ {CO[2:0], CI | CYINIT};
endmodule
module CARRY8 #(parameter CARRY_TYPE = "SINGLE_CY8") (input CI, CI_TOP, input [7:0] DI, S, output [7:0] O, CO);
    assign CO = (S & {CO[6:0], CI}) | (~S & DI);
    assign O = S ^ {CO[6:0], CI};
endmodule
"""
#: Forms of a matrix: macros that choose them.
XILINX, ULTRASCALE, STATEMENTS = ("AMC_XILINX",), ("AMC_XILINX", "AMC_CARRY8"), ("AMC_SIMULATION",)


def _products(graph: SumGraph, x: Any) -> Any:
    """What the sums' linear forms say of x."""
    columns = []
    for out in graph.outputs:
        form = np.zeros(len(graph.inputs), np.int64) if out.node is None else graph.coefficients[out.node]
        columns.append(x @ form << out.shift if out.shift >= 0 else x @ form >> -out.shift)
    return np.stack(columns, axis=1)


def _check(
    matrix: Any, x: Any, formats: Any, folder: Path, period: Any, late: int = 0, form: tuple[str, ...] = ()
) -> None:
    """Feed a vector every `period` cycles; read `late` cycles after the outputs stand. `form`: macros."""
    rows = []
    for vector in x:
        word, position = 0, 0
        for value, fmt in zip(vector, formats, strict=True):
            word |= (int(value) & ((1 << fmt.bits) - 1)) << position
            position += fmt.bits
        rows.append(f"{word:x}")
    for name, text in matrix.files().items():
        (folder / name).write_text(text)
    (folder / "vectors.hex").write_text("\n".join(rows) + "\n")
    serial = isinstance(matrix, SerialMatrix)
    bench = BENCH.format(
        x_bits=sum(fmt.bits for fmt in formats),
        y_bits=sum(matrix.widths),
        count=len(x),
        period=period,
        depth=matrix.depth,
        late=late,
        start=".start(start)," if serial else "",
    )
    (folder / "bench.v").write_text(bench)
    extra = [f"-D{macro}" for macro in form]
    if "AMC_XILINX" in form:
        (folder / "cells.v").write_text(CELLS)
        extra.append("cells.v")
    run(["iverilog", "-g2005", "-o", "sim", *extra, "bench.v", *matrix.files()], folder)
    lines = run(["vvp", "-n", "sim"], folder, timeout_s=120).split()
    width = matrix.widths[0]
    want = [packed((int(v) for v in row), width).split("h")[1] for row in _products(matrix.graph, x)]
    assert [line.lstrip("0") or "0" for line in lines] == want


def _case(seed: int, ternary: bool = False, shape: Any = (5, 7), sparsity: float = 0.4) -> Any:
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random(shape) < sparsity, 0, rng.integers(-128, 128, shape))
    weights[:, 1], weights[2] = 0, 0
    weights[0, 3:] <<= 3
    formats = [FixedFormat(8, 0), FixedFormat(3, 0), FixedFormat(5, 0, signed=False)] * 2
    formats = formats[: shape[0]]
    x = np.stack([rng.integers(fmt.min_raw, fmt.max_raw + 1, 12) for fmt in formats], axis=1)
    x[0], x[1] = [fmt.min_raw for fmt in formats], [fmt.max_raw for fmt in formats]
    graph = sums_of(build_graph(weights, formats), ternary)
    assert graph.ternary == ternary
    np.testing.assert_array_equal(_products(graph, x), x @ weights)
    return graph, x, formats, (signed_width(graph, range(shape[1])),) * shape[1]


@pytest.mark.cosim
@pytest.mark.parametrize("form", [(), XILINX, ULTRASCALE])
@pytest.mark.parametrize("ternary", [False, True])
@pytest.mark.parametrize("cut", [1, 2, 5])
def test_parallel(cut: int, ternary: bool, form: tuple[str, ...], tmp_path: Path) -> None:
    graph, x, formats, widths = _case(cut, ternary)
    _check(Matrix("dut", graph, widths, cut), x, formats, tmp_path, 1, form=form)


@pytest.mark.cosim
@pytest.mark.parametrize("form", [(), XILINX, ULTRASCALE, STATEMENTS])
@pytest.mark.parametrize("ternary", [False, True])
@pytest.mark.parametrize("digit", [1, 2, 3, 4, 5, 7, 9])
def test_serial(digit: int, ternary: bool, form: tuple[str, ...], tmp_path: Path) -> None:
    """The form for any tool, the cells that synthesis for Xilinx gets, and the statements that Icarus gets."""
    graph, x, formats, widths = _case(digit, ternary)
    cycles = -(-word_bits(graph) // digit)
    assert any(one.negatives for one in graph.sums)
    matrix = SerialMatrix("dut", graph, widths, cycles)
    assert matrix.digits == cycles
    _check(matrix, x, formats, tmp_path, cycles, form=form)


@pytest.mark.cosim
@pytest.mark.parametrize("late", [0, 6])
def test_serial_with_cycles_to_spare(late: int, tmp_path: Path) -> None:
    """Outputs stand for the whole step, however long it is."""
    graph, x, formats, widths = _case(9, ternary=bool(late))
    matrix = SerialMatrix("dut", graph, widths, word_bits(graph) // 2)
    _check(matrix, x, formats, tmp_path, matrix.digits + 3, late)


@pytest.mark.cosim
@pytest.mark.parametrize("cycles", [1, 4])
def test_zero_matrix(cycles: int, tmp_path: Path) -> None:
    formats = [FixedFormat(8, 0)] * 3
    graph = sums_of(build_graph(np.zeros((3, 4), np.int64), formats), ternary=True)
    x = np.ones((5, 3), np.int64)
    matrix = Matrix("dut", graph, (2,) * 4) if cycles == 1 else SerialMatrix("dut", graph, (2,) * 4, cycles)
    _check(matrix, x, formats, tmp_path, cycles)


@pytest.mark.cosim
@pytest.mark.parametrize("fmt", [FixedFormat(1, 0, signed=False), FixedFormat(2, 0)])
@pytest.mark.parametrize("weight", [1, 3, -1, -2, -3, 7, -6, 12])
def test_results_narrower_than_a_shift(fmt: Any, weight: int, tmp_path: Path) -> None:
    """3 x of one bit is (x << 2) - x in two bits."""
    graph = sums_of(build_graph(np.array([[weight]]), [fmt]), ternary=False)
    widths = (signed_width(graph, range(1)),)
    x = np.array([[value] for value in range(fmt.min_raw, fmt.max_raw + 1)] * 2)
    _check(Matrix("dut", graph, widths), x, [fmt], tmp_path, 1)
    cycles = word_bits(graph)
    _check(SerialMatrix("dut", graph, widths, cycles), x, [fmt], tmp_path, cycles)


@pytest.mark.cosim
@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_an_operand_whose_bits_all_lie_above_the_result(cycles: int, tmp_path: Path) -> None:
    """A sum may cancel what made its operands wide: (x - 8 y) + (y << 3) and (8 y - x) - (y << 3), in 3 bits."""
    formats = [FixedFormat(3, 0), FixedFormat(2, 0)]
    adders = (
        Adder(0, 0, 1, 3, True),
        Adder(2, 0, 1, 3, False),
        Adder(1, 3, 0, 0, True),
        Adder(4, 0, 1, 3, True),
        Adder(1, 3, 2, 0, False),
    )
    graph = sums_of(AdderGraph(tuple(formats), adders, (Output(3), Output(5), Output(6))), ternary=False)
    assert [graph.formats[node].bits for node in (3, 5, 6)] == [3, 4, 3]
    x = np.array([(a, b) for a in range(-4, 4) for b in range(-2, 2)])
    matrix = Matrix("dut", graph, (4,) * 3) if cycles == 1 else SerialMatrix("dut", graph, (4,) * 3, cycles)
    _check(matrix, x, formats, tmp_path, cycles)


@pytest.mark.cosim
@pytest.mark.parametrize("form", [(), XILINX, ULTRASCALE])
@pytest.mark.parametrize("cycles", [1, 2, 4])
def test_three_terms_of_every_sign_and_shift(cycles: int, form: tuple[str, ...], tmp_path: Path) -> None:
    """The lowest bits may be of one term, of two, or of one that is subtracted; a term may lie above the result."""
    formats = [FixedFormat(3, 0), FixedFormat(4, 0, signed=False), FixedFormat(2, 0)]
    sums, shifts = list[Sum](), ((0, 0, 0), (0, 2, 1), (3, 0, 2), (1, 2, 0), (0, 9, 3), (0, 0, 5))
    for shift in shifts:
        for negative in ((False, False, False), (False, True, False), (True, False, True), (False, True, True)):
            terms = (Term(node, bits, sign) for node, bits, sign in zip((0, 1, 2), shift, negative, strict=True))
            sums.append(Sum(tuple(sorted(terms, key=lambda term: term.negative))))
    # One whose result is narrower than what it is made of: x0 + (x1 << 9) + (x2 << 3) - (x1 << 9) - (x2 << 3).
    sums.append(Sum((Term(3 + 4 * 4, 0), Term(1, 9, True), Term(2, 3, True))))
    graph = SumGraph(tuple(formats), tuple(sums), tuple(Output(3 + index) for index in range(len(sums))))
    assert graph.formats[-1] == formats[0]
    x = np.array([(a, b, c) for a in (-4, -1, 3) for b in (0, 7, 15) for c in (-2, -1, 0, 1)])
    widths = (signed_width(graph, range(len(sums))),) * len(sums)
    matrix = Matrix("dut", graph, widths) if cycles == 1 else SerialMatrix("dut", graph, widths, cycles)
    _check(matrix, x, formats, tmp_path, cycles, form=form)
    np.testing.assert_array_equal(graph.model(x), _products(graph, x))


def test_sums_of_three_terms_save_most_luts() -> None:
    """A chain of four adders, each read by the next alone: the pairs that save most are found, and nothing else."""
    formats = (FixedFormat(8, 0),) * 5
    adders = (Adder(0, 0, 1, 0, False), Adder(5, 0, 2, 0, True), Adder(3, 1, 6, 0, True), Adder(7, 0, 4, 4, False))
    graph = AdderGraph(formats, adders, (Output(8),))
    found = sums_of(graph, ternary=True)
    assert [len(one.terms) for one in found.sums] == [3, 3]
    assert found.sums[0] == Sum((Term(0, 0), Term(1, 0), Term(2, 0, True)))
    assert found.sums[1] == Sum((Term(3, 1), Term(4, 4), Term(5, 0, True)))
    shared = AdderGraph(formats, adders, (Output(8), Output(5), Output(6), Output(7)))
    assert sums_of(shared, ternary=True) == sums_of(shared, ternary=False)
