"""The command that runs now, and paths as a person at the terminal reads them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def command_line() -> str:
    """Return the command that runs now, as a user would type it."""
    return shlex.join(["hw-amc", *sys.argv[1:]])


def shown(path: Path) -> str:
    """Return a path relative to here where that is shorter."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
