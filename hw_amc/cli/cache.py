"""The command `hw-amc cache`: what is kept of slow work, and how to throw it away."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from hw_amc.cli.output import printer
from hw_amc.errors import ConfigError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def cache(
    prune: Annotated[bool, typer.Option("--prune", help="Remove what was used longest ago.")] = False,
    keep: Annotated[str, typer.Option(help="What --prune leaves: bytes, or 500M, 2G.")] = "0",
) -> None:
    """List compiled simulators, kernels and adder graphs that later runs take again, and prune them."""
    from hw_amc import cache as store

    root = store.default_root()
    if prune:
        removed, freed = store.prune(_bytes(keep), root)
        printer.line(f"{removed} entries removed, {_told(freed)} freed")
        printer.result({"removed": removed, "freed_bytes": freed})
        return
    found = store.entries(root)
    rows = [(entry.kind, entry.key[:12], _told(entry.size), _when(entry.used)) for entry in found]
    printer.table(("kind", "entry", "size", "last used"), rows, str(root))
    entries = [{"kind": each.kind, "key": each.key, "bytes": each.size, "used": each.used} for each in found]
    printer.result({"folder": root, "entries": entries})
    printer.line(f"{len(found)} entries, {_told(sum(entry.size for entry in found))}")


def _when(used: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(used))


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    if unit not in _UNITS or not number.isdecimal() or len(number) > 15:
        raise ConfigError(f"--keep takes bytes, or a number with k, M or G behind it, not {text!r}")
    return int(number) * _UNITS[unit]


def _told(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
