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
from hw_amc.hls import backends
from hw_amc.hls.backends import SOLUTION, STEPS, HlsTool
from hw_amc.hls.description import DESCRIPTION

__all__ = ["SOLUTION", "STEPS", "VendorRun", "require_tool", "run"]


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
        raise ToolMissing(tool.remedy)
    return program


def run(
    folder: Path,
    backend: str,
    steps: Sequence[str] | None = None,
    done: Callable[[str, dict[str, Any]], None] | None = None,
) -> VendorRun | None:
    """Run scripts of a written project.

    Parameters
    ----------
    folder : Path
        Where the project was written; the tools' output is kept in `folder`/logs.
    backend : str
        The tool.
    steps : sequence of str, optional
        Names of the tool's steps, in their order; all of them by default.
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
    for name in steps if steps is not None else tool.steps:
        command = tool.command(program, name)
        try:
            found = _run_step(folder, name, command, tool)
        except ToolFailed as error:
            if tool.steps[name].needed:
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
    step, log = tool.steps[name], folder / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    for report in step.reports:
        # A report of an earlier run must not stand for this one.
        (folder / report).unlink(missing_ok=True)
    try:
        output = tools.run(command, folder, step.timeout_s, log=log)
    except ToolFailed as error:
        raise ToolFailed(f"{error}{_hint(tool, log)}") from error
    if not step.reports:
        if "PASS:" not in output:
            raise ToolFailed(f"{command[0]} ran {command[-1]} without the bench's PASS; read {log}")
        return {}
    for report in step.reports:
        if (folder / report).is_file():
            return step.parse((folder / report).read_text(encoding="utf-8", errors="replace"))
    names = " and no ".join(report.as_posix() for report in step.reports)
    raise ToolFailed(f"{command[0]} ran {command[-1]} but left no {names}; read {log}{_hint(tool, log)}")


def _hint(tool: HlsTool, log: Path) -> str:
    """What is known of a failure whose words stand in the log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return "".join(f"; {mend}" for words, mend in tool.hints.items() if re.search(words, text))
