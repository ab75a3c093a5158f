"""The HLS tools where they are on PATH: run the written scripts, read their reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_amc import tools
from hw_amc.errors import ToolFailed, ToolMissing
from hw_amc.files import load_json
from hw_amc.hls import backends, reports
from hw_amc.hls.backends import HlsTool
from hw_amc.hls.description import DESCRIPTION, TOP

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


def _nothing(text: str) -> dict[str, Any]:
    return {}


STEPS: dict[str, Step] = {
    "csim": Step((), _nothing),
    "csynth": Step((SOLUTION / "syn" / "report" / f"{TOP}_csynth.xml",), reports.parse_csynth),
    "cosim": Step((SOLUTION / "sim" / "report" / f"{TOP}_cosim.rpt",), reports.parse_cosim),
    # The overlay takes the Verilog of csynth: the export is a count by logic synthesis, and the IP for other designs.
    "export": Step((_EXPORT / "export_syn.rpt", _EXPORT / f"{TOP}_export.rpt"), reports.parse_export, needed=False),
}


@dataclass
class VendorRun:
    """What came of the scripts."""

    #: Step -> figures for `report.json["hls"]`.
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Step that nothing depends on -> why it failed.
    failed: dict[str, str] = field(default_factory=dict)


def require_tool(tool: HlsTool) -> str:
    """Return the program that runs a tool's scripts.

    Raises
    ------
    ToolMissing
        None is on PATH.
    """
    program = tools.find(*tool.programs)
    if program is None:
        raise ToolMissing(
            f"{' or '.join(tool.programs)} is not on PATH; install {tool.title} and source its settings64.sh"
        )
    return program


def run(
    folder: Path,
    backend: str,
    steps: Sequence[str] = tuple(STEPS),
    done: Callable[[str, dict[str, Any]], None] | None = None,
) -> VendorRun | None:
    """Run scripts of a written project.

    Parameters
    ----------
    folder : Path
        Where the project was written; the tools' output is kept in `folder`/logs.
    backend : str
        The tool.
    steps : sequence of str
        Names of `STEPS`, in their order.
    done : callable, optional
        Takes each step's name and figures as soon as they are there, whatever a later step does.

    Returns
    -------
    VendorRun, or None when no program of the tool is on PATH.

    Raises
    ------
    ToolFailed
        A step that the accelerator needs failed, left no report, or found a difference.
    """
    tool = backends.find(backend)
    program = tools.find(*tool.programs)
    if program is None:
        return None
    description = load_json(folder / DESCRIPTION)
    # csim and cosim run the bench, which fails on the first difference.
    frames = len((folder / "tb_data" / "samples.dat").read_text().splitlines()) // description["frame_len"]
    outcome = VendorRun()
    for name in steps:
        command = [program, *tool.programs[program], f"{name}.tcl"]
        try:
            found = _run_step(folder, name, command, tool)
        except ToolFailed as error:
            if STEPS[name].needed:
                raise
            outcome.failed[name] = str(error)
            continue
        compared = {"frames": frames, "mismatches": 0} if name in ("csim", "cosim") else {}
        outcome.figures[name] = {
            **found, **compared, "tool": program, "part": description["part"], "clock_ns": description["clock_ns"],
            "command": " ".join(command), "kind": "estimated" if name == "csynth" else "measured",
        }  # fmt: skip
        if done is not None:
            done(name, outcome.figures[name])
    return outcome


def _run_step(folder: Path, name: str, command: list[str], tool: HlsTool) -> dict[str, Any]:
    step, log = STEPS[name], folder / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    for report in step.reports:
        # A report of an earlier run must not stand for this one.
        (folder / report).unlink(missing_ok=True)
    try:
        output = tools.run(command, folder, log=log)
    except ToolFailed as error:
        raise ToolFailed(f"{error}{_hint(tool, log)}") from error
    if not step.reports:
        if "PASS:" not in output:
            raise ToolFailed(f"{command[0]} ran {name}.tcl without the bench's PASS; read {log}")
        return {}
    for report in step.reports:
        if (folder / report).is_file():
            return step.parse((folder / report).read_text(encoding="utf-8", errors="replace"))
    names = " and no ".join(report.as_posix() for report in step.reports)
    raise ToolFailed(f"{command[0]} ran {name}.tcl but left no {names}; read {log}{_hint(tool, log)}")


def _hint(tool: HlsTool, log: Path) -> str:
    """What is known of a failure whose words stand in the log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return "".join(f"; {mend}" for words, mend in tool.hints.items() if re.search(words, text))
