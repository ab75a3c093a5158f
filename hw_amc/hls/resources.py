"""Files of the package that go into projects, with names filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def text(folder: str, name: str) -> str:
    """Return a file of hls/`folder`."""
    return files("hw_amc.hls").joinpath(folder, name).read_text(encoding="utf-8")


def fill(name: str, names: Mapping[str, Any]) -> str:
    """Return a template with every @NAME@ replaced."""
    filled = text("templates", name)
    for key, value in names.items():
        filled = filled.replace(f"@{key}@", str(value))
    return filled


def includes(source: str) -> list[str]:
    """Headers of ours that a header includes."""
    return re.findall(r'#include "(hw_amc_\w+\.h)"', source)
