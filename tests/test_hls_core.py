"""Verilog as Vivado and Vitis HLS export it, newer releases with deadlock monitors and included files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from behavioural_core import mean_graph

from hw_amc import tools
from hw_amc.errors import DataError, ToolFailed
from hw_amc.rtl.hls_core import load_hls_core

GRAPH = mean_graph(np.random.default_rng(0))

#: The end of a top module as Vitis HLS 2022 and later write it (shape of public exports), and what it includes.
TOP = """
`timescale 1 ns / 1 ps
module hw_amc_core (
        ap_clk, ap_rst_n,
        samples_TDATA, samples_TVALID, samples_TREADY, logits_TDATA, logits_TVALID, logits_TREADY
);
input   ap_clk;
input   ap_rst_n;
input  [15:0] samples_TDATA;
input   samples_TVALID;
output   samples_TREADY;
output  [31:0] logits_TDATA;
output   logits_TVALID;
input   logits_TREADY;
{body}
assign samples_TREADY = logits_TREADY;
assign logits_TVALID = samples_TVALID;
assign logits_TDATA = {{16'd0, samples_TDATA}} + WIDTH;

// synthesis translate_off
initial begin end
// synthesis translate_on

reg find_kernel_block = 0;
// synthesis translate_off
`include "hw_amc_core_hls_deadlock_kernel_monitor_top.vh"
// synthesis translate_on

endmodule //hw_amc_core
"""
MONITOR = """
wire kernel_monitor_reset;
assign kernel_monitor_reset = ap_rst_n;
hw_amc_core_hls_deadlock_idx0_monitor hw_amc_core_hls_deadlock_idx0_monitor_U (
    .clock(ap_clk), .reset(kernel_monitor_reset), .block(kernel_block), .inst(grp_do_rx_fu_312.ap_idle)
);
"""


def export(folder: Path, body: str = "localparam WIDTH = 1;") -> Path:
    """Write what a newer Vitis HLS leaves in solution1/syn/verilog."""
    files = {
        "hw_amc_core.v": TOP.format(body=body),
        "hw_amc_core_hls_deadlock_kernel_monitor_top.vh": MONITOR,
        "hw_amc_core_hls_deadlock_idx0_monitor.v": "module hw_amc_core_hls_deadlock_idx0_monitor; endmodule\n",
        "hw_amc_core_hls_deadlock_detector.vh": '`include "hw_amc_core_hls_deadlock_report_unit.vh"\n',
        "hw_amc_core_rom.dat": "00\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def compile_icarus(sources: dict[str, str], folder: Path) -> None:
    folder.mkdir()
    for name, text in sources.items():
        (folder / name).write_text(text)
    names = sorted(name for name in sources if name.endswith((".v", ".sv")))
    tools.run(["iverilog", "-g2012", "-Wall", "-s", f"{GRAPH.name}_core", "-o", "a.out", *names], folder)


def test_letters_of_another_encoding_are_no_matter(tmp_path: Path) -> None:
    """Seen before: UnicodeDecodeError; a tool may write its comments in the system's own encoding."""
    path = export(tmp_path) / "hw_amc_core.v"
    path.write_bytes(b"// 3 \xb5s\n" + path.read_bytes())
    assert "// 3 \ufffds\n" in load_hls_core(tmp_path, GRAPH).sources.files["hw_amc_core.v"]


def test_deadlock_monitors_are_left_behind(tmp_path: Path) -> None:
    sources = load_hls_core(export(tmp_path), GRAPH).sources.files
    assert set(sources) == {"hw_amc_core.v", f"{GRAPH.name}_core.v"}
    assert "deadlock" not in sources["hw_amc_core.v"]
    assert "initial begin end" in sources["hw_amc_core.v"]  # of the other region that synthesis skips
    compile_icarus(sources, tmp_path / "sim")


def test_icarus_stops_at_what_was_carried_before(tmp_path: Path) -> None:
    """The fixture means something: sources as they are exported, without the .vh files, do not compile."""
    export(tmp_path)
    raw = {path.name: path.read_text() for path in tmp_path.iterdir() if path.suffix == ".v"}
    raw[f"{GRAPH.name}_core.v"] = load_hls_core(tmp_path, GRAPH).sources.files[f"{GRAPH.name}_core.v"]
    with pytest.raises(ToolFailed, match=r"deadlock_kernel_monitor_top\.vh"):
        compile_icarus(raw, tmp_path / "sim")


def test_other_included_files_are_put_in_place(tmp_path: Path) -> None:
    folder = export(tmp_path, '`include "width.vh"')
    (folder / "width.vh").write_text('`include "deep/number.vh"\nlocalparam WIDTH = NUMBER;\n')
    (folder / "deep").mkdir()
    (folder / "deep" / "number.vh").write_text("localparam NUMBER = 1;\n")
    sources = load_hls_core(folder, GRAPH).sources.files
    assert "`include" not in sources["hw_amc_core.v"]
    compile_icarus(sources, tmp_path / "sim")


@pytest.mark.parametrize("text", [None, '`include "width.vh"\n'], ids=["missing", "of itself"])
def test_an_included_file_that_is_not_there_is_named(tmp_path: Path, text: str | None) -> None:
    folder = export(tmp_path, '`include "width.vh"')
    if text is not None:
        (folder / "width.vh").write_text(text)
    with pytest.raises(DataError, match=r"hw_amc_core.v includes width.vh, which is not there"):
        load_hls_core(folder, GRAPH)


#: A ROM and its table as HLS exports them.
ROM = """
reg [7:0] rom0[0:3];
initial begin
    $readmemh("./hw_amc_core_rom.dat", rom0);
end
"""


def test_tables_stand_in_the_text(tmp_path: Path) -> None:
    """Words of HLS with their 0x, or plain ones; a simulator finds them wherever it runs."""
    folder = export(tmp_path, ROM + "wire [7:0] WIDTH = rom0[2];")
    (folder / "hw_amc_core_rom.dat").write_text("0x01\n0xFf\n// two\n2A 0\n")
    sources = load_hls_core(folder, GRAPH).sources.files
    text = sources["hw_amc_core.v"]
    assert "readmem" not in text
    assert "begin\nrom0[0] = 8'h01;\nrom0[1] = 8'hFf;\nrom0[2] = 8'h2A;\nrom0[3] = 4'h0;\nend" in text
    compile_icarus(sources, tmp_path / "sim")


@pytest.mark.parametrize(
    ("table", "said"),
    [(None, r"hw_amc_core.v reads ./other.dat, which is not there"), ("12 q7\n", "'q7' is no word of a ROM")],
)
def test_a_table_that_is_missing_or_no_table_is_named(tmp_path: Path, table: str | None, said: str) -> None:
    folder = export(tmp_path, ROM.replace("hw_amc_core_rom", "other"))
    if table is not None:
        (folder / "other.dat").write_text(table)
    with pytest.raises(DataError, match=said):
        load_hls_core(folder, GRAPH)


#: bambu's memories: a module that reads a table of its parameter, in one that hands its own parameter on, twice.
NESTED = """
module memory #(parameter MEMORY_INIT_file = "array.mem") (output [7:0] q);
    reg [7:0] words [0:0];
    initial $readmemb(MEMORY_INIT_file, words, 0, 0);
    assign q = words[0];
endmodule
module bank #(parameter MEMORY_INIT_file = "array.mem") (output [7:0] q);
    memory #(.MEMORY_INIT_file(MEMORY_INIT_file)) part (.q(q));
endmodule
module both (output [7:0] a, b);
    bank #(.MEMORY_INIT_file("one.mem")) first (.q(a));
    bank #(.MEMORY_INIT_file("two.mem")) second (.q(b));
endmodule
"""


def test_tables_that_are_handed_on_stand_in_modules_of_their_own(tmp_path: Path) -> None:
    folder = export(tmp_path, "localparam WIDTH = 1;\nboth both ();")
    (folder / "hw_amc_core.v").write_text((folder / "hw_amc_core.v").read_text() + NESTED)
    for name, word in (("array", "00000000"), ("one", "00000001"), ("two", "00000010")):
        (folder / f"{name}.mem").write_text(f"{word}\n")
    sources = load_hls_core(folder, GRAPH).sources.files
    text = sources["hw_amc_core.v"]
    for name, word in (("one", "01"), ("two", "10")):
        assert f"bank__{name}" in text
        (body,) = re.findall(rf"module memory__{name} .*?endmodule", text, re.DOTALL)
        assert f"words[0] = 8'b000000{word};" in body
    assert "array" not in re.sub(r'"array\.mem"', "", text)
    compile_icarus(sources, tmp_path / "sim")
