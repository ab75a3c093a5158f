"""`hw-amc classify` and `evaluate` with a network of two heads: answers, labels and figures are each head's own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from board_overlays import WEIGHTS, golden_overlay, trained_model
from command_line import run
from networks import mtl_graph

from hw_amc import report, sim_device
from hw_amc.flows.classify import to_answers
from hw_amc.graph import Graph
from hw_amc.radio import to_wire
from hw_amc.radio.answers import Answers
from hw_amc.verify.results import golden_logits

MODULATIONS, SIGNALS = ("PCW", "BPSK", "AM-DSB"), ("Airborne-detection", "Ground mapping", "SATCOM", "AM radio")
#: Names of a file for frames of each (modulation, signal).
PAIRS = (("pulsed", "Airborne-detection"), ("pulsed", "Ground mapping"), ("bpsk", "Satcom"), ("amdsb", "AM radio"))
SNRS, EACH = (0, 10, 18), 4


def network() -> Graph:
    graph = mtl_graph(np.random.default_rng(62), units=(16, 12), signed=True)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    return replace(graph, classes=(MODULATIONS, SIGNALS), weights_digest=digest)


GRAPH = network()
T = GRAPH.frame_len


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the trained model `both`, which is the current folder."""
    root = tmp_path / "ws"
    trained_model(root, "both")
    GRAPH.save(root / "hls_projects" / "both")
    monkeypatch.chdir(root)
    monkeypatch.delenv("HW_AMC_ROOT", raising=False)
    return root


def frames() -> np.ndarray:
    """(n, T, 2), in the order of the file's names."""
    rng = np.random.default_rng(5)
    return (0.6 * rng.standard_normal((len(PAIRS) * len(SNRS) * EACH, T, 2))).astype(np.float32)


def keys() -> list[tuple[str, str, int, int]]:
    return [(*pair, snr, number) for pair in PAIRS for snr in SNRS for number in range(EACH)]


def labelled(path: Path) -> Path:
    """Write a RadCom file: a modulation and a signal for each frame."""
    with h5py.File(path, "w") as file:
        for key, frame in zip(keys(), frames(), strict=True):
            file[str(key)] = frame.T.reshape(-1)
    return path


def recording(path: Path, names: tuple[str, ...] = ()) -> Path:
    """Write the frames one after another as SigMF, with one label each where names are given."""
    frames().reshape(-1).tofile(path.with_suffix(".sigmf-data"))
    marks = [{"core:sample_start": at * T, "core:sample_count": T, "core:label": name} for at, name in enumerate(names)]
    told = {"core:datatype": "cf32_le", "core:version": "1.2.0", "core:sample_rate": 1e6}
    meta = {"global": told, "captures": [{"core:sample_start": 0}], "annotations": marks}
    path.with_suffix(".sigmf-meta").write_text(json.dumps(meta))
    return path.with_suffix(".sigmf-meta")


def expected() -> Answers:
    return to_answers(GRAPH, golden_logits(GRAPH, to_wire(frames()), 0))


def truth() -> np.ndarray:
    """(n, 2) index into each head's classes."""
    heads = (
        {"pulsed": 0, "bpsk": 1, "amdsb": 2},
        {"Airborne-detection": 0, "Ground mapping": 1, "Satcom": 2, "AM radio": 3},
    )
    return np.array([(heads[0][mod], heads[1][sig]) for mod, sig, _, _ in keys()])


def sections(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = report.load(root / "hls_projects" / "both" / "build")["evaluation"]
    return found


def test_the_network_answers_in_several_ways() -> None:
    for head in range(2):
        assert len(np.unique(expected().labels[:, head])) > 1


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_every_frame_has_label_and_margin_of_each_head(
    workspace: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("classify", "both", str(recording(workspace / "air")), "--format", form) == 0
    out = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(out))) if form == "csv" else [json.loads(line) for line in out.splitlines()]
    answers = expected()
    assert len(rows) == len(frames())
    for row, labels, margins in zip(rows, answers.labels, answers.margins, strict=True):
        assert (row["label"], row["label_head1"]) == (MODULATIONS[labels[0]], SIGNALS[labels[1]])
        assert (float(row["margin"]), float(row["margin_head1"])) == tuple(margins)


def test_the_table_counts_the_answers_of_each_head(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("classify", "both", str(recording(workspace / "air"))) == 0
    out = capsys.readouterr().out.replace(" ", "")
    for head, names in enumerate(GRAPH.classes):
        for label, count in zip(*np.unique(expected().labels[:, head], return_counts=True), strict=True):
            assert f"│{names[label].replace(' ', '')}│{count}│{count / len(frames()):.1%}│" in out


def test_an_accelerator_answers_as_golden_does_in_both_heads(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sim_device.enable()
    meta = str(recording(workspace / "air"))
    assert run("classify", "both", meta, "--format", "csv") == 0
    by_golden = capsys.readouterr().out
    overlay = golden_overlay(workspace / "overlay", GRAPH)
    assert run("classify", "both", meta, "--format", "csv", "--overlay", str(overlay)) == 0
    assert capsys.readouterr().out == by_golden


def test_each_head_is_judged_by_its_own_labels(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "both", str(labelled(workspace / "radcom.h5"))) == 0
    said = capsys.readouterr()
    assert "not judged" not in said.err
    right = expected().labels == truth()
    snrs = np.array([snr for _, _, snr, _ in keys()])
    found = sections(workspace)
    assert list(found) == ["head0", "head1"]
    for head, name in enumerate(found):
        assert found[name]["frames"] == len(frames())
        assert found[name]["average_accuracy"] == round(right[:, head].mean(), 5)
        assert found[name]["accuracy_at_least_10_db"] == round(right[snrs >= 10, head].mean(), 5)
        assert found[name]["accuracy"] == {str(snr): round(right[snrs == snr, head].mean(), 5) for snr in SNRS}
        assert f"{right[:, head].mean():.1%}" in said.out
    assert found["head0"]["average_accuracy"] != found["head1"]["average_accuracy"]
    page = (workspace / "hls_projects" / "both" / "build" / "report.html").read_text()
    assert "Accuracy on radcom.h5, head0" in page
    assert "Accuracy on radcom.h5, head1" in page


def test_a_head_whose_class_no_label_gives_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(MODULATIONS[label] for label in truth()[:, 0])
    assert run("evaluate", "both", str(recording(workspace / "air", names))) == 0
    said = capsys.readouterr()
    assert said.err == "warning: air.sigmf-meta does not say what is right in output head1: not judged\n"
    found = sections(workspace)
    assert list(found) == ["head0"]
    assert found["head0"]["average_accuracy"] == round((expected().labels == truth())[:, 0].mean(), 5)
