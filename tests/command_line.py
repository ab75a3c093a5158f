"""The command line as a user calls it."""

from __future__ import annotations

import pytest

from hw_amc.cli import main as cli


def run(*arguments: str) -> int:
    """Exit code of `hw-amc` with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(arguments))
    return int(stopped.value.code or 0)
