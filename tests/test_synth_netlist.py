"""What Yosys makes of a core, in the part's own cells, computes golden's logits in the cycles that are predicted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from netlist_bench import BARE, WITHOUT, cell_models, check, check_model, map_core, shortened
from networks import gru_cnn_graph

from hw_amc.config import RtlSettings
from hw_amc.graph import Graph
from hw_amc.parts import FAMILIES, Family
from hw_amc.rtl import RtlCore, build_core
from hw_amc.rtl.verilog import library
from hw_amc.sources import Sources
from hw_amc.synth.yosys import run_yosys, synthesis
from hw_amc.tools import run


def _core(folder: Path, cycles: int) -> tuple[Graph, RtlCore]:
    graph = gru_cnn_graph(np.random.default_rng(0), frame_len=8, cells=2, filters=(2, 3), sparsity=0.2)
    return graph, build_core(graph, RtlSettings(cycles_per_step=cycles, contexts=2), cache=folder / "cache")


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("family", "cycles"),
    [
        (FAMILIES[0], 6),
        pytest.param(FAMILIES[0], 1, marks=pytest.mark.slow),
        pytest.param(FAMILIES[1], 1, marks=pytest.mark.slow),
    ],
)
def test_a_netlist_equals_golden(family: Family, cycles: int, tmp_path: Path) -> None:
    graph, core = _core(tmp_path, cycles)
    assert any(cell in text for cell in ("amc_sum3 #", "amc_digit_add3 #") for text in core.sources.files.values())
    script = synthesis(family.yosys, core.name, (*BARE, *WITHOUT[family.yosys]))
    netlist = map_core(core, script, family, tmp_path / "synth")
    assert ("DSP48E1 #" in netlist.sources.files["netlist.v"]) == (family.yosys == "xc7")
    check(netlist, graph, tmp_path / "sim")


def test_shorter_frames_have_the_same_layers() -> None:
    long, short = (gru_cnn_graph(np.random.default_rng(0), frame_len=length) for length in (32, 8))
    assert shortened(long, 8).digest() == short.digest()


@pytest.mark.cosim
@pytest.mark.slow
def test_the_lead_models_netlist_equals_golden(tmp_path: Path) -> None:
    """All its matrices and cells at R = 10."""
    found = check_model("gru_cnn_sparse07", 10, FAMILIES[0], tmp_path, runs=20)
    assert found["cells"]["LUT6_2"] > 5000


@pytest.mark.cosim
@pytest.mark.slow
def test_verilator_agrees_with_icarus_and_finds_a_turned_bit(tmp_path: Path) -> None:
    graph, core = _core(tmp_path, 6)
    netlist = map_core(core, synthesis("xc7", core.name, BARE), FAMILIES[0], tmp_path / "synth")
    check(netlist, graph, tmp_path / "whole", "netlist")
    # What an adder of the second convolution gives where all of its inputs are zero.
    files = dict(netlist.sources.files)
    init = re.search(r"\.INIT\(64'h\w{15}(\w)\)\n  \) \\conv2_relu_matrix\.add_n0\.pair", files["netlist.v"])
    assert init is not None
    turned = f"{int(init[1], 16) ^ 1:x}"
    files["netlist.v"] = files["netlist.v"][: init.start(1)] + turned + files["netlist.v"][init.end(1) :]
    for simulator in ("icarus", "netlist"):
        with pytest.raises(AssertionError, match="Mismatched elements"):
            check(replace(netlist, sources=Sources(files)), graph, tmp_path / simulator, simulator)


@pytest.mark.cosim
@pytest.mark.slow
def test_the_verilog_does_not_rest_on_our_script(tmp_path: Path) -> None:
    """Synthesised as anybody would: registers of products are as wide as Yosys' DSP blocks need them."""
    graph, core = _core(tmp_path, 6)
    script = [f"synth_xilinx -family xc7 -top {core.name} -flatten {' '.join(BARE)}"]
    check(map_core(core, script, FAMILIES[0], tmp_path / "synth"), graph, tmp_path / "sim")


#: A product of 17 bits in a register of 18.
SIGN_COPIED = """
module unit (input clk, input signed [7:0] a, input signed [8:0] b, output [17:0] y);
    reg signed [7:0] left;
    reg signed [8:0] right;
    reg signed [17:0] kept;
    always @(posedge clk) begin
        left <= a;
        right <= b;
        kept <= left * right;
    end
    assign y = kept;
endmodule
module MODULE (input clk, input [7:0] a, input [8:0] b, output [17:0] y);
    unit unit (clk, a, b, y);
endmodule
"""
#: Blocks with multipliers, their sums wider than the products.
BLOCKS = {
    "amc_affine": """
module MODULE (input clk, rst, input [4:0] flags, input [15:0] data, output [15:0] y);
    amc_affine #(
        .CHANNELS(2), .SHARE(2), .WEIGHT(9), .SUM(18), .SHIFT(6), .KERNEL(18'h3ac2b), .OFFSETS(36'h4c581967)
    ) unit (.clk(clk), .rst(rst), .in_flags(flags), .in_data(data), .out_data(y));
endmodule
""",
    "amc_gru_cell": """
module MODULE (
    input clk, input [15:0] z, r, h, x, input [17:0] cz, cr, input [16:0] ch, input [25:0] cx, input [7:0] old, input v,
    output [7:0] y
);
    amc_gru_cell unit (
        .clk(clk), .m_z(z), .m_r(r), .m_h(h), .m_x(x), .c_z(cz), .c_r(cr), .c_h(ch), .c_x(cx), .h(old), .valid(v),
        .h_next(y)
    );
endmodule
""",
    "amc_lstm_cell": """
module MODULE (
    input clk, input [15:0] i, f, g, o, input [17:0] ci, cf, cg, co, input [7:0] h, k, input v, output [15:0] y
);
    amc_lstm_cell #(.PRODUCT(17), .TOTAL(23)) unit (
        .clk(clk), .m_i(i), .m_f(f), .m_g(g), .m_o(o), .c_i(ci), .c_f(cf), .c_g(cg), .c_o(co), .h(h), .k(k), .valid(v),
        .h_next(y[15:8]), .k_next(y[7:0])
    );
endmodule
""",
}
BENCH = """
module bench;
    reg clk = 0;
    always #5 clk = ~clk;
    integer cycle = 0, wrong = 0;
    {signals}
    top netlist ({ports}, .y(found));
    plain verilog ({ports}, .y(wanted));
    always @(negedge clk) begin
        {drive}
        if (cycle > 60 && found !== wanted) wrong = wrong + 1;
        cycle = cycle + 1;
        if (cycle == 2000) begin $display("%0d wrong", wrong); $finish; end
    end
endmodule
"""


def _wrong_cycles(text: str, files: dict[str, str], script: list[str], folder: Path) -> int:
    """Map module `MODULE` of a text; count the cycles, of 1,940, in which its netlist gives another y, or none."""
    top = Sources({**files, "top.v": text.replace("MODULE", "top")})
    run_yosys(top, folder, [*script, "write_verilog -noattr -noexpr netlist.v"])
    netlist = (folder / "netlist.v").read_text()
    widths = {name: width for width, name in re.findall(r"^  input ((?:\[\d+:0\] )?)(\w+) ?;", netlist, re.M)}
    (output,) = re.findall(r"^  output (\[\d+:0\]) y ?;", netlist, re.M)
    inputs = [name for name in widths if name != "clk"]
    bench = BENCH.format(
        signals=f"wire {output} found, wanted; " + " ".join(f"reg {widths[name]}{name};" for name in inputs),
        ports=", ".join(f".{name}({name})" for name in ("clk", *inputs)),
        drive=" ".join(f"{name} = $random;" for name in inputs),
    )
    sources = {**files, "plain.v": text.replace("MODULE", "plain"), "cells.v": cell_models(), "bench.v": bench}
    Sources(sources).write(folder / "sim")
    run(["iverilog", "-g2005", "-o", "sim", "-s", "bench", "../netlist.v", *sorted(sources)], folder / "sim")
    return int(run(["vvp", "-n", "sim"], folder / "sim").split()[0])


@pytest.mark.cosim
@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_multipliers_in_dsp_blocks_equal_the_verilog(block: str, tmp_path: Path) -> None:
    plain = f"synth_xilinx -family xc7 -top top -flatten {' '.join(BARE)}"
    assert _wrong_cycles(BLOCKS[block], library(block), [plain], tmp_path) == 0
    assert "DSP48E1 #" in (tmp_path / "netlist.v").read_text()


@pytest.mark.cosim
def test_a_register_wider_than_its_product_is_mapped_rightly_by_our_script_alone(tmp_path: Path) -> None:
    """Once Yosys maps it rightly by itself, `synthesis` needs no `wreduce` any more."""
    plain = f"synth_xilinx -family xc7 -top top -flatten {' '.join(BARE)}"
    assert _wrong_cycles(SIGN_COPIED, {}, [plain], tmp_path / "plain") > 900
    assert _wrong_cycles(SIGN_COPIED, {}, synthesis("xc7", "top", BARE), tmp_path / "ours") == 0
