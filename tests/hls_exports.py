"""Verilog as HLS exports it, made by hand: no vendor tool is here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from behavioural_core import mean_core

from hw_amc.graph import Graph
from hw_amc.sources import Sources

#: The ports that HLS gives a core; its biases lie in a ROM, whose words are in a file beside it.
EXPORT = """
module hw_amc_core_bias_ROM (input [1:0] address0, output [31:0] q0);
    reg [31:0] rom0 [0:3];
    initial begin
        $readmemh("./hw_amc_core_bias_ROM.dat", rom0);
    end
    assign q0 = rom0[address0];
endmodule

module hw_amc_core (
    input ap_clk, input ap_rst_n, input [15:0] samples_TDATA, input samples_TVALID, output samples_TREADY,
    output [31:0] logits_TDATA, output logits_TVALID, input logits_TREADY
);
    reg [1:0] logit;
    wire [31:0] sum, bias;
    inner_core core (
        .clk(ap_clk), .rst(!ap_rst_n), .s_tdata(samples_TDATA), .s_tvalid(samples_TVALID), .s_tready(samples_TREADY),
        .m_tdata(sum), .m_tvalid(logits_TVALID), .m_tready(logits_TREADY)
    );
    hw_amc_core_bias_ROM biases (.address0(logit), .q0(bias));
    assign logits_TDATA = sum + bias;
    always @(posedge ap_clk)
        if (!ap_rst_n) logit <= 2'd0;
        else if (logits_TVALID && logits_TREADY) logit <= logit + 2'd1;
endmodule
"""


def write_export(folder: Path, graph: Graph) -> None:
    """Write Verilog of a network of one head of four classes as HLS exports it."""
    head = graph["head0"]
    bare = replace(graph.replace_node(replace(head, bias=np.zeros_like(head.bias))), name="inner")
    words = [f"0x{int(bias) & 0xFFFFFFFF:08x}\n" for bias in head.scaled_bias(graph["gap"].fmt)]
    files = {"hw_amc_core.v": EXPORT, "hw_amc_core_bias_ROM.dat": "".join(words), **mean_core(bare).sources.files}
    Sources(files).write(folder)
