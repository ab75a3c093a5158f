"""Blocks alone, in benches of their own: what whole cores meet seldom."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc import tools
from hw_amc.rtl.verilog import library
from hw_amc.sources import Sources

CONTEXTS, SLOT_CYCLES, SAMPLES = 2, 3, 20
#: Cycles in which each context has its slot once.
ROUND = CONTEXTS * SLOT_CYCLES
#: What drives a block, and shows what leaves it.
BENCH = """
module bench;
    reg clk = 0, rst = 1;
    always #5 clk = ~clk;
    integer cycle = 0;
    wire [4:0] flags;
    always @(posedge clk) begin
        if (!rst && flags[1]) $display(SHOWN);
        cycle <= rst ? 0 : cycle + 1;
        if (cycle == CYCLES) $finish;
    end
    initial begin
        repeat (3) @(negedge clk);
        rst = 0;
    end
BODY
endmodule
"""
RETIME = """
    wire write = !rst && cycle % ROUND == OFFSET && cycle / ROUND < SAMPLES;
    wire [7:0] sample = cycle / ROUND;
    wire [7:0] data;
    amc_retime #(.CONTEXTS(CONTEXTS), .SLOT_CYCLES(SLOT_CYCLES), .SLOT_BITS(2)) dut (
        .clk(clk), .rst(rst), .in_flags({1'b1, 2'b00, write, write}), .in_data(sample),
        .out_flags(flags), .out_data(data)
    );
"""


@pytest.mark.cosim
@pytest.mark.parametrize("offset", range(ROUND))
def test_a_sample_a_round_leaves_in_its_contexts_slot(offset: int, tmp_path: Path) -> None:
    """Samples come in bursts and leave in slower slots; none is lost, whenever in a round it comes."""
    names = {"ROUND": ROUND, "OFFSET": offset, "SAMPLES": SAMPLES, "CONTEXTS": CONTEXTS, "SLOT_CYCLES": SLOT_CYCLES}
    found = _shown("amc_retime", RETIME, '"%0d %0d", flags[4], data', ROUND * (SAMPLES + 3), names, tmp_path)
    assert found == [f"1 {number}" for number in range(SAMPLES)]


LENGTH = 9
TAPS = """
    // A frame, and another one long after it; every cycle is a slot.
    wire [31:0] time_in = cycle < 50 ? cycle : cycle - 50;
    wire valid = time_in < LENGTH, first = time_in == 0, last = time_in == LENGTH - 1;
    wire [23:0] taps;
    amc_taps #(
        .WIDTH(8), .LENGTH(LENGTH), .SPAN(3), .FIRST(1), .LAST(LENGTH), .STRIDE(2), .TIME(4)
    ) dut (
        .clk(clk), .rst(rst || cycle == RESET), .in_flags({1'b0, last, first, valid, 1'b1}), .in_data(8'd7),
        .out_flags(flags), .out_data(taps)
    );
"""


@pytest.mark.cosim
@pytest.mark.parametrize("reset", range(4, LENGTH + 4))
def test_no_window_of_a_frame_leaves_behind_a_reset(reset: int, tmp_path: Path) -> None:
    """Not even the one that leaves behind the frame's last sample."""
    found = _shown("amc_taps", TAPS, '"%0d", cycle', 80, {"LENGTH": LENGTH, "RESET": reset}, tmp_path)
    cycles = [int(line) for line in found]
    assert len([cycle for cycle in cycles if cycle > 50]) == 5
    assert all(cycle <= reset for cycle in cycles if cycle < 50)


def _shown(block: str, body: str, shown: str, cycles: int, names: dict[str, int], folder: Path) -> list[str]:
    """What a block lets out in so many cycles, a line each; `names` are constants of the body."""
    bench = BENCH.replace("SHOWN", shown).replace("CYCLES", str(cycles)).replace("BODY", body)
    constants = ", ".join(f"parameter {name} = {value}" for name, value in names.items())
    files = {**library(block), "bench.v": bench.replace("module bench;", f"module bench #({constants});")}
    Sources(files).write(folder)
    tools.run(["iverilog", "-g2005", "-s", "bench", "-o", "sim", *sorted(files)], folder)
    return [line for line in tools.run(["vvp", "-n", "sim"], folder).splitlines() if line[0].isdigit()]
