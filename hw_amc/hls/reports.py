"""Reports of Vivado HLS, Vitis HLS and bambu as figures."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

from hw_amc.errors import DataError, ToolFailed
from hw_amc.untrusted import parse_xml

#: The tools' names of resources -> ours. Vivado HLS says DSP48E, Vitis HLS DSP; block RAMs are halves (18 kbit).
RESOURCES = {"LUT": "lut", "FF": "ff", "DSP": "dsp", "DSP48E": "dsp", "BRAM_18K": "bram18", "BRAM": "bram18",
             "URAM": "uram"}  # fmt: skip

#: A process of bambu's core, as the linker calls it; what is said of each.
_PROCESS = re.compile(r"process_(\w+?)R10ac_channel")
_BAMBU = {
    "states": re.compile(r"Number of states: (\d{1,18})$", re.ASCII),
    "area": re.compile(r"Total estimated area: (\d{1,18})$", re.ASCII),
    "dsp": re.compile(r"Estimated number of DSPs: (\d{1,18})$", re.ASCII),
    "ff": re.compile(r"Total number of flip-flops in function .*: (\d{1,18})$", re.ASCII),
}

_COUNT = re.compile(r"[0-9]{1,18}")

#: Shortest clock period that is believed.
_SHORTEST_NS = 1e-3


def parse_csynth(text: str) -> dict[str, Any]:
    """Read `<top>_csynth.xml`.

    Returns
    -------
    dict with latency_cycles and interval_cycles (worst case; absent where the tool cannot tell), fmax_mhz of the
    estimated clock, lut, ff, dsp, bram18, bram36, uram, and percent of the part by resource.

    Raises
    ------
    DataError
        The text is not such a report.
    """
    root = parse_xml(re.sub(r'\sxmlns="[^"]+"', "", text, count=1), "run csynth.tcl again: its report is no XML")
    period = root.findtext("./PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod")
    used = _resources(root, "Resources")
    if period is None or not used:
        raise DataError("the C synthesis report lacks the clock or the resources; run csynth.tcl again")
    figures: dict[str, Any] = {"fmax_mhz": _clock_mhz(period, "csynth.tcl"), **used}
    latency = "./PerformanceEstimates/SummaryOfOverallLatency/"
    for key, tag in (("latency_cycles", "Worst-caseLatency"), ("interval_cycles", "Interval-max")):
        value = root.findtext(latency + tag)
        # "undef" and "?" stand for a loop whose bounds the tool does not know.
        if value is not None and _COUNT.fullmatch(value.strip()):
            figures[key] = int(value)
    available = _resources(root, "AvailableResources")
    figures["percent"] = {
        key: round(100 * used[key] / available[key], 2) for key in used if key != "bram18" and available.get(key)
    }
    return figures


def parse_cosim(text: str) -> dict[str, Any]:
    """Read `<top>_cosim.rpt`.

    Returns
    -------
    dict with latency_cycles and interval_cycles (largest; absent where the run had too few frames to tell).

    Raises
    ------
    ToolFailed
        The simulation did not pass.
    DataError
        The text has no line for Verilog.
    """
    row = next((line for line in text.splitlines() if re.match(r"\s*\|\s*Verilog\s*\|", line)), None)
    if row is None:
        raise DataError("the RTL co-simulation report has no line for Verilog; run cosim.tcl again")
    _, status, *cells = (cell.strip() for cell in [*row.strip().strip("|").split("|"), ""])
    if status.lower() != "pass":
        raise ToolFailed(f"RTL co-simulation: {status}; read logs/cosim.log")
    if len(cells) < 7:
        raise DataError("the RTL co-simulation report lacks latency and interval; run cosim.tcl again")
    figures = {"latency_cycles": cells[2], "interval_cycles": cells[5]}
    return {key: int(cell) for key, cell in figures.items() if _COUNT.fullmatch(cell)}


def parse_export(text: str) -> dict[str, Any]:
    """Read `<top>_export.rpt`, the utilisation and clock that logic synthesis found.

    Raises
    ------
    DataError
        The text has no resources.
    """
    figures: dict[str, Any] = {}
    for name, value in re.findall(r"^\s*(\w+):\s+(\d{1,18})\s*$", text, re.MULTILINE | re.ASCII):
        if name in RESOURCES:
            figures[RESOURCES[name]] = int(value)
    if not {"lut", "ff"} <= figures.keys():
        raise DataError("the export report lacks the resources; run export.tcl again")
    # The implemented clock stands behind the synthesised one, where there is one.
    achieved = re.findall(r"CP achieved post-\w+:\s+([\d.]+)", text, re.ASCII)
    if achieved and achieved[-1].strip("0."):
        figures["fmax_mhz"] = _clock_mhz(achieved[-1], "export.tcl")
    return _with_bram36(figures)


def parse_bambu(text: str) -> dict[str, Any]:
    """Read what bambu says of its schedule and binding.

    Returns
    -------
    dict with ff and dsp of all processes, and `blocks`: for each process its states, flip-flops, DSP blocks, and its
    area in the tool's own units.

    Raises
    ------
    DataError
        The text tells of no process.
    """
    blocks: dict[str, dict[str, Any]] = {}
    process = None
    for line in text.splitlines():
        if "function " in line:
            found = _PROCESS.search(line)
            process = found.group(1) if found else None
        for key, pattern in _BAMBU.items():
            figure = pattern.search(line)
            if process is not None and figure is not None:
                blocks.setdefault(process, {"name": process})[key] = int(figure.group(1))
    if not blocks or any(len(block) <= len(_BAMBU) for block in blocks.values()):
        raise DataError("bambu's log tells of no process, or not all of one; run csynth.sh again")
    rows = [blocks[name] for name in sorted(blocks)]
    return {"ff": sum(row["ff"] for row in rows), "dsp": sum(row["dsp"] for row in rows), "blocks": rows}


def _clock_mhz(period_ns: str, script: str) -> float:
    """Clock of a period, MHz; DataError where it is none."""
    try:
        period = float(period_ns)
    except ValueError:
        period = math.nan
    if not _SHORTEST_NS <= period <= 1 / _SHORTEST_NS:
        raise DataError(f"a report has a clock period of {repr(period_ns)[:40]}; run {script} again")
    return round(1000 / period, 2)


def _resources(root: ElementTree.Element, group: str) -> dict[str, Any]:
    found = root.find(f"./AreaEstimates/{group}")
    figures = {
        RESOURCES[item.tag]: int(item.text)
        for item in (found if found is not None else ())
        if item.tag in RESOURCES and item.text and _COUNT.fullmatch(item.text.strip())
    }
    return _with_bram36(figures)


def _with_bram36(figures: dict[str, Any]) -> dict[str, Any]:
    if "bram18" in figures:
        figures["bram36"] = figures["bram18"] / 2
    return figures
