"""Samples that come in bursts and leave in slower slots: none is lost, whenever in a round they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc import tools
from hw_amc.rtl.verilog import library
from hw_amc.sources import Sources

CONTEXTS, SLOT_CYCLES, SAMPLES = 2, 3, 20
#: Cycles in which each context has its slot once.
ROUND = CONTEXTS * SLOT_CYCLES
BENCH = """
module bench;
    reg clk = 0, rst = 1;
    always #5 clk = ~clk;
    integer cycle = 0;
    wire write = !rst && cycle % ROUND == OFFSET && cycle / ROUND < SAMPLES;
    wire [7:0] sample = cycle / ROUND;
    wire [4:0] flags;
    wire [7:0] data;
    amc_retime #(.CONTEXTS(CONTEXTS), .SLOT_CYCLES(SLOT_CYCLES), .SLOT_BITS(2)) dut (
        .clk(clk), .rst(rst), .in_flags({1'b1, 2'b00, write, write}), .in_data(sample),
        .out_flags(flags), .out_data(data)
    );
    always @(posedge clk) begin
        if (!rst && flags[1]) $display("%0d %0d", flags[4], data);
        cycle <= rst ? 0 : cycle + 1;
        if (cycle == ROUND * (SAMPLES + 3)) $finish;
    end
    initial begin
        repeat (3) @(negedge clk);
        rst = 0;
    end
endmodule
"""


@pytest.mark.cosim
@pytest.mark.parametrize("offset", range(ROUND))
def test_a_sample_a_round_leaves_in_its_contexts_slot(offset: int, tmp_path: Path) -> None:
    names = {"ROUND": ROUND, "OFFSET": offset, "SAMPLES": SAMPLES, "CONTEXTS": CONTEXTS, "SLOT_CYCLES": SLOT_CYCLES}
    parameters = ", ".join(f"parameter {name} = {value}" for name, value in names.items())
    files = {**library("amc_retime"), "bench.v": BENCH.replace("module bench;", f"module bench #({parameters});")}
    Sources(files).write(tmp_path)
    tools.run(["iverilog", "-g2005", "-s", "bench", "-o", "sim", *sorted(files)], tmp_path)
    found = tools.run(["vvp", "-n", "sim"], tmp_path).splitlines()
    assert [line for line in found if line[0].isdigit()] == [f"1 {number}" for number in range(SAMPLES)]
