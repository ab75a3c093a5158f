"""A rehearsal of Vivado: the overlay's Tcl in tclsh, against stand-ins that refuse what Vivado would refuse."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from board_overlays import BOARDS, small_graph, small_manifest

from hw_amc import config
from hw_amc.overlay import component
from hw_amc.overlay.project import build_overlay
from hw_amc.rtl.shell.accelerator import Accelerator, emit_top
from hw_amc.sources import Sources

NAMES = ("kv260", "pynq-z1", "pynq-z2", "rfsoc2x2", "rfsoc4x2", "zcu104")
STANDINS = Path(__file__).with_name("standins") / "vivado.tcl"
GRAPH = small_graph()
_SPIRIT = {"s": component.SPIRIT}


def accelerator(board: str) -> Accelerator:
    """The real top module, with an empty core: nothing below the top matters to the overlay."""
    manifest = small_manifest(GRAPH, board)
    core = f"module {manifest.name}_core; endmodule\n"
    return Accelerator(Sources({f"{manifest.name}.v": emit_top(manifest), f"{manifest.name}_core.v": core}), manifest)


def project(board: str) -> Sources:
    return build_overlay(accelerator(board), config.load_board(board, BOARDS), BOARDS)


def ip_pins(text: str) -> str:
    """What the catalogue shows of a component.xml: version, free pins, interfaces, segments."""
    root = ElementTree.fromstring(text)
    mapped, buses, pins = set(), [], []
    for bus in root.iterfind("s:busInterfaces/s:busInterface", _SPIRIT):
        kind = bus.find("s:busType", _SPIRIT).get(f"{{{component.SPIRIT}}}library")
        ports = [port.text for port in bus.iterfind(".//s:physicalPort/s:name", _SPIRIT)]
        if kind == "interface":
            buses.append(bus.findtext("s:name", "", _SPIRIT))
        else:
            pins += [f"{port} I" for port in ports]
        mapped |= set(ports)
    free = {port.findtext("s:name", "", _SPIRIT) for port in root.iterfind("s:model/s:ports/s:port", _SPIRIT)} - mapped
    assert not free, f"ports outside every interface: {free}"
    (block,) = root.iterfind("s:memoryMaps/s:memoryMap/s:addressBlock/s:name", _SPIRIT)
    version = root.findtext("s:version", "", _SPIRIT)
    return f"{version} {{{' '.join(pins)}}} {{{' '.join(buses)}}} {{s_axi/{block.text}}}"


def environment(folder: Path, component_text: str) -> dict[str, str]:
    """Variables of the stand-ins for the IP that `component_text` describes."""
    root = ElementTree.fromstring(component_text)
    return {
        "PATH": "/usr/bin:/bin",
        "LOG": str(folder / "calls.txt"),
        "VIVADO": "2022.2",
        "SLACK": "0.4",
        "BOARD_PARTS": "",
        "IP_NAME": root.findtext("s:name", "", _SPIRIT),
        "IP_TOP": root.findtext(".//s:modelName", "", _SPIRIT),
        "IP_PINS": ip_pins(component_text),
    }


@dataclass(frozen=True)
class Run:
    """What a rehearsal printed and which commands it gave."""

    done: subprocess.CompletedProcess[str]
    folder: Path

    @property
    def ok(self) -> bool:
        return self.done.returncode == 0

    @property
    def said(self) -> str:
        return self.done.stdout + self.done.stderr

    @cached_property
    def calls(self) -> list[list[str]]:
        return [line.split("\t") for line in (self.folder / "calls.txt").read_text().splitlines()]

    def words(self, name: str) -> list[list[str]]:
        return [call[1:] for call in self.calls if call[0] == name]


def run_tcl(folder: Path, goal: str = "bit", **variables: str) -> Run:
    """Run a written overlay project; `variables` are the stand-ins' own, in lower case."""
    given = {name.upper(): value for name, value in variables.items()}
    done = subprocess.run(
        ["tclsh", str(STANDINS), str(folder / "build.tcl"), goal],
        env=environment(folder, (folder / "ip" / "component.xml").read_text()) | given,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Run(done, folder)


def rehearse(board: str, folder: Path, goal: str = "bit", **variables: str) -> Run:
    """Write a board's project and run it, with its board files installed unless `board_parts` says otherwise."""
    project(board).write(folder)
    variables.setdefault("board_parts", config.load_board(board, BOARDS).board_part)
    return run_tcl(folder, goal, **variables)
