"""The overlay's project for Vivado: the shared Tcl, the accelerator as an IP, and one board's settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hw_amc import tools
from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError, ToolFailed
from hw_amc.interface.manifest import Manifest
from hw_amc.overlay.component import CONSTRAINTS, FILE_TYPES, Package, check_component, emit_component, parse_ports
from hw_amc.overlay.design import build_design
from hw_amc.overlay.settings import Target, emit_settings
from hw_amc.parts import family_of
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sim_device import Design
from hw_amc.sources import Sources

#: Tcl shared by all boards, below boards/.
SCRIPTS = "overlay"
#: What Vivado is started on.
ENTRY = "build.tcl"
#: Where it writes, below the overlay's folder.
BUILD = "build"
#: Variable that names a folder of board files; the Tcl reads it.
BOARD_FILES = "HW_AMC_BOARD_FILES"


def build_overlay(accelerator: Accelerator, board: BoardSettings, boards: Path, jobs: int = 4) -> Sources:
    """Write everything that Vivado needs for the bitstream.

    Parameters
    ----------
    accelerator : Accelerator
        RTL or HLS core in the shell.
    board : BoardSettings
    boards : Path
        Folder of the boards and of the shared Tcl.
    jobs : int
        Parallel jobs of a run.

    Returns
    -------
    Sources
        build.tcl and its parts, settings.tcl, ip/component.xml with the Verilog, manifest.json.

    Raises
    ------
    ConfigError
        The scripts are missing, the clock or a PS port of the board does not exist, or the top module's ports differ
        from the interface.
    """
    manifest = accelerator.manifest
    if manifest.part != board.part:
        raise ConfigError(
            f"the accelerator was built for {manifest.board} ({manifest.part}), not {board.name} ({board.part}); "
            f"build it with board = {board.name!r}"
        )
    design = build_design(manifest, board)
    scripts = {path.name: path.read_text(encoding="utf-8") for path in sorted((boards / SCRIPTS).glob("*.tcl"))}
    if ENTRY not in scripts:
        raise ConfigError(f"{boards / SCRIPTS} has no {ENTRY}; the checkout is incomplete")
    board_parts = tuple(filter(None, (board.board_part, *board.board_parts_before)))
    return Sources(
        {
            **scripts,
            "settings.tcl": emit_settings(design, Target(manifest.name, board_parts, jobs)),
            **{f"ip/{name}": text for name, text in _build_package(accelerator, design).items()},
            "manifest.json": manifest.to_json(),
        }
    )


def _build_package(accelerator: Accelerator, design: Design) -> dict[str, str]:
    """Make the sources an IP, and require that Vivado will accept it."""
    manifest = accelerator.manifest
    names = (name for name in accelerator.sources.files if name.endswith(tuple(FILE_TYPES)))
    defines = family_of(manifest.part).defines
    files = {f"src/{name}": define_cells(accelerator.sources.files[name], defines) for name in names}
    files[f"src/{manifest.name}{CONSTRAINTS}"] = emit_constraints(manifest)
    ports = parse_ports(files[f"src/{manifest.name}.v"], manifest.name)
    package = Package(
        vlnv=design.ip.vlnv,
        top=manifest.name,
        ports=tuple(ports),
        files=tuple(files),
        window=design.window,
        registers=design.ip.registers,
        description=f"{manifest.name}, network {manifest.graph_digest[:16]}",
    )
    component = emit_component(package)
    check_component(component, ports)
    return {"component.xml": component, **files}


def define_cells(text: str, defines: Iterable[str]) -> str:
    """Return a source that instantiates a part's own cells, where it knows them; `defines` are the family's macros.

    An IP has no place for a define: Vivado synthesises it by itself. Without, the bitstream would hold another netlist
    than the one that Yosys counted.
    """
    known = (name for name in defines if f"ifdef {name}" in text)
    return "".join(f"`ifndef {name}\n`define {name}\n`endif\n" for name in known) + text


def emit_constraints(manifest: Manifest) -> str:
    """Return the clock of the IP by itself: without it, a synthesis out of context optimises for no clock at all."""
    period = 1000 / manifest.clock_mhz
    return f"create_clock -name aclk -period {period:.3f} [get_ports aclk]\n"


def run_overlay(
    folder: Path, goal: str = "bit", timeout_s: float | None = None, board_files: Path | None = None
) -> None:
    """Run Vivado on a written overlay project, with a folder of board files beside Vivado's own.

    Raises
    ------
    ConfigError
        `board_files` is no folder.
    ToolMissing
        Vivado is not on PATH.
    ToolFailed
        Vivado failed, or the design missed its timing; the message has the last lines.
    """
    build = folder / BUILD
    log = build / "vivado.log"
    build.mkdir(parents=True, exist_ok=True)
    for path in build.iterdir():
        # Results of an earlier run must not be taken for this one's.
        if path.suffix in (".bit", ".hwh", ".rpt"):
            path.unlink()
    args = ["vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", ENTRY, "-tclargs", goal]
    if board_files is not None and not board_files.is_dir():
        raise ConfigError(f"{board_files} is no folder: board files are a folder a board, with its board.xml inside")
    env = {} if board_files is None else {BOARD_FILES: str(board_files.resolve())}
    tools.run(args, folder, timeout_s, env, log)
    if goal == "bit" and not list(build.glob("*.bit")):
        raise ToolFailed(f"Vivado ended well and wrote no bitstream in {build}; see {log}")
