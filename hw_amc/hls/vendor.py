"""Vivado HLS and Vitis HLS where they are on PATH: run the written scripts, read their reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw_amc import tools
from hw_amc.config import HlsSettings
from hw_amc.errors import ToolFailed
from hw_amc.files import load_json
from hw_amc.hls import reports
from hw_amc.hls.bench import DESCRIPTION

#: Programs that can run a project of each back end, in order of preference, with what comes before the script.
PROGRAMS: dict[str, dict[str, tuple[str, ...]]] = {
    "Vitis": {"vitis-run": ("--mode", "hls", "--tcl"), "vitis_hls": ("-f",)},
    "Vivado": {"vivado_hls": ("-f",)},
}
SOLUTION = Path("hw_amc_prj") / "solution1"
SYNTHESIS = SOLUTION / "syn" / "report" / "hw_amc_core_csynth.xml"
SIMULATION = SOLUTION / "sim" / "report" / "hw_amc_core_cosim.rpt"
EXPORT = SOLUTION / "impl" / "report" / "verilog" / "hw_amc_core_export.rpt"

Parser = Callable[[str], dict[str, Any]]
#: Script -> the report that it leaves, and its parser; csim only passes or fails.
STEPS: dict[str, tuple[Path, Parser] | None] = {
    "csim": None,
    "csynth": (SYNTHESIS, reports.parse_csynth),
    "cosim": (SIMULATION, reports.parse_cosim),
    "export": (EXPORT, reports.parse_export),
}


def run(folder: Path, settings: HlsSettings) -> dict[str, Any] | None:
    """Run csim, csynth, cosim and export of a written project.

    Parameters
    ----------
    folder : Path
        Where the Project was written; the tools' output is kept in `folder`/logs.
    settings : HlsSettings
        Its back end says which tool is wanted.

    Returns
    -------
    dict of step -> figures for `report.json["hls"]`, or None when no fitting tool is on PATH.

    Raises
    ------
    ToolFailed
        A tool failed, left no report, or found a difference.
    """
    programs = PROGRAMS[settings.backend]
    program = tools.find(*programs)
    if program is None:
        return None
    description = load_json(folder / DESCRIPTION)
    figures = {}
    for step, report in STEPS.items():
        command = [program, *programs[program], f"{step}.tcl"]
        found = _run_step(folder, step, command, report)
        figures[step] = {
            **found, "tool": program, "part": description["part"], "clock_ns": description["clock_ns"],
            "command": " ".join(command), "kind": "estimated" if step == "csynth" else "measured",
        }  # fmt: skip
    # csim and cosim run the bench, which fails on the first difference.
    frames = len((folder / "tb_data" / "samples.dat").read_text().splitlines()) // description["frame_len"]
    for step in ("csim", "cosim"):
        figures[step] |= {"frames": frames, "mismatches": 0}
    return figures


def _run_step(folder: Path, step: str, command: list[str], report: tuple[Path, Parser] | None) -> dict[str, Any]:
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    if report is not None:
        # A report of an earlier run must not stand for this one.
        (folder / report[0]).unlink(missing_ok=True)
    output = tools.run(command, folder, log=logs / f"{step}.log")
    if report is None:
        if "PASS:" not in output:
            raise ToolFailed(f"{command[0]} ran {step}.tcl without the bench's PASS; read {logs / f'{step}.log'}")
        return {}
    path, parse = folder / report[0], report[1]
    if not path.is_file():
        raise ToolFailed(f"{command[0]} ran {step}.tcl but left no {report[0]}; read {logs / f'{step}.log'}")
    return parse(path.read_text(encoding="utf-8", errors="replace"))
