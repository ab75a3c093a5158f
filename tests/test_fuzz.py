"""Readers of files answer any file with a result or one error of the package: what once broke one, and a slice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fuzz import FOUND, Reader, folder_of, fuzz, load, outcome, run_batch, save
from fuzz_inputs import make_input
from fuzz_targets import GOAL, HEAVY, LIGHT, READ, REFUSED, TARGETS, Target

KEPT = [(target, path) for target in TARGETS for path in sorted((FOUND / folder_of(target)).glob("*"))]


def named(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("target", LIGHT, ids=named)
def test_wrong_files_are_read_or_refused(target: Target) -> None:
    tally, done = run_batch(target, 0, range(1000), 1.0)
    assert list(tally.found) == []
    assert tally.counts[REFUSED] + tally.counts[READ] == done > 0


@pytest.mark.parametrize("target", HEAVY, ids=named)
def test_wrong_models_are_read_or_refused(target: Target) -> None:
    # Every 50th of those with one wrong value, then some others.
    tally = fuzz(target, 0, 3.0, [*range(0, 5000, 50), *range(10_000, 10_100)])
    assert list(tally.found) == []
    assert tally.counts[REFUSED] + tally.counts[READ] == tally.counts.total() > 0


@pytest.mark.parametrize(("target", "kept"), KEPT, ids=[f"{target.name}-{path.name}" for target, path in KEPT])
def test_what_once_broke_a_reader_is_refused(target: Target, kept: Path, tmp_path: Path) -> None:
    path = tmp_path / target.file
    path.parent.mkdir(exist_ok=True)
    target.make(path)
    path.write_bytes(kept.read_bytes())
    assert outcome(target, path) in (READ, REFUSED)


def reads(action: str) -> Target:
    """Give a reader that does wrong on a file of another first byte than the valid one."""

    def read(path: Path) -> None:
        if path.read_bytes() != b"good":
            exec(action, {})  # one of the lines below

    return Target("wrong", "a.bin", lambda path: path.write_bytes(b"good"), read)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("raise KeyError('x')", "KeyError at ?"),
        ("while True: pass", "Hang at ?"),
        ("bytearray(1500 << 20)", "MemoryError at ?"),
        ("import os; os.abort()", "Crash at SIGABRT"),
        ("import signal, time; signal.pthread_sigmask(0, [14]); time.sleep(60)", "Hang at SIGKILL"),
    ],
)
def test_what_a_reader_must_not_do_is_found(monkeypatch: pytest.MonkeyPatch, action: str, said: str) -> None:
    monkeypatch.setattr("fuzz.LONGEST_S", 0.3)
    monkeypatch.setattr("fuzz.DEAF_S", 0.3)
    target = reads(action)
    tally, done = run_batch(target, 0, range(1), 5.0)
    assert (list(tally.found), done, tally.counts["findings"]) == ([said], 1, 1)
    assert tally.found[said] == make_input(target.form(b"good"), b"good", 0, 0)


def test_a_run_goes_on_where_an_earlier_one_ended(tmp_path: Path) -> None:
    target = Target("right", "a.bin", lambda path: path.write_bytes(b"good"), lambda path: None)
    first = Reader(target)
    first.run(1, 60.0, 300, lambda: save(tmp_path / "fuzz.json", [first], 1))
    told = json.loads((tmp_path / "fuzz.json").read_text())["fuzz"]["readers"]["right"]
    assert (told["inputs"], told["next"], told["timed"], told["goal"]) == (300, 300, 300, GOAL)
    assert told["cpu_hours_to_goal"] > 0
    second = Reader(target)
    load(tmp_path / "fuzz.json", [second], 1)
    second.run(1, 60.0, 500)
    found = second.to_dict()
    assert (found["inputs"], found["read"], found["next"], found["timed"]) == (500, 500, 500, 500)
    assert found["cpu_s"] > told["cpu_s"]
    with pytest.raises(SystemExit, match="counts other inputs"):
        load(tmp_path / "fuzz.json", [Reader(target)], 2)
