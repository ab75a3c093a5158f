from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hw_amc import tools
from hw_amc.errors import ToolFailed, ToolMissing


def test_output_is_returned_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    program = "import os, sys; print(os.getcwd()); print(os.environ['X'], file=sys.stderr)"
    said = tools.run([sys.executable, "-c", program], tmp_path, env={"X": "42"}, log=log)
    assert str(tmp_path) in said
    assert "42" in said
    assert log.read_text() == said


def test_failure_ends_with_the_last_lines(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"exit code 3 in .*: first \| last"):
        tools.run([sys.executable, "-c", "print('first'); print('last'); raise SystemExit(3)"], tmp_path)


def test_a_hanging_program_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"longer than 0\.2 s"):
        tools.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, timeout_s=0.2)


def test_a_missing_program_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"g\+\+ is not on PATH; install a C\+\+ compiler"):
        tools.run(["g++", "--version"], tmp_path)
    assert tools.find("g++", "vitis_hls") is None
