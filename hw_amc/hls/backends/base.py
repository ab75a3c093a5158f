"""What the rest of `hls` needs to know of a tool."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hw_amc.config import suggest
from hw_amc.errors import ConfigError

#: Our back ends of hls4ml are called this and the tool's name.
HOST_PREFIX = "HwAmc"
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
    #: Template of `project.tcl`: the tool's settings.
    template: str
    #: Pragmas that it knows under other names: what stands in our kernels, and what it reads; None: it reads nothing.
    pragmas: tuple[tuple[str, str | None], ...] = ()
    #: What is told to a user in whose output a pattern is found: pattern -> the mend.
    hints: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        TOOLS[self.name] = self

    @property
    def host_name(self) -> str:
        """Name of our back end of hls4ml."""
        return f"{HOST_PREFIX}{self.name}"

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
