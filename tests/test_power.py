"""Toggles of the fast runner against a VCD read by itself, and the arithmetic of the power estimate."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import gru_cnn_graph, random_frames
from shell_farm import BOARD

from hw_amc import tools
from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim import activity
from hw_amc.cosim.activity import Activity, load_saif, measure, traced
from hw_amc.cosim.power import Spent, cycle_fj, frame_uj
from hw_amc.errors import ConfigError, DataError
from hw_amc.flows.power import estimate_power
from hw_amc.flows.rtl import RtlFlow
from hw_amc.interface.words import pack_frames
from hw_amc.parts import FAMILIES, STATIC_W, Energy
from hw_amc.report.power import power_chapters, power_sentence, power_table, rank_table
from hw_amc.rtl import build_core
from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.core import block_of
from hw_amc.rtl.shell.accelerator import Accelerator, build_accelerator
from hw_amc.sources import Sources
from hw_amc.verify.results import golden_logits
from hw_amc.workspace import Workspace

SETTINGS = RtlSettings(cycles_per_step=6, contexts=2)


def small() -> Any:
    """A core that has every kind of block of the lead model, its accelerator, frames and their logits.

    Four classes: with three, idle heads read behind the end of a table, where simulators differ.
    """
    graph = gru_cnn_graph(np.random.default_rng(0), frame_len=8, cells=2, filters=(2, 4), sparsity=0.2)
    core = build_core(graph, SETTINGS)
    accelerator = build_accelerator(graph, core, ProjectSettings(rtl=SETTINGS), BOARD)
    frames = random_frames(np.random.default_rng(5), graph, 6)
    return graph, core, accelerator, frames, golden_logits(graph, frames)


BENCH = """
`timescale 1ns/1ns
module bench;
    reg aclk = 0, aresetn = 0;
    reg [31:0] words [0:{count}-1];
    integer sent = 0, got = 0;
    wire ready, valid;
    {top} dut (
        .aclk(aclk), .aresetn(aresetn), .s_axis_tvalid(aresetn && sent < {count}),
        .s_axis_tdata(words[sent < {count} ? sent : {count} - 1]), .s_axis_tlast(sent >= {count} - 1),
        .s_axis_tready(ready), .m_axis_tvalid(valid), .m_axis_tready(aresetn),
        .s_axi_awaddr(8'd0), .s_axi_awvalid(1'b0), .s_axi_wdata(32'd0), .s_axi_wstrb(4'd0), .s_axi_wvalid(1'b0),
        .s_axi_bready(1'b0), .s_axi_araddr(8'd0), .s_axi_arvalid(1'b0), .s_axi_rready(1'b0)
    );
    initial begin
        $readmemh("words.hex", words);
        $dumpfile("wave.vcd");
        $dumpvars(0, dut);
        repeat (8) begin #5 aclk = 1; #5 aclk = 0; end
        aresetn = 1;
        while (got < {last}) begin
            #5;
            if (valid) got = got + 1;
            if (valid && (got == {first} || got == {last})) $display("%0d", $time);
            aclk = 1;
            #5 aclk = 0;
        end
        $finish;
    end
    // Words change with the clock, as everything in front of the accelerator does.
    always @(posedge aclk) if (aresetn && ready && sent < {count}) sent <= sent + 1;
endmodule
"""


def waveform(accelerator: Accelerator, frames: Any, results: int, folder: Path) -> tuple[Path, int, int]:
    """Waveform of Icarus, which does not know how Verilator counts, and the times of the first and last result."""
    manifest = accelerator.manifest
    accelerator.sources.write(folder)
    words = pack_frames(frames, 1)
    (folder / "words.hex").write_text("".join(f"{word:08x}\n" for word in words))
    facts = {"first": manifest.result_words, "last": results * manifest.result_words, "count": len(words)}
    (folder / "bench.sv").write_text(BENCH.format(top=manifest.name, **facts))
    verilog = sorted(name for name in accelerator.sources.files if name.endswith(".v"))
    tools.run(["iverilog", "-g2012", "-o", "bench.vvp", "-s", "bench", "bench.sv", *verilog], folder)
    said = tools.run(["vvp", "bench.vvp"], folder)
    first, last = (int(line) for line in said.splitlines() if line.isdigit())
    return folder / "wave.vcd", first, last


def toggles_of(vcd: Path, first: int, last: int) -> dict[tuple[str, ...], tuple[int, int]]:
    """Bits of each register of a waveform, and their toggles behind `first` and up to `last`."""
    scopes: list[str] = []
    names: dict[str, tuple[tuple[str, ...], int]] = {}
    values: dict[str, int] = {}
    counts: Counter[str] = Counter()
    now = 0
    for line in vcd.read_text().splitlines():
        match line.split():
            case ["$scope", _, name, "$end"]:
                scopes.append(name)
            case ["$upscope", "$end"]:
                scopes.pop()
            case ["$var", "reg", bits, code, name, *_]:
                names[code] = (*scopes, name), int(bits)
            case [word] if word[0] == "#":
                now = int(word[1:])
            case [text, code] if code in names and text[0] == "b":
                counts[code] += _change(values, code, text[1:], first < now <= last)
            case [word] if word[1:] in names:
                counts[word[1:]] += _change(values, word[1:], word[0], first < now <= last)
    return {path: (bits, counts[code]) for code, (path, bits) in names.items()}


def _change(values: dict[str, int], code: str, text: str, is_counted: bool) -> int:
    """Bits that differ from the last value; what is unknown must have become known before anything is counted."""
    assert not is_counted or set(text) <= {"0", "1"}, (code, text)
    new = int(text.replace("x", "0").replace("z", "0"), 2)
    old = values.get(code, 0)
    values[code] = new
    return (old ^ new).bit_count() if is_counted else 0


@pytest.mark.cosim
def test_toggles_equal_those_of_a_waveform(tmp_path: Path) -> None:
    graph, core, accelerator, frames, expected = small()
    found = measure(graph, accelerator, core.costs, frames, expected, tmp_path)
    vcd, first, last = waveform(accelerator, frames, len(frames) - 1, tmp_path / "icarus")
    registers = toggles_of(vcd, first, last)
    assert sum(one.registers for one in found.values()) == sum(bits for bits, _ in registers.values())
    want = {name: [0, 0] for name in found}
    for path, (bits, toggles) in registers.items():
        inside = path[:3] == ("bench", "dut", "core")
        owner = block_of(path[3], core.costs) if inside else activity.SHELL
        assert owner is not None, path
        want[owner][0] += bits
        want[owner][1] += toggles
    assert {name: [one.registers, one.toggles] for name, one in found.items()} == want
    assert {one.cycles for one in found.values()} == {(last - first) // 10}
    assert all(one.toggles for name, one in found.items()), found


def test_registers_alone_are_traced() -> None:
    text = "module m (\n  input clk,\n  output reg q\n);\n  wire d; // not d\n  reg r;\n  integer i;\nendmodule\n"
    off, on = "/*verilator tracing_off*/ ", "\n/*verilator tracing_on*/"
    found = traced(Sources({"m.v": text, "m.json": "wire"}))
    assert found.files == {
        "m.v": (
            f"module m (\n{off}  input clk,{on}\n  output reg q\n);\n{off}  wire d; // not d{on}\n  reg r;\n"
            f"{off}  integer i;{on}\nendmodule\n"
        ),
        "m.json": "wire",
    }


def test_a_saif_file_is_read_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.saif"
    counts = "(T0 3) (T1 4) (TZ 0) (TX 0) (TB 0) (TC"
    lines = [
        "(SAIFILE",
        "(DURATION 7)",
        " (INSTANCE TOP",
        "  (NET",
        rf"   (r\[0\] {counts} 2))",
        rf"   (r\[1\] {counts} 5))",
    ]
    lines += [f"   (s {counts} 1))", "  )", "  (INSTANCE a[0]", "   (NET", f"    (t {counts} 9))", "   )", "  )", " )"]
    path.write_text("\n".join([*lines, ")", ""]))
    found = [(one.path, one.name, one.toggles) for one in load_saif(path)]
    assert found == [(("TOP",), "r", (2, 5)), (("TOP",), "s", (1,)), (("TOP", "a[0]"), "t", (9,))]
    path.write_text("\n".join(lines[:6]))
    with pytest.raises(DataError, match="no whole SAIF file"):
        load_saif(path)


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    graph, core, accelerator, frames, expected = small()
    with pytest.raises(ConfigError, match="3 frames do not fill the accelerator; give 4 or more"):
        measure(graph, accelerator, core.costs, frames[:3], expected[:3], tmp_path)


def test_a_cycle_costs_what_the_model_says() -> None:
    energy = Energy(volts=1.0, clock=3, net=5, lut=7, register=11, dsp=13, bram36=17)
    used = Resources(lut=10, ff=20, carry=99, dsp=2, bram36=0.5)
    spent = cycle_fj(used, 0.5, energy)
    assert spent == Spent(clock=60, nets=0.5 * 30 * 5, logic=0.5 * (70 + 220), dsp=13, bram36=8.5)
    assert spent.total == 60 + 75 + 145 + 13 + 8.5
    assert cycle_fj(used, 0.0, energy) == Spent(clock=60, bram36=8.5)
    found = frame_uj({"a": Activity(registers=4, toggles=20, cycles=10)}, {"a": used}, energy, 2e9)
    assert found == {"a": spent * 2.0}


def test_a_rate_counts_bits_and_cycles() -> None:
    one, other = Activity(4, 20, 10), Activity(6, 10, 10)
    assert one.rate == 0.5
    assert activity.total({"a": one, "b": other}) == Activity(10, 30, 10)
    assert Activity(0, 0, 10).rate == 0.0


def test_energies_are_positive_and_smaller_in_the_smaller_process() -> None:
    seven, ultra = (family.energy for family in FAMILIES)
    for name in ("volts", "clock", "net", "lut", "dsp", "bram36"):
        assert getattr(seven, name) > getattr(ultra, name) > 0, name
    assert set(STATIC_W) == {"xc7z020", "xczu48dr", "xck26"}


def flow_of(folder: Path, **changes: Any) -> RtlFlow:
    graph = small()[0]
    flow = RtlFlow(workspace=Workspace(folder, "small"), board=BOARD, settings=SETTINGS, **changes)
    vars(flow)["graph"] = graph
    return flow


def test_the_flow_ranks_rates_by_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of counts that are given: what it merges, and what pages make of it."""
    graph = small()[0]
    monkeypatch.setattr(Workspace, "load_graph", lambda _: graph)
    monkeypatch.setattr(Workspace, "settings", lambda _: ProjectSettings(rtl=SETTINGS))
    seen = []

    def counted(_: Any, accelerator: Accelerator, blocks: Any, frames: Any, expected: Any, folder: Path) -> Any:
        seen.append((len(frames), folder))
        return {name: Activity(1000, 2000 + 10 * place, 10) for place, name in enumerate((*blocks, activity.SHELL))}

    monkeypatch.setattr(activity, "measure", counted)
    flow = flow_of(tmp_path)
    found = estimate_power(flow, sweep=(1, 6, 3))
    place = tmp_path / "hls_projects" / "small" / "build" / "power" / "pynq-z2"
    assert seen[0] == (4, place)
    assert [frames for frames, _ in seen] == [2 * 2, 2 * 2, 2 * 2]

    costs = {**flow.core.costs, "shell": Resources(lut=860, ff=837, carry=132)}
    energy, total = FAMILIES[0].energy, 0.0
    for index, (row, (name, used)) in enumerate(zip(found["blocks"], costs.items(), strict=True)):
        rate = (2000 + 10 * index) / 10_000
        want = cycle_fj(used, rate, energy).total * flow.core.cycles_per_frame / 1e9
        assert (row["name"], row["toggle_rate"], row["energy_uj"]) == (name, rate, round(want, 6))
        total += want
    assert found["energy_uj_per_frame"] == round(total, 6)
    assert found["dynamic_w"] == round(total * 1e-6 * 125e6 / flow.core.cycles_per_frame, 4)
    assert found["static_w"] == 0.15
    energies = [row["energy_uj_per_frame"] for row in found["sweep"]]
    assert energies == sorted(energies)
    assert sorted(row["R"] for row in found["sweep"]) == [1, 3, 6]

    table, ranked = power_table(found), rank_table(found)
    assert ranked is not None
    assert [row[0].text for row in table.rows] == list(costs)
    assert [row[0].text for row in ranked.rows] == [f"{row['R']}{' *' * (row['R'] == 6)}" for row in found["sweep"]]
    assert "0.150 W static of the part (published)" in power_sentence(found)
    (chapter,) = power_chapters({"power": {"pynq-z2": found}})
    assert chapter.title == "Power on pynq-z2, R = 6, energy of a frame in µJ"


def test_an_hls_core_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave out --hls"):
        estimate_power(flow_of(tmp_path, hls_export=tmp_path))
