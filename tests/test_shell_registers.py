"""The register file by itself: counters that no simulation fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_amc import tools
from hw_amc.interface.registers import OFFSET, TABLE
from hw_amc.rtl.shell.register_file import MODULE, emit_verilog

BENCH = """
module bench;
    reg clk = 0, rst = 1, counts = 0, arvalid = 0;
    reg [7:0] address = 0;
    wire [31:0] data;
    always #5 clk = ~clk;
    {module} dut (
        .clk(clk), .rst(rst), .s_axi_araddr(address), .s_axi_arvalid(arvalid), .s_axi_rdata(data),
        .s_axi_rready(1'b1), .s_axi_awvalid(1'b0), .s_axi_wvalid(1'b0), .s_axi_bready(1'b1), .{field}_event(counts)
    );
    task read(input [7:0] at);
        begin
            address <= at; arvalid <= 1; @(posedge clk); arvalid <= 0; @(posedge clk); #1 $display("%h", data);
        end
    endtask
    initial begin
        repeat (3) @(posedge clk);
        rst <= 0;
        @(posedge clk);
        dut.{field} = 64'h89abcdef_fffffffe;
        read({low});
        counts <= 1; repeat (3) @(posedge clk); counts <= 0;
        @(posedge clk);
        read({high});
        read({low});
        counts <= 1; @(posedge clk); counts <= 0;
        read({high});
        $finish;
    end
endmodule
"""

WIDE = {register.name: register.fields[0].name for register in TABLE if register.words == 2}


@pytest.mark.cosim
@pytest.mark.parametrize("register", WIDE)
def test_both_words_of_a_wide_counter_belong_together(register: str, tmp_path: Path) -> None:
    """The high word is that of the moment in which the low one was read, though the counter went on and carried."""
    low = OFFSET[register]
    (tmp_path / "registers.v").write_text(emit_verilog())
    (tmp_path / "bench.v").write_text(BENCH.format(module=MODULE, field=WIDE[register], low=low, high=low + 4))
    tools.run(["iverilog", "-g2005", "-o", "sim", "bench.v", "registers.v"], tmp_path)
    words = tools.run(["vvp", "-n", "sim"], tmp_path).split()
    assert words == ["fffffffe", "89abcdef", "00000001", "89abcdf0"]


def test_there_are_wide_counters() -> None:
    assert {"CYCLES_BUSY", "CYCLES_STALLED"} <= set(WIDE)
