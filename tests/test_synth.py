from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import gru_cnn_graph
from rich.console import Console

from hw_amc import report
from hw_amc.adders import build_graph
from hw_amc.config import BoardSettings, Budget, RtlSettings
from hw_amc.errors import ToolFailed
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl import build_core
from hw_amc.rtl.blocks.matrix import Matrix, signed_width
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.shell.accelerator import SHELL_COST
from hw_amc.rtl.sums import sums_of
from hw_amc.sources import Sources
from hw_amc.synth import yosys as synth


def test_statistics_are_parsed() -> None:
    text = 'log line\n{"modules": {"\\\\top": {"num_cells_by_type": {"LUT4": 3, "RAM32M": 2, "FDRE": 7}}}}\n'
    assert synth.parse_cells(text, "top") == {"LUT4": 3, "RAM32M": 2, "FDRE": 7}
    modules = {"top": {"lane": 2, "LUT4": 1}, "\\lane": {"LUT4": 5}}
    lanes = json.dumps({"modules": {name: {"num_cells_by_type": cells} for name, cells in modules.items()}})
    assert synth.parse_cells(lanes, "top") == {"LUT4": 11}
    with pytest.raises(ToolFailed, match="no module 'other'"):
        synth.parse_cells(text, "other")


def test_blocks_and_repeated_modules_are_counted_apart(tmp_path: Path) -> None:
    lines = [
        "module add (input clk, input [7:0] a, output reg [7:0] q); always @(posedge clk) q <= q + a; endmodule",
        "module bit1 (input clk, a, output reg q); always @(posedge clk) q <= a; endmodule",
        "module core (input clk, input [7:0] a, output [7:0] q, output r);",
        "  add sum_unit (clk, a, q); bit1 last (clk, a[0], r);",
        "endmodule",
        "module top (input clk, input [7:0] a, output reg [7:0] q, output r);",
        "  wire [7:0] s; core core (clk, a, s, r); always @(posedge clk) q <= s;",
        "endmodule",
    ]
    project = Sources({"top.v": "\n".join(lines)})
    found = synth.run(project, "top", tmp_path / "blocks", blocks_of="core")
    flip_flops = {name: synth.count_resources(cells)["ff"] for name, cells in found.blocks.items()}
    assert flip_flops == {"core.sum_unit": 8, "core.last": 1}
    assert found.ff == 17
    assert found.arrival_ns is None
    # Nothing is lost where one module stands for all its copies.
    assert synth.run(project, "top", tmp_path / "once", repeated="core").ff == 17


@pytest.mark.slow
@pytest.mark.parametrize("ternary", [False, True])
@pytest.mark.parametrize("cycles", [1, 6])
def test_estimate_is_near_the_synthesised(cycles: int, ternary: bool, tmp_path: Path) -> None:
    """A matrix' LUTs and carry cells, as estimated and as Yosys counts them."""
    rng = np.random.default_rng(4)
    weights = np.where(rng.random((10, 16)) < 0.6, 0, rng.integers(-128, 128, (10, 16)))
    graph = sums_of(build_graph(weights, [FixedFormat(8, 0)] * 10), ternary)
    widths = (signed_width(graph, range(16)),) * 16
    matrix = Matrix("dut", graph, widths) if cycles == 1 else SerialMatrix("dut", graph, widths, cycles)
    found = synth.run(Sources(matrix.files()), "dut", tmp_path)
    cost = matrix.cost()
    assert found.dsp == 0
    # A register, a LUT or a short carry chain, a register.
    assert 0.43 < found.arrival_ns < 2.5
    assert 0.85 < found.lut / cost.lut < 1.15
    assert 0.8 < found.ff / cost.ff < 1.25
    if cycles > 1:  # chains in sums of three terms alone
        assert found.carry == cost.carry
        assert (found.carry > 0) == ternary


def test_section_follows_the_schema(tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(0))
    core = build_core(graph, RtlSettings(cycles_per_step=6), cache=tmp_path / "cache")
    budget = Budget(lut=5000, ff=10000, dsp=20, bram36=10, carry=1000)
    board = BoardSettings(name="b", part="xc7test", ps="zynq7", clock_mhz=100.0, budget=budget)
    found = synth.Synthesis(core.name, "xc7", 2500, 5000, 4, 0.5, 100, 2.3, {})
    section = synth.section(found, core, board, "hw-amc synth m")
    assert section["percent"] == {"lut": 50.0, "ff": 50.0, "dsp": 20.0, "bram36": 5.0, "carry": 10.0}
    assert section["estimated"]["lut"] == round(sum(cost.lut for cost in core.costs.values()) + SHELL_COST.lut)
    assert section["frames_per_s"] == 100e6 / core.cycles_per_frame
    # What is in no block is the shell.
    apart = {"core.gru_matrix": {"LUT4": 7}, "core.gru_unit": {"FDRE": 5}, "core.conv1_relu_round": {"LUT6": 2}}
    counted = replace(found, cells={"LUT4": 10, "LUT6": 2, "FDRE": 9}, blocks=apart)
    blocks = {row["name"]: row for row in synth.section(counted, core, board, "hw-amc synth m --blocks")["blocks"]}
    assert [(blocks[name]["lut"], blocks[name]["ff"]) for name in ("gru", "conv1_relu", "shell")] == [
        (7, 5),
        (2, 0),
        (3, 4),
    ]
    assert blocks["gru"]["estimated_lut"] == round(core.costs["gru"].lut)
    report.merge(
        tmp_path,
        {"synth": {"b": synth.section(counted, core, board, "hw-amc synth m --blocks")}},
        network=graph.digest(),
    )
    said = io.StringIO()
    report.print_synthesis(Console(file=said), report.load(tmp_path)["synth"]["b"])
    assert "longest path through cells, without wires: 2.3 ns (estimated)" in said.getvalue()
    # A CARRY8 of UltraScale+ holds two CARRY4.
    larger = board.model_copy(update={"ps": "zynqmp"})
    assert synth.section(found, core, larger, "hw-amc synth m")["percent"]["carry"] == 5.0
    report.merge(tmp_path, {"synth": {"b": section}}, network=graph.digest())
    assert report.load(tmp_path)["synth"]["b"]["lut"] == 2500


def test_what_a_killed_yosys_leaves_goes_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(args: object, cwd: Path, env: dict[str, str], log: Path) -> str:
        (Path(env["TMPDIR"]) / "yosys-abc-1").mkdir()
        raise ToolFailed("yosys was ended by SIGTERM")

    monkeypatch.setattr("hw_amc.synth.yosys.tools.run", killed)
    with pytest.raises(ToolFailed):
        synth.run_yosys(Sources({"a.v": "module a; endmodule\n"}), tmp_path, ["stat"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.v", "synth.ys"]


def test_counts_are_kept_where_a_cell_has_no_known_delays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(path: Path, top: str, delays: object) -> None:
        raise ToolFailed("no delays are known for the cell RAM32X1D")

    monkeypatch.setattr("hw_amc.synth.yosys.load_longest_path", unknown)
    project = Sources({"a.v": "module a (input clk, d, output reg q); always @(posedge clk) q <= d; endmodule\n"})
    with pytest.warns(
        UserWarning, match="the longest path of a is not known: no delays are known for the cell RAM32X1D"
    ):
        found = synth.run(project, "a", tmp_path)
    assert (found.ff, found.arrival_ns) == (1, None)
