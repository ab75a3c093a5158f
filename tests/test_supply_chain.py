"""Every pinned package has been looked at: docs/supply_chain.md has a row for it, of the version that is pinned."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    found = [line.partition(";")[0].strip().split("==") for line in lines if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def rows() -> dict[str, tuple[str, str]]:
    """Package -> (version, licence), of the table of pinned packages."""
    table = (ROOT / "docs" / "supply_chain.md").read_text().partition("## The pinned packages")[2]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    return {re.sub(r"[-_.]+", "-", row[0]).lower(): (row[1], row[2]) for row in cells[1:]}


def test_every_pinned_package_has_a_row_of_its_version() -> None:
    assert {name: version for name, (version, _) in rows().items()} == pins("constraints.txt")
    assert pins("constraints-base.txt").keys() <= rows().keys()


def test_every_row_has_a_licence() -> None:
    assert [name for name, (_, licence) in rows().items() if not re.search(r"[A-Z]{2}|Apache", licence)] == []
