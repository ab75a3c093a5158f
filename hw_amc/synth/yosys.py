"""Synthesis by Yosys (pyosys): real LUT, FF, DSP, BRAM and carry cells, and a logic-only arrival time.

Yosys runs in a process of its own: a large network takes gigabytes, which go back when it ends. No placement and no
routing: the arrival time (7 series, `hw_amc.synth.paths`) counts cells only, and serves to rank.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import reduce
from importlib import metadata
from operator import add
from pathlib import Path
from typing import Any, Literal

from hw_amc import tools
from hw_amc.config import BoardSettings
from hw_amc.errors import ToolFailed
from hw_amc.extras import missing
from hw_amc.files import temporary_folder
from hw_amc.parts import FAMILIES
from hw_amc.rtl import RtlCore
from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.core import block_of
from hw_amc.rtl.shell.accelerator import SHELL_COST
from hw_amc.sources import Sources
from hw_amc.synth.delays import SEVEN_SERIES, ULTRASCALE_PLUS, Delays
from hw_amc.synth.paths import load_longest_path

Family = Literal["xc7", "xcup"]

#: LUTs that a cell takes; what is not listed takes none.
LUTS = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    "LUT6_2": 1,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
    "RAM16X1D": 2,
    "RAM32X1D": 2,
    "RAM32X1S": 1,
    "RAM64X1D": 2,
    "RAM64X1S": 1,
    "RAM128X1D": 4,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
}
#: Halves of a BRAM36.
BRAM_HALVES = {"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2}
FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
DSPS = ("DSP48E1", "DSP48E2")
#: CARRY8 of UltraScale+ counts as two of the 7-series' CARRY4.
CARRIES = {"CARRY4": 1, "CARRY8": 2}

_DELAYS: dict[Family, Delays] = {"xc7": SEVEN_SERIES, "xcup": ULTRASCALE_PLUS}

#: The child process: each line of the script is one command.
_RUNNER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in open(sys.argv[1]):
    libyosys.run_pass(line.strip(), design)
"""


@dataclass(frozen=True)
class Synthesis:
    """What Yosys made of a module."""

    top: str
    family: Family
    lut: int
    ff: int
    dsp: int
    bram36: float
    #: In CARRY4.
    carry: int
    #: Longest path through cells alone; None where parts were kept apart, or a cell's delays are not known.
    arrival_ns: float | None
    cells: dict[str, int]
    #: Cells of each instance that was kept apart, by its name; empty where all was flattened.
    blocks: dict[str, dict[str, int]] = field(default_factory=dict)


def run(
    sources: Sources,
    top: str,
    folder: Path,
    family: Family = "xc7",
    options: Sequence[str] = (),
    repeated: str | None = None,
    blocks_of: str | None = None,
) -> Synthesis:
    """Synthesise module `top` of `sources`, flattened.

    Parameters
    ----------
    sources : Sources
        Verilog; all its .v files are read.
    top : str
        Module to synthesise; a block's module counts that block alone.
    folder : Path
        Where sources, script, log, statistics, netlist and longest path go.
    family : {"xc7", "xcup"}
        7-series or UltraScale+.
    options : sequence of str
        More options of `synth_xilinx`.
    repeated : str, optional
        Module that is synthesised once by itself, however often `top` has it: a lane.
    blocks_of : str, optional
        Module whose instances are kept apart, each counted by itself. Nothing is optimised across what is kept apart,
        and no longest path is looked for.

    Raises
    ------
    ToolMissing, ToolFailed
        As `run_yosys`.

    Warns
    -----
    UserWarning
        The longest path is not known: a cell's delays are not, or there is a loop.
    """
    script = [
        f"hierarchy -top {top}",
        *_kept_apart(repeated, blocks_of),
        *synthesis(family, top, options),
        "tee -o stat.json stat -json",
        "write_json netlist.json",
    ]
    run_yosys(sources, folder, script, next(known.defines for known in FAMILIES if known.yosys == family))
    statistics = (folder / "stat.json").read_text(encoding="utf-8")
    cells = parse_cells(statistics, top)
    return Synthesis(
        top=top,
        family=family,
        **count_resources(cells),
        arrival_ns=None if repeated or blocks_of else _arrival_ns(folder, top, family),
        cells=cells,
        blocks=_parse_blocks(statistics, folder / "netlist.json", top) if blocks_of else {},
    )


def synthesis(family: Family, top: str, options: Sequence[str] = ()) -> list[str]:
    """Commands that map module `top` to the cells of a family.

    Words are made as small as they get before multipliers become DSP blocks: `synth_xilinx` does it once, and where a
    product's register still holds a second copy of the sign, Yosys 0.70 makes the register part of the block and leaves
    the copy without a driver (docs/rtl.md, Multipliers).
    """
    command = f"synth_xilinx -family {family} -top {top} -flatten {' '.join(options)}".rstrip()
    return [f"{command} -run begin:map_dsp", "wreduce", "wreduce", f"{command} -run map_dsp:"]


def run_yosys(sources: Sources, folder: Path, script: Sequence[str], defines: Sequence[str] = ()) -> None:
    """Read all Verilog of `sources` and run a script's commands in `folder`, where its log goes.

    Raises
    ------
    ToolMissing
        pyosys is not installed.
    ToolFailed
        Yosys stopped.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise missing("pyosys")
    sources.write(folder)
    verilog = sorted(name for name in sources.files if name.endswith(".v"))
    read = ["read_verilog", *(f"-D{name}" for name in defines), *verilog]
    (folder / "synth.ys").write_text("\n".join([" ".join(read), *script, ""]), encoding="utf-8")
    # Its ABC leaves a folder behind when it is killed.
    with temporary_folder(folder, "yosys") as scratch:
        environment = {"TMPDIR": str(scratch.absolute())}
        tools.run([sys.executable, "-c", _RUNNER, "synth.ys"], folder, env=environment, log=folder / "synth.log")


def _kept_apart(repeated: str | None, blocks_of: str | None) -> Iterator[str]:
    """Commands that keep a module, and the instances in a module, from being flattened."""
    if repeated:
        yield f"setattr -mod -set keep_hierarchy 1 {repeated}"
    if blocks_of:
        yield f"setattr -set keep_hierarchy 1 {blocks_of}/c:*"


def _arrival_ns(folder: Path, top: str, family: Family) -> float | None:
    try:
        longest = load_longest_path(folder / "netlist.json", top, _DELAYS[family])
    except ToolFailed as error:  # what was counted in minutes is worth telling without it
        warnings.warn(f"the longest path of {top} is not known: {error}", stacklevel=2)
        return None
    (folder / "longest_path.txt").write_text(longest.describe() + "\n", encoding="utf-8")
    return round(longest.ns, 3)


def count_resources(cells: Mapping[str, int]) -> dict[str, Any]:
    """LUTs, flip-flops, DSP blocks, block RAMs and carry cells (in CARRY4) of cells by type."""
    return {
        "lut": sum(LUTS.get(cell, 0) * count for cell, count in cells.items()),
        "ff": sum(cells.get(cell, 0) for cell in FLIP_FLOPS),
        "dsp": sum(cells.get(cell, 0) for cell in DSPS),
        "bram36": sum(BRAM_HALVES.get(cell, 0) * count for cell, count in cells.items()) / 2,
        "carry": sum(count * cells.get(cell, 0) for cell, count in CARRIES.items()),
    }


def parse_cells(text: str, top: str) -> dict[str, int]:
    """Cells of `top` by type, those of modules inside it included, from `stat -json`."""
    start = text.find("{")
    try:
        found = json.loads(text[start:])["modules"]
        modules = {name.lstrip("\\"): data["num_cells_by_type"] for name, data in found.items()}
        return dict(_count(modules, top))
    except (ValueError, KeyError) as error:
        raise ToolFailed(f"Yosys' statistics hold no module {top!r}: {error}") from error


def _parse_blocks(text: str, netlist: Path, top: str) -> dict[str, dict[str, int]]:
    """Cells of each instance in `top` that is a module, not a primitive."""
    modules = {name.lstrip("\\") for name in json.loads(text[text.find("{") :])["modules"]}
    instances = json.loads(netlist.read_text(encoding="utf-8"))["modules"][top]["cells"]
    return {
        name: parse_cells(text, kind)
        for name, cell in instances.items()
        if (kind := str(cell["type"]).lstrip("\\")) in modules
    }


def _count(modules: dict[str, dict[str, int]], top: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for name, count in modules[top].items():
        cell = name.lstrip("\\")
        inside = _count(modules, cell) if cell in modules else Counter({cell: 1})
        total.update({kind: int(count) * each for kind, each in inside.items()})
    return total


def section(
    found: Synthesis,
    core: RtlCore,
    board: BoardSettings,
    command: str,
    lanes: int = 1,
    shell: Resources = SHELL_COST,
) -> dict[str, Any]:
    """Report section `synth.<board>`: what was counted, beside the estimate.

    Parameters
    ----------
    found : Synthesis
        Of the accelerator, shell included.
    core : RtlCore
        Of one lane.
    board : BoardSettings
    command : str
        What the user typed.
    lanes : int
        Lanes of the accelerator.
    shell : Resources
        Estimate of the shell of a lane.
    """
    budget = board.resources
    used = {"lut": found.lut, "ff": found.ff, "dsp": found.dsp, "bram36": found.bram36, "carry": found.carry}
    total = asdict(reduce(add, core.costs.values(), shell) * lanes)
    estimated = {name: round(total[name]) for name in used}
    figures: dict[str, Any] = {
        **used,
        "percent": {name: round(100 * count / budget[name], 1) for name, count in used.items() if budget.get(name)},
        "estimated": estimated,
        "error_percent": {name: round(100 * (estimated[name] / count - 1), 1) for name, count in used.items() if count},
    }
    if found.arrival_ns is not None:
        figures["arrival_ns"] = found.arrival_ns
    if found.blocks:
        figures["blocks"] = _block_rows(found, core, shell)
    derived = ("estimated", "error_percent", "arrival_ns")
    kinds = {name: "estimated" if name in derived else "measured" for name in figures}
    speed = {
        "cycles_per_frame": core.cycles_per_frame,
        "frames_per_s": lanes * board.clock_mhz * 1e6 / core.cycles_per_frame,
    }
    kinds |= dict.fromkeys(speed, "estimated")
    facts = {
        "tool": "yosys",
        "part": board.part,
        "R": core.cycles_per_step,
        "K": core.contexts,
        "lanes": lanes,
        "mode": core.mode,
        "clock_mhz": board.clock_mhz,
    }
    told = {"versions": {"yosys": metadata.version("pyosys")}, "date": date.today().isoformat(), "command": command}
    return {**facts, **figures, **speed, **told, "kind": kinds}


def _block_rows(found: Synthesis, core: RtlCore, shell_cost: Resources) -> list[dict[str, Any]]:
    """Resources of each block of the core, beside the estimate; what is in none of them is the shell."""
    cells: dict[str, Counter[str]] = {name: Counter() for name in core.costs}
    shell = Counter(found.cells)
    for path, inside in found.blocks.items():
        owner = block_of(path.rsplit(".", 1)[-1], core.costs)
        assert owner is not None  # blocks name their instances
        cells[owner].update(inside)
        shell.subtract(inside)
    costs = {**core.costs, "shell": shell_cost}
    return [
        {
            "name": name,
            **count_resources(counted),
            "estimated_lut": round(costs[name].lut),
            "estimated_ff": round(costs[name].ff),
        }
        for name, counted in {**cells, "shell": shell}.items()
    ]
