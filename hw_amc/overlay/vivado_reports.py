"""Vivado's text reports as numbers, in the schema of report.json's `synth` section."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw_amc.config import BoardSettings
from hw_amc.errors import DataError
from hw_amc.untrusted import read_text

#: Resource -> the row that counts it: 7 series, then UltraScale+.
_ROWS = {
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers"),
    "dsp": ("DSPs",),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
    "carry": ("CARRY8", "CARRY4"),
}
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


@dataclass(frozen=True)
class Timing:
    """Worst slacks and failing endpoints of a routed design, ns."""

    wns_ns: float
    tns_ns: float
    failing: int
    endpoints: int
    whs_ns: float

    @property
    def met(self) -> bool:
        """Whether setup and hold hold everywhere."""
        return self.wns_ns >= 0 and self.whs_ns >= 0


def parse_utilization(text: str) -> dict[str, float]:
    """Read `report_utilization`: used resources by the names of `Budget`; block RAM counts in halves.

    Raises
    ------
    DataError
        The text has no table of LUTs and registers.
    """
    used: dict[str, float] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 2 or not line.lstrip().startswith("|"):
            continue
        name = cells[0].rstrip("*").strip()
        for resource, rows in _ROWS.items():
            if name in rows and _NUMBER.fullmatch(cells[1]):
                used.setdefault(resource, float(cells[1]))
    if not {"lut", "ff"} <= used.keys():
        raise DataError("not a utilization report of Vivado: no row of LUTs and registers")
    return used


def parse_timing(text: str) -> Timing:
    """Read the design summary of `report_timing_summary`.

    Raises
    ------
    DataError
        The text has no design timing summary, or no constrained path.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.split()[:2] == ["WNS(ns)", "TNS(ns)"] and number + 2 < len(lines):
            cells = lines[number + 2].split()
            if len(cells) < 8 or not all(_NUMBER.fullmatch(cell) for cell in cells[:5]):
                raise DataError("the timing report has no constrained path: no clock reached the design")
            wns, tns, failing, endpoints, whs = (float(cell) for cell in cells[:5])
            return Timing(wns, tns, int(failing), int(endpoints), whs)
    raise DataError("not a timing summary of Vivado: no line with WNS(ns)")


def load_implementation(build: Path, board: BoardSettings) -> dict[str, Any]:
    """Read the reports of a finished overlay as the figures of `synth.<board>`, timing included.

    Parameters
    ----------
    build : Path
        Folder that Vivado's run wrote utilization.rpt and timing.rpt to.
    board : BoardSettings

    Raises
    ------
    DataError
        A report is missing or is none.
    """
    used = parse_utilization(_read(build / "utilization.rpt"))
    timing = parse_timing(_read(build / "timing.rpt"))
    budget = {name: value for name, value in board.budget.model_dump().items() if value is not None}
    percent = {name: 100.0 * value / budget[name] for name, value in used.items() if name in budget}
    counts = {name: int(value) if value == int(value) else value for name, value in used.items() if name in budget}
    return {
        "tool": "vivado",
        "kind": "measured",
        "part": board.part,
        **counts,
        "percent": percent,
        "clock_mhz": board.clock_mhz,
        "timing": asdict(timing),
    }


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except DataError as error:
        raise DataError(f"{error}; run the implementation first") from error
