"""What the rest of `hls` needs to know of a tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_amc.config import suggest
from hw_amc.errors import ConfigError
from hw_amc.hls import reports

#: Top function.
TOP = "hw_amc_core"
#: Our back ends of hls4ml are called this and the tool's name.
HOST_PREFIX = "HwAmc"
#: Where a tool's Verilog and reports lie in a project: Vivado HLS' and Vitis HLS' folders, in which others look.
SOLUTION = Path(f"{TOP}_prj") / "solution1"
_EXPORT = SOLUTION / "impl" / "report" / "verilog"

Parser = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Step:
    """One script of a project."""

    #: Reports that it may leave, the releases' names for the same one; none: it only passes or fails.
    reports: tuple[Path, ...]
    parse: Parser
    #: Whether the accelerator needs it.
    needed: bool = True
    #: Seconds after which it is ended; None: it may take hours.
    timeout_s: float | None = None


def _nothing(text: str) -> dict[str, Any]:
    return {}


CSIM = Step((), _nothing)
#: Of Vivado HLS and Vitis HLS.
STEPS: dict[str, Step] = {
    "csim": CSIM,
    "csynth": Step((SOLUTION / "syn" / "report" / f"{TOP}_csynth.xml",), reports.parse_csynth),
    "cosim": Step((SOLUTION / "sim" / "report" / f"{TOP}_cosim.rpt",), reports.parse_cosim),
    # The overlay takes the Verilog of csynth: the export is a count by logic synthesis, and the IP for other designs.
    "export": Step((_EXPORT / "export_syn.rpt", _EXPORT / f"{TOP}_export.rpt"), reports.parse_export, needed=False),
}
#: hls4ml's name of a tool -> the tool.
TOOLS: dict[str, HlsTool] = {}


@dataclass(frozen=True)
class HlsTool:
    """A tool that makes hardware of the written C++; it registers itself."""

    #: hls4ml's name of it.
    name: str
    title: str
    #: Programs that can run its scripts, in order of preference, with what comes before the script.
    programs: Mapping[str, tuple[str, ...]]
    #: Share of the clock period that it keeps back for routing, by default.
    clock_uncertainty: float
    #: Template of `project.tcl`: the tool's settings; none: it reads no Tcl.
    template: str = ""
    #: Pragmas that it knows under other names: what stands in our kernels, and what it reads; None: it reads nothing.
    pragmas: tuple[tuple[str, str | None], ...] = ()
    #: What is told to a user in whose output a pattern is found: pattern -> the mend.
    hints: Mapping[str, str] = field(default_factory=dict)
    #: What puts its programs on PATH.
    install: str = "install {title} and source its settings64.sh"
    #: Its scripts by name, in their order.
    steps: Mapping[str, Step] = field(default_factory=lambda: STEPS)

    def __post_init__(self) -> None:
        TOOLS[self.name] = self

    @property
    def host_name(self) -> str:
        """Name of our back end of hls4ml."""
        return f"{HOST_PREFIX}{self.name}"

    @property
    def remedy(self) -> str:
        """What is told to a user who has none of its programs."""
        return f"{' or '.join(self.programs)} is not on PATH; {self.install.format(title=self.title)}"

    @property
    def absence(self) -> str:
        """What is said where none of its programs is on PATH."""
        programs = sorted(name for tool in TOOLS.values() if tool.steps is self.steps for name in tool.programs)
        steps = [_STEP_WORDS[step] for step in self.steps if step != "csim"]
        return f"{_listed(programs)} {'are' if programs[1:] else 'is'} not on PATH: {_listed(steps)} did not run"

    def scripts(self) -> dict[str, str]:
        """File of a project -> template, of what runs the tool."""
        return {**{f"{step}.tcl": f"{step}.tcl" for step in self.steps}, "project.tcl": self.template}

    def command(self, program: str, step: str) -> list[str]:
        """Return the command line that runs a script."""
        return [program, *self.programs[program], f"{step}.tcl"]

    def own_sources(self, network: str, core: str) -> dict[str, str]:
        """Return what it compiles beside or in place of the common files, from the text of network and core."""
        return {}

    def fifo_room(self, numbers: int, bits: int) -> int | None:
        """Return how many elements of so many numbers its FIFOs hold at most; None: as many as is asked for."""
        return None

    def dialect(self, text: str) -> str:
        """C++ with the pragmas that this tool knows."""
        lines = (self._line(line) for line in text.split("\n"))
        return "\n".join(line for line in lines if line is not None)

    def _line(self, line: str) -> str | None:
        if "#pragma HLS" not in line:
            return line
        for pattern, words in self.pragmas:
            if re.search(pattern, line):
                return None if words is None else re.sub(pattern, words, line)
        return line


#: What steps are called in messages.
_STEP_WORDS = {"csynth": "csynth", "cosim": "RTL co-simulation", "export": "export"}


def _listed(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


#: Releases before AMD's patch write the date into a revision number, which no longer fits 32 bits since 2022.
Y2K22 = {
    r"'2\d{9}' is an invalid argument. Please specify an integer value|core_revision 2\d{9}": (
        "this release lacks AMD's y2k22 patch, which every one up to 2021.2 needs: answer record 76960"
    )
}


def find(name: str) -> HlsTool:
    """Return the tool of that name, in any case.

    Raises
    ------
    ConfigError
        There is none; the message names those that there are.
    """
    found = next((tool for tool in TOOLS.values() if tool.name.lower() == name.lower()), None)
    if found is None:
        raise ConfigError(f"hls.backend = {name!r}: no such HLS tool{suggest(name, sorted(TOOLS))}")
    return found
