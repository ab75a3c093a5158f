"""Readers of files answer any file with a result or one error of the package: what once broke one, and a slice."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import FOUND, TARGETS, Target, fuzz, outcome

KEPT = [(target, path) for target in TARGETS for path in sorted((FOUND / target.name).glob("*"))]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_wrong_files_are_read_or_refused(target: Target) -> None:
    counts, found = fuzz(target, seed=0, seconds=1.5, most=1000)
    assert list(found) == []
    assert counts["refused"] + counts["read"] == counts.total() > 0


@pytest.mark.parametrize(("target", "kept"), KEPT, ids=[f"{target.name}-{path.name}" for target, path in KEPT])
def test_what_once_broke_a_reader_is_refused(target: Target, kept: Path, tmp_path: Path) -> None:
    path = tmp_path / target.file
    target.make(path)
    path.write_bytes(kept.read_bytes())
    assert outcome(target, path) in ("read", "refused")
