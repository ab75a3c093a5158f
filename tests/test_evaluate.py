"""`hw-amc evaluate`: labelled frames of any file, by SNR and class, on the screen and in the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_overlays import golden_overlay
from command_line import run
from test_classify import GRAPH, T, air, expected, make_workspace, record

from hw_amc import report, sim_device
from hw_amc.errors import ConfigError
from hw_amc.flows.evaluate import Judged
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.report.schema import check_section

#: Frames with each label, at each SNR.
PARTS = (("b", 20, 16), ("c", 10, 12), ("d", 0, 10), ("fish", 0, 4))


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the trained model `small`, which is the current folder."""
    make_workspace(tmp_path / "ws")
    monkeypatch.chdir(tmp_path / "ws")
    monkeypatch.delenv("HW_AMC_ROOT", raising=False)
    return tmp_path / "ws"


def labelled(folder: Path, told: bool = True) -> Path:
    """Write `air` with labels, one after another, and SNRs where they are told."""
    meta = record(folder / "air", air())
    fields = json.loads(meta.read_text())
    first = 0
    for name, snr_db, frames in PARTS:
        mark: dict[str, Any] = {"core:sample_start": first * T, "core:sample_count": frames * T, "core:label": name}
        fields["annotations"].append({**mark, **({"capture_details:SNRdB": snr_db} if told else {})})
        first += frames
    meta.write_text(json.dumps(fields))
    return meta


def right() -> list[np.ndarray]:
    """Whether the answers to the frames of each part are right."""
    answers = expected(air()).labels[:, 0]
    ends = np.cumsum([frames for _, _, frames in PARTS])
    names = GRAPH.classes[0]
    parts = zip(PARTS[:3], np.split(answers, ends)[:3], strict=True)
    return [np.array([names[label] == name for label in part]) for (name, _, _), part in parts]


def section(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = report.load(folder / "hls_projects" / "small" / "build")["evaluation"]["head"]
    return found


def test_every_figure_is_counted_from_the_answers(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "small", str(labelled(workspace))) == 0
    loud, middle, low = right()
    assert 0 < np.concatenate(right()).mean() < 1
    found = section(workspace)
    assert found["frames"] == 38
    assert found["accuracy"] == {
        "0": round(low.mean(), 5), "10": round(middle.mean(), 5), "20": round(loud.mean(), 5)
    }  # fmt: skip
    assert found["average_accuracy"] == round(np.concatenate(right()).mean(), 5)
    assert found["accuracy_at_least_10_db"] == round(np.append(loud, middle).mean(), 5)
    rows = {row["sent"]: row["recognised"] for row in found["confusion"]}
    for (name, _, frames), part in zip(PARTS[:3], right(), strict=True):
        assert sum(rows[name].values()) == frames
        assert rows[name].get(name, 0) == part.sum()
    assert (found["source"], found["kind"]) == ("air.sigmf-meta", "measured")
    assert found["command"].startswith("hw-amc evaluate small ")
    said = capsys.readouterr()
    assert said.err == "warning: air.sigmf-meta: the network does not know fish; left out\n"
    out = said.out.replace(" ", "")
    for snr, part in ((20, loud), (10, middle), (0, low)):
        assert f"│{snr}│{len(part)}│{part.mean():.1%}│" in out
    for (name, _, frames), part in zip(PARTS[:3], right(), strict=True):
        assert f"│{name}│{frames}│{part.mean():.1%}│" in out


def test_the_report_has_a_chapter_of_it(workspace: Path) -> None:
    assert run("evaluate", "small", str(labelled(workspace))) == 0
    build = workspace / "hls_projects" / "small" / "build"
    page, text = (build / "report.html").read_text(), (build / "report.md").read_text()
    assert "Accuracy on air.sigmf-meta" in page
    assert f"{100 * np.concatenate(right()).mean():.1f} % of 38 frames" in text
    assert {"evaluation-head.svg", "evaluation-confusion-head.svg"} <= {
        path.name for path in (build / "report_pictures").iterdir()
    }


def test_frames_of_unknown_snr_have_no_curve(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "small", str(labelled(workspace, told=False))) == 0
    found = section(workspace)
    assert found["accuracy"] == {}
    assert "accuracy_at_least_10_db" not in found
    assert found["average_accuracy"] == round(np.concatenate(right()).mean(), 5)
    assert str(UNKNOWN_SNR_DB) not in capsys.readouterr().out
    pictures = workspace / "hls_projects" / "small" / "build" / "report_pictures"
    assert not (pictures / "evaluation-head.svg").exists()


def test_an_overlay_gives_the_same_figures(workspace: Path) -> None:
    sim_device.enable()
    meta = str(labelled(workspace))
    assert run("evaluate", "small", meta) == 0
    by_golden = section(workspace)
    overlay = golden_overlay(workspace / "overlay", GRAPH)
    assert run("evaluate", "small", meta, "--overlay", str(overlay)) == 0
    by_device = section(workspace)
    assert by_device["note"] == "classified by the simulated device"
    different = {key for key in by_golden if by_golden[key] != by_device[key]}
    assert different == {"note", "command"}


def test_what_cannot_be_judged_is_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    air().tofile("air.cf32")
    assert run("evaluate", "small", "air.cf32") == 7
    said = capsys.readouterr()
    assert "has no labels" in said.err
    assert said.err.count("\n") == 1
    meta = labelled(workspace)
    fields = json.loads(meta.read_text())
    fields["annotations"] = fields["annotations"][3:]
    meta.write_text(json.dumps(fields))
    assert run("evaluate", "small", str(meta)) == 7
    assert "holds fish, of which the network knows none" in capsys.readouterr().err
    assert not (workspace / "hls_projects" / "small" / "build" / "report.json").exists()


def test_confusion_counts_by_true_class() -> None:
    labels, answers = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    judged = Judged("head", ("a", "b", "c"), labels, answers, np.array([0, 10, 10, 20, UNKNOWN_SNR_DB]))
    np.testing.assert_array_equal(judged.confusion(), [[1, 1, 0], [1, 2, 0], [0, 0, 0]])
    assert judged.by_snr() == {0: (1, 1.0), 10: (2, 0.5), 20: (1, 1.0)}
    assert (judged.accuracy, judged.loud_accuracy) == (0.6, 2 / 3)


@pytest.mark.parametrize(
    "confusion", [[{"sent": "a"}], [{"sent": "a", "recognised": {}}], [{"sent": "a", "recognised": {"a": -1}}], {}]
)
def test_a_damaged_section_is_refused_by_name(confusion: Any) -> None:
    figures = {"source": "x", "frames": 1, "accuracy": {}, "average_accuracy": 1.0, "confusion": confusion}
    with pytest.raises(ConfigError, match=r"evaluation\.head\.confusion must be"):
        check_section({"evaluation": {"head": {**figures, "command": "x", "kind": "measured"}}})
