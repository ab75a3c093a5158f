"""`hw-amc report --compare`: every figure of two models side by side, on the screen, in a page, for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import run
from test_report_pages import FULL, RTL, check, judged, model

from hw_amc import report
from hw_amc.graph import Graph
from hw_amc.report.compare import Figure


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models `a` and `b`, of which `b` is twice as fast, takes more, and is judged on the same frames."""
    monkeypatch.setenv("HW_AMC_ROOT", str(tmp_path))
    for seed, name in enumerate(("a", "b")):
        build = model(tmp_path, name)
        judged(build.parent, seed)
        report.merge(build, {"model": report.model_section(Graph.load(build.parent))}, FULL)
    faster = {**RTL, "R": 5, "cycles_per_frame": 5120, "frames_per_s": 24420.0, "percent": {"lut": 71.0, "ff": 63.0}}
    report.merge(tmp_path / "hls_projects" / "b" / "build", {"estimate": {"rtl": faster}})
    return tmp_path / "hls_projects"


def test_two_models_stand_side_by_side(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "--compare", "a", "b") == 0
    out = capsys.readouterr().out
    assert out.startswith("b is 2.00 times as fast (estimated). ")
    assert re.search(r"Frames/s +12,207 +24,420 +x 2\.00", out)
    assert re.search(r"LUT, % of the board +44\.0 % +71\.0 % +\+27\.0 points", out)
    assert re.search(r"FF, % of the board +63\.0 % +63\.0 % +=", out)
    assert re.search(r"Road +RTL, R = 10 +RTL, R = 5 +different", out)
    page = (two / "a" / "build" / "compare-b.html").read_text()
    check(page)
    assert '<td class="better">x 2.00' in page
    assert '<td class="worse">+27.0 points' in page
    assert page.count("<figure>") == 3


def test_the_same_for_programs(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "--compare", "a", "b", "--json", "--output", str(two / "x.html")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"] == ["a", "b"]
    speeds = {row["figure"]: row["values"] for row in found["speed"]}
    assert speeds["Cycles/frame"] == [10240, 5120]
    shares = {row["figure"]: row["values"] for row in found["accuracy"]}
    whole = [json.loads((two / name / "accuracy.json").read_text())["average"] for name in ("a", "b")]
    assert shares["Over all SNR"] == whole
    assert (two / "x.html").is_file()


def test_files_and_builds_of_one_model_are_compared(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = two / "kept.json"
    kept.write_text((two / "a" / "build" / "report.json").read_text())
    assert run("report", "--compare", str(two / "a" / "build" / "report.json"), str(kept)) == 0
    assert "Both are equally fast." in capsys.readouterr().out
    assert run("report", "--compare", "a", "a") == 0
    assert "a (A)" in capsys.readouterr().out


def test_what_is_hard_to_compare_is_said(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = {**RTL, "board": "zcu104", "clock_mhz": 250.0, "frames_per_s": 24414.0}
    report.merge(two / "b" / "build", {"estimate": {"rtl": elsewhere}})
    accuracy = json.loads((two / "b" / "accuracy.json").read_text())
    (two / "b" / "accuracy.json").write_text(json.dumps({**accuracy, "eval_set": {"frames": 7}}))
    assert run("report", "--compare", "a", "b") == 0
    out = capsys.readouterr().out
    assert "Of different boards: pynq-z2 and zcu104." in out
    assert "At different clocks: 125 and 250 MHz." in out
    assert "The accuracies are of different frames: frames 300 and frames 7." in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "report takes a model, or --compare and two"),
        (("a", "--compare", "a", "b"), 2, "report takes a model, or --compare and two"),
        (("a", "--output", "x.html"), 2, "--output belongs to --compare"),
        (("--compare", "a", "nobody"), 2, "unknown model 'nobody'"),
        (("--compare", "a", "gru_cnn_sparse07"), 2, "gru_cnn_sparse07 has no report.json yet; `hw-amc hls"),
    ],
)
def test_wrong_calls_are_one_line(
    two: Path, arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report", *arguments) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("values", "better", "text", "good"),
    [
        ((2.0, 3.0), 1, "+50.0 %", True),
        ((2.0, 3.0), -1, "+50.0 %", False),
        ((2.0, 5.0), 0, "x 2.50", None),
        ((3.0, 3.0), 1, "=", None),
        ((None, 3.0), 1, "", None),
        ((0.0, 3.0), 1, "+3", True),
    ],
)
def test_a_difference_says_how_much_and_whose_advantage(
    values: tuple[float | None, float | None], better: int, text: str, good: bool | None
) -> None:
    cell = Figure("x", values, ("measured", "measured"), better=better).row()[-1]
    assert (cell.text, cell.better) == (text, good)
