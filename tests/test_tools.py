from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from processes import MARK, marked, names, wait_until_gone

from hw_amc import tools
from hw_amc.errors import HwAmcError, ToolFailed, ToolMissing


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


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


def test_the_first_complaint_comes_before_the_last_lines() -> None:
    said = "\n".join(["note", "a.cc:1: error: no such thing", *(f"in file {n}" for n in range(9))])
    wanted = "a.cc:1: error: no such thing | ... | in file 5 | in file 6 | in file 7 | in file 8"
    assert tools.complaint(said) == wanted
    assert tools.complaint("x" * 10_000) == "x" * 300


def test_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"sh was ended by SIGSEGV in "):
        tools.run(["sh", "-c", "kill -SEGV $$"], tmp_path)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"No space left on device; a disk is full: free some space, or let TMPDIR"):
        tools.run(["sh", "-c", "cat /proc/version >/dev/full"], tmp_path)


def test_arguments_are_not_read_by_a_shell(tmp_path: Path) -> None:
    arguments = ["$HOME", "a b", "*", "`id`", "x=1", "-n", "'", '"']
    said = tools.run([sys.executable, "-c", "import sys; print(sys.argv[1:])", *arguments], tmp_path)
    assert said == f"{arguments}\n"


def test_a_program_reads_nothing(tmp_path: Path) -> None:
    assert tools.run(["cat"], tmp_path) == ""


def test_a_hanging_program_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"longer than 0\.2 s"):
        tools.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, timeout_s=0.2)


def test_what_ignores_the_end_is_killed_with_its_children(tmp_path: Path, mark: str) -> None:
    script = "trap '' TERM; sleep 300 & sleep 300; sleep 300"
    with pytest.raises(ToolFailed, match="longer than"):
        tools.run(["sh", "-c", script], tmp_path, timeout_s=0.3, env={MARK: mark})
    assert wait_until_gone(mark, 5) == []


def test_what_a_good_program_leaves_behind_ends(tmp_path: Path, mark: str) -> None:
    assert tools.run(["sh", "-c", "sleep 300 & echo done"], tmp_path, env={MARK: mark}) == "done\n"
    assert wait_until_gone(mark, 5) == []


CALLER = """
import sys
from pathlib import Path
from hw_amc import tools
tools.handle_termination()
try:
    tools.run(["sh", "-c", "trap '' INT; (sleep 300; true) & sleep 300; true"], Path("/"))
finally:
    print("put away", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGKILL, -9, ""), (signal.SIGTERM, 143, "put away\n"), (signal.SIGHUP, 129, "put away\n")],
)
def test_programs_end_with_their_caller(number: int, code: int, said: str, mark: str) -> None:
    caller = subprocess.Popen([sys.executable, "-c", CALLER], env={**os.environ, MARK: mark}, stdout=subprocess.PIPE)
    until = time.monotonic() + 20
    while names(mark).count("sleep") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert names(mark).count("sleep") == 2
    caller.send_signal(number)
    out, _ = caller.communicate(timeout=20)
    assert (caller.returncode, out.decode()) == (code, said)
    assert wait_until_gone(mark, 10) == []


def test_ctrl_c_ends_the_programs(mark: str) -> None:
    caller = subprocess.Popen([sys.executable, "-c", CALLER], env={**os.environ, MARK: mark}, stderr=subprocess.PIPE)
    until = time.monotonic() + 20
    while names(mark).count("sleep") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    caller.send_signal(signal.SIGINT)
    _, said = caller.communicate(timeout=20)
    assert b"KeyboardInterrupt" in said
    assert wait_until_gone(mark, 10) == []


def test_a_missing_program_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"g\+\+ is not on PATH; install a C\+\+ compiler"):
        tools.run(["g++", "--version"], tmp_path)
    assert tools.find("g++", "vitis_hls") is None
    with pytest.raises(ToolMissing, match="make is not on PATH; apt-get install make"):
        tools.require("make")
    with pytest.raises(ToolMissing, match="iverilog is not on PATH"):
        tools.version("iverilog")


def test_the_programs_own_path_counts(tmp_path: Path) -> None:
    own = tmp_path / "bin" / "only-here"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho found\n")
    own.chmod(0o755)
    path = f"{own.parent}{os.pathsep}{os.environ['PATH']}"
    assert tools.run(["only-here"], tmp_path, env={"PATH": path}) == "found\n"


def test_a_version_is_one_line() -> None:
    said = tools.version("make")
    assert said.startswith("GNU Make")
    assert "\n" not in said


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(HwAmcError, match=r"gone is no folder \(any more\); true cannot run there"):
        tools.run(["true"], tmp_path / "gone")


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(HwAmcError, match=r"its output goes to .*no/log"):
        tools.run(["true"], tmp_path, log=tmp_path / "no" / "log")


def test_too_long_arguments_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="arguments are too long"):
        tools.run(["true", "x" * 3_000_000], tmp_path)


def test_nothing_is_left_by_a_run(tmp_path: Path, mark: str) -> None:
    tools.run(["true"], tmp_path, env={MARK: mark})
    assert marked(mark) == []
