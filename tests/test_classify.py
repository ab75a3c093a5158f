"""`hw-amc classify`: any recording to answers, in every form, by golden and through the driver."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import sigmf
import typer
from board_overlays import WEIGHTS, golden_overlay, small_graph, trained_model
from command_line import run
from networks import hakimi_graph

from hw_amc import sim_device
from hw_amc.cli.main import app
from hw_amc.flows.classify import classify, make_entry, open_classifier, open_recording, to_answers
from hw_amc.flows.rtl import RtlFlow, RtlOptions
from hw_amc.graph import Graph
from hw_amc.interface.gain import AutomaticGain
from hw_amc.radio import CLASSES, CaptureOptions, open_frames, to_wire
from hw_amc.radio.answers import Answers, Timeline
from hw_amc.radio.level import Level
from hw_amc.radio.quality import InputPath
from hw_amc.verify.results import golden_logits


def network(frame_len: int = 16) -> Graph:
    """A small network, which answers to `air` by three classes."""
    graph = hakimi_graph(np.random.default_rng(26), frame_len)
    return replace(graph, weights_digest=hashlib.sha256(WEIGHTS).hexdigest())


GRAPH = network()
T = GRAPH.frame_len
FRAMES = 50
#: Samples that fill no frame.
REST = 5
TRAINED = """
[data]
recipe = "radioml2018-v1"
train = [[0, 0, 1, 1]]
validation = [[0, 0, 1, 1]]
test = [[0, 0, 1, 1]]

[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 16, steps = 1, batch = 1, learning_rate = 1e-3 }]
"""


def make_workspace(root: Path) -> None:
    """Make a workspace with `GRAPH` as the trained model `small`."""
    trained_model(root, "small")
    GRAPH.save(root / "hls_projects" / "small")
    (root / "hls_projects" / "small" / "train.toml").write_text(TRAINED)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the trained model `small`, which is the current folder."""
    make_workspace(tmp_path / "ws")
    monkeypatch.chdir(tmp_path / "ws")
    monkeypatch.delenv("HW_AMC_ROOT", raising=False)
    return tmp_path / "ws"


def air(power: float = 1.0, frames: int = FRAMES, seed: int = 3) -> np.ndarray:
    """Noise, complex64: `frames` frames and `REST` samples, every frame of the same power."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((frames, T, 2)) @ [1, 1j]
    samples *= np.sqrt(power / np.square(np.abs(samples)).mean(axis=1, keepdims=True))
    return np.append(samples.ravel(), samples.ravel()[:REST]).astype(np.complex64)


def record(path: Path, samples: np.ndarray, **fields: Any) -> Path:
    """Write a SigMF recording by hand."""
    samples.tofile(path.with_suffix(".sigmf-data"))
    told = {"core:datatype": "cf32_le", "core:version": "1.2.0", "core:sample_rate": 1e6, **fields}
    meta = {"global": told, "captures": [{"core:sample_start": 0}], "annotations": []}
    path.with_suffix(".sigmf-meta").write_text(json.dumps(meta))
    return path.with_suffix(".sigmf-meta")


def expected(samples: np.ndarray, gain: float = 1.0, shift: int = 0, normalise: Any = "rms") -> Answers:
    """Answers to the frames of complex samples, by what the command is made of; recordings are normalised."""
    frames = samples[: len(samples) // T * T].view(np.float32).reshape(-1, T, 2) * np.float32(gain)
    return to_answers(GRAPH, golden_logits(GRAPH, to_wire(frames, normalise=normalise), shift))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def told(rows: list[dict[str, str]]) -> list[tuple[str, float]]:
    return [(row["label"], float(row["margin"])) for row in rows]


def wanted(answers: Answers) -> list[tuple[str, float]]:
    names = GRAPH.classes[0]
    return [(names[label], margin) for label, margin in zip(answers.labels[:, 0], answers.margins[:, 0], strict=True)]


def test_the_network_tells_the_frames_apart() -> None:
    assert np.count_nonzero(np.bincount(expected(air()).labels[:, 0]) > 3) >= 3


def test_margins_are_leads_of_real_logits() -> None:
    raw = np.array([[5, 9, 2, 0, 0], [-4, -4, -9, -5, -5]], np.int32)
    found = to_answers(GRAPH, raw)
    np.testing.assert_array_equal(found.labels, [[1], [0]])
    np.testing.assert_array_equal(found.margins, np.array([[4], [0]]) / 2.0**GRAPH.logit_frac)


def write_cf32(path: Path) -> Path:
    air().tofile(path.with_suffix(".cf32"))
    return path.with_suffix(".cf32")


def write_npy(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), air())
    return path.with_suffix(".npy")


def write_archive(path: Path) -> Path:
    recording = sigmf.fromfile(record(path, air()))
    recording.archive(path.with_suffix(".sigmf"), overwrite=True)
    return path.with_suffix(".sigmf")


@pytest.mark.parametrize("write", [write_cf32, write_npy, write_archive, lambda path: record(path, air())])
def test_every_frame_of_a_recording_is_answered(
    workspace: Path, capsys: pytest.CaptureFixture[str], write: Any
) -> None:
    path = write(workspace / "air")
    assert run("classify", "small", str(path), "--format", "csv") == 0
    said = capsys.readouterr()
    rows = rows_of(said.out)
    assert told(rows) == wanted(expected(air()))
    assert [int(row["sample"]) for row in rows] == [T * number for number in range(FRAMES)]
    rate = 1e6 if "sigmf" in path.name else None
    times = ["" if rate is None else str(T * number / rate) for number in range(FRAMES)]
    assert [row["time_s"] for row in rows] == times
    assert "50 frames by golden; level +0.0 dB" in said.err
    assert "warning" not in said.err


def test_frames_of_a_set_have_numbers_and_no_time(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = air()[: FRAMES * T].view(np.float32).reshape(-1, T, 2)
    with h5py.File("set.h5", "w") as file:
        file["X"], file["Z"] = frames, np.zeros((FRAMES, 1), np.int64)
        file["Y"] = np.eye(len(CLASSES), dtype=np.int64)[np.zeros(FRAMES, int)]
    assert run("classify", "small", "set.h5", "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["label"], row["margin"]) for row in rows] == wanted(expected(air(), normalise="none"))
    assert [(row["frame"], row["sample"], row["time_s"]) for row in rows] == [(n, None, None) for n in range(FRAMES)]
    assert run("classify", "small", "set.h5", "--annotate") == 7
    assert "no recording whose samples follow each other" in capsys.readouterr().err


def test_labels_of_a_recording_hide_nothing_of_it(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta = record(workspace / "air", air())
    fields = json.loads(meta.read_text())
    mark = {"core:sample_start": 40, "core:sample_count": 3 * T, "core:label": "QPSK"}
    fields["annotations"] = [mark, {**mark, "core:sample_start": 50, "core:label": "FM"}]
    meta.write_text(json.dumps(fields))
    assert run("classify", "small", str(meta), "--format", "csv") == 0
    assert told(rows_of(capsys.readouterr().out)) == wanted(expected(air()))


def test_no_frame_crosses_the_start_of_a_capture(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta = record(workspace / "air", air())
    fields = json.loads(meta.read_text())
    fields["captures"].append({"core:sample_start": 3 * T + 7})
    meta.write_text(json.dumps(fields))
    assert run("classify", "small", str(meta), "--format", "csv", "--annotate") == 0
    starts = [int(row["sample"]) for row in rows_of(capsys.readouterr().out)]
    assert starts == [0, T, 2 * T, *range(3 * T + 7, FRAMES * T - T + 1, T)]
    for item in json.loads((workspace / "air.small.sigmf-meta").read_text())["annotations"]:
        start, end = item["core:sample_start"], item["core:sample_start"] + item["core:sample_count"]
        assert end <= 3 * T or start >= 3 * T + 7


def test_two_files_are_one_csv(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(("a.cf32", "b.cf32")):
        air(frames=2, seed=number).tofile(name)
    assert run("classify", "small", "a.cf32", "b.cf32", "--format", "csv") == 0
    rows = rows_of(capsys.readouterr().out)
    assert [(row["file"], row["frame"]) for row in rows] == [
        ("a.cf32", "0"),
        ("a.cf32", "1"),
        ("b.cf32", "0"),
        ("b.cf32", "1"),
    ]


def test_the_table_shows_frames_then_stretches(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    air(frames=3).tofile("few.cf32")
    air().tofile("many.cf32")
    assert run("classify", "small", "few.cf32", "many.cf32") == 0
    out = capsys.readouterr().out
    answers, few = expected(air()), expected(air(frames=3))
    for number, (label, margin) in enumerate(wanted(few)):
        assert f"│{T * number}│1│{label}│{margin:.3f}│" in out.replace(" ", "")
    counts = np.bincount(answers.labels[:, 0], minlength=5)
    for name, count in zip(GRAPH.classes[0], counts, strict=True):
        assert count == 0 or f"│{name}│{count}│{count / FRAMES:.1%}│" in out.replace(" ", "")


def test_equal_answers_are_one_stretch_unless_samples_are_missing() -> None:
    labels = np.array([[0], [0], [1], [1], [1]], np.int16)
    answers = Answers(0, labels, np.array([[1.0], [2.0], [3.0], [5.0], [7.0]]))
    gap = Timeline(answers, 10, np.array([0, 10, 20, 30, 45]), None)
    found = [(item.first, item.frames, item.start, item.samples, item.label, item.margin) for item in gap.stretches()]
    assert found == [(0, 2, 0, 20, 0, 1.5), (2, 2, 20, 20, 1, 4.0), (4, 1, 45, 10, 1, 7.0)]
    assert not gap.is_gapless
    frames = Timeline(answers, 10, None, None)
    assert [(item.first, item.frames, item.start) for item in frames.stretches()] == [(0, 2, None), (2, 3, None)]
    assert [item.frames for item in frames.stretches(merged=False)] == [1] * 5


@pytest.mark.parametrize("form", ["cf32", "npy", "wav", "sigmf", "ci16"])
def test_annotations_are_valid_sigmf_of_the_same_samples(
    workspace: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    samples = air() / 8
    integers = np.rint(samples.view(np.float32) * 2**15).astype("<i2")
    if form == "wav":
        from scipy.io import wavfile

        wavfile.write("air.wav", 48000, integers.reshape(-1, 2))
        with Path("air.wav").open("ab") as stream:
            stream.write(b"LIST\x04\0\0\0abcd")
    elif form == "ci16":
        integers.tofile("air.ci16")
    elif form == "sigmf":
        record(workspace / "air", samples)
    else:
        write_cf32(workspace / "air") if form == "cf32" else np.save("air.npy", air())
    path = "air.sigmf-data" if form == "sigmf" else f"air.{form}"
    before = Path(path).read_bytes()
    assert run("classify", "small", path, "--annotate", "--format", "csv") == 0
    rows = rows_of(capsys.readouterr().out)
    meta = sigmf.fromfile("air.small.sigmf-meta")
    meta.validate()
    with open_frames(Path(path), CaptureOptions(T, stand_in="x", whole=True)) as file:
        flat = file.read(np.arange(len(file)))[0].reshape(-1, 2) @ [1, 1j]
    np.testing.assert_array_equal(meta.read_samples(0, FRAMES * T), flat.astype(np.complex64))
    assert len(meta) == FRAMES * T + REST
    by_frame = {}
    for item in meta.get_annotations():
        first = item["core:sample_start"] // T
        for frame in range(first, first + item["hw_amc:frames"]):
            by_frame[frame] = item["core:label"]
        assert item["core:sample_count"] == T * item["hw_amc:frames"]
    assert [by_frame[frame] for frame in range(FRAMES)] == [row["label"] for row in rows]
    assert Path(path).read_bytes() == before
    # What was written is a recording again, of the labels found.
    assert run("data", "info", "air.small.sigmf-meta", "--frame-len", str(T)) == 0


def test_annotations_keep_what_the_recording_says_of_itself(workspace: Path) -> None:
    more = {"core:hw": "a receiver", "core:offset": 1000, "other:field": [1, {"a": 2}]}
    extension = {"name": "other", "version": "1.0.0", "optional": True}
    meta = record(workspace / "air", air(), **more, **{"core:extensions": [extension]})
    fields = json.loads(meta.read_text())
    fields["captures"] = [{"core:sample_start": 1000, "core:frequency": 1e9}]
    meta.write_text(json.dumps(fields))
    assert run("classify", "small", str(meta), "--annotate") == 0
    found = json.loads((workspace / "air.small.sigmf-meta").read_text())
    assert {key: found["global"][key] for key in more} == more
    assert [item["name"] for item in found["global"]["core:extensions"]] == ["other", "hw_amc"]
    assert found["captures"] == fields["captures"]
    assert found["annotations"][0]["core:sample_start"] == 1000
    assert json.loads(meta.read_text()) == fields


def test_annotations_replace_only_what_was_written_so(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta, target = record(workspace / "air", air()), workspace / "air.small.sigmf-meta"
    assert run("classify", "small", str(meta), "--annotate") == 0
    first = target.read_bytes()
    assert run("classify", "small", str(meta), "--annotate", "--gain", "3") == 0
    assert target.read_bytes() != first
    # A label set right by hand, another recording of the same name, anything else.
    fields = json.loads(first)
    fields["annotations"][0]["core:label"] = "right"
    for content in (json.dumps(fields), json.dumps(json.loads(meta.read_text())), "x", "[]", "{}"):
        target.write_text(content)
        capsys.readouterr()
        assert run("classify", "small", str(meta), "--annotate") == 2
        said = capsys.readouterr()
        assert "is not as hw-amc left it" in said.err
        assert said.out == ""
        assert target.read_text() == content
    target.write_bytes(first)
    air().tofile("air.cf32")
    assert run("classify", "small", "air.cf32", "--annotate") == 2
    assert target.read_bytes() == first


@pytest.mark.parametrize(("name", "mend"), [("air.sigmf", "unpack it"), ("columns.npy", "--format csv")])
def test_what_sigmf_cannot_point_at_is_refused_before_work(
    workspace: Path, capsys: pytest.CaptureFixture[str], name: str, mend: str
) -> None:
    write_archive(workspace / "air")
    np.save("columns.npy", np.asfortranarray(air()[: FRAMES * T].reshape(FRAMES, T)))
    assert run("classify", "small", name, "--annotate") == 7
    said = capsys.readouterr()
    assert mend in said.err
    assert said.out == ""


def test_the_picture_has_the_answers_along_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hw_amc.radio import answer_plots

    monkeypatch.setattr(answer_plots, "_COLUMNS", 20)
    meta = record(workspace / "air", air())
    for name in ("a.png", "b.png"):
        assert run("classify", "small", str(meta), "--picture", name) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    answers = expected(air())
    found = np.unique(answers.labels)
    timeline = Timeline(answers, T, np.arange(FRAMES) * T, 1e6)
    shares, margins = answer_plots._columns(timeline, found)
    assert shares.shape == (len(found), 20)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    np.testing.assert_allclose(margins[0], answers.margins[:3, 0].mean())  # columns of 3, 2, 3, ... frames
    assert answer_plots._axis(timeline) == ((0.0, FRAMES * T / 1e6), "time, s")


def test_a_tone_stands_at_its_frequency_and_time(workspace: Path) -> None:
    from hw_amc.radio.answer_plots import _spectra

    tone = np.exp(2j * np.pi * 0.25 * np.arange(4 * T)).astype(np.complex64)
    np.concatenate([tone, tone.conj()]).tofile("tone.cf32")
    with open_frames(Path("tone.cf32"), CaptureOptions(T, stand_in="x")) as file:
        power = _spectra(file)
    assert power.shape == (T, 8)
    assert power.argmax(axis=0).tolist() == [T // 2 + T // 4] * 4 + [T // 2 - T // 4] * 4


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (["--gain", "4"], {"gain": 4.0, "normalise": "none"}),
        (["--input-shift", "2"], {"shift": 2, "normalise": "none"}),
        (["--normalise", "rms"], {}),
        ([], {}),
    ],
)
def test_the_level_says_what_to_do_and_that_does_it(
    workspace: Path, capsys: pytest.CaptureFixture[str], options: list[str], answers: dict[str, Any]
) -> None:
    quiet = air() / 4
    quiet.tofile("quiet.cf32")
    assert run("classify", "small", "quiet.cf32", "--format", "csv", "--normalise", "none") == 0
    said = capsys.readouterr()
    assert "frames are -12.0 dB from the level of training: --gain 4, --input-shift 2" in said.err
    assert told(rows_of(said.out)) == wanted(expected(quiet, normalise="none"))
    assert run("classify", "small", "quiet.cf32", "--format", "csv", *options) == 0
    said = capsys.readouterr()
    assert "warning" not in said.err
    brought = "level -12.0 dB (-12.0 to -12.0), each frame brought to +0.0 dB (normalise = rms); trained at +0.0 dB"
    assert (brought if "normalise" not in answers else "level +0.0 dB") in said.err
    assert told(rows_of(said.out)) == wanted(expected(quiet, **answers))


@pytest.mark.parametrize("recipe", ["radioml2018-v1", "radioml2018-v2"])
def test_a_recording_of_half_and_of_twice_the_level_gets_the_same_answers(
    workspace: Path, capsys: pytest.CaptureFixture[str], recipe: str
) -> None:
    (workspace / "hls_projects" / "small" / "train.toml").write_text(TRAINED.replace("radioml2018-v1", recipe))
    for factor in (0.5, 1.0, 2.0):
        (air() * np.float32(factor)).tofile("air.cf32")
        assert run("classify", "small", "air.cf32", "--format", "csv") == 0
        assert told(rows_of(capsys.readouterr().out)) == wanted(expected(air()))


def test_levels_that_no_gain_mends_are_normalised() -> None:
    level = Level(InputPath(), trained_db=(0.0, 0.0))
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((100, T, 2)).astype(np.float32)
    level.add(frames * np.logspace(-1, 0, 100, dtype=np.float32)[:, None, None])
    (line,) = level.problems()
    assert line.startswith("frames are -")
    assert line.endswith("more than one gain mends: --normalise rms")


@pytest.mark.parametrize(
    ("power", "gain", "shift", "said"),
    [
        (2.0, 1.0, 0, "+3.0 dB from the level of training: --gain 0.7071, or --normalise rms"),
        (1.0, 0.5, 0, "-6.0 dB from the level of training: --gain 1, --input-shift 1 (which leaves +0.0 dB)"),
        (1.0, 1.0, 1, "+6.0 dB from the level of training: --gain 0.5, --input-shift 0 (which leaves +0.0 dB)"),
        (
            2.0**-40,
            1.0,
            0,
            "-120.4 dB from the level of training, 100% of the values round to zero: --gain 1.049e+06,"
            " --input-shift 15 (which leaves -30",
        ),
    ],
)
def test_advice_starts_from_the_present_settings(power: float, gain: float, shift: int, said: str) -> None:
    level = Level(InputPath(input_shift=shift), gain, (0.0, 0.0))
    level.add(np.full((4, T, 2), np.float32(np.sqrt(power / 2))))
    assert said in next(iter(level.problems()))


def test_a_trained_range_of_levels_is_kept_to() -> None:
    frames = np.full((4, T, 2), np.float32(np.sqrt(0.5 * 10**-0.5)))
    for trained, said in (((-6.0, 6.0), []), ((0.0, 0.0), ["frames are -5.0 dB"]), (None, [])):
        level = Level(InputPath(), trained_db=trained)
        level.add(frames)
        assert [line[:18] for line in level.problems() if line.startswith("frames are")] == said
    assert "the level of training is not known" in level.summary()


def test_where_the_level_of_training_is_not_known_recordings_stay_as_they_are(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "hls_projects" / "small" / "train.toml").unlink()
    air().tofile("air.cf32")
    assert run("classify", "small", "air.cf32", "--format", "csv") == 0
    said = capsys.readouterr()
    assert told(rows_of(said.out)) == wanted(expected(air(), normalise="none"))
    assert "the level of training is not known" in said.err


def test_a_level_that_project_toml_must_mend_says_so() -> None:
    fmt = GRAPH.input_quantizer
    assert fmt is not None
    level = Level(InputPath(fmt=fmt.fmt), trained_db=(0.0, 0.0), has_options=False)
    level.add(np.full((4, T, 2), np.float32(0.003)))
    (line, *_) = level.problems()
    assert line == (
        "frames are -47.4 dB from the level of training, 100% of the values round to zero: scale the samples by 235.7,"
        ' input_shift = 8 in project.toml (which leaves +0.7 dB), or normalise = "rms" in project.toml'
    )


def test_a_proof_on_a_quiet_recording_says_that_it_proves_little(workspace: Path) -> None:
    meta = record(workspace / "quiet", air() * np.float32(0.001))
    fields = json.loads(meta.read_text())
    fields["annotations"] = [{"core:sample_start": 0, "core:sample_count": FRAMES * T, "core:label": "b"}]
    meta.write_text(json.dumps(fields))
    said: list[str] = []
    output = SimpleNamespace(done=lambda line, *rest: said.append(line))
    flow = RtlFlow.open("small", RtlOptions(data=meta), output=output)  # type: ignore[arg-type]
    flow.require_ready()
    with pytest.warns(UserWarning, match="quiet") as caught:
        found = flow.take(8)
    assert np.abs(found.wire).max() < 128  # half a step of the network's input
    told_lines = [str(warning.message) for warning in caught]
    assert told_lines[0].startswith("quiet.sigmf-meta: frames are -60.0 dB from the level of training, 100% of the")
    assert told_lines[0].endswith('or normalise = "rms" in project.toml')
    assert told_lines[-1].endswith("all frames are alike at the network's input: they prove next to nothing")
    assert said == [
        "quiet.sigmf-meta: level -60.0 dB (-60.0 to -60.0); trained at +0.0 dB; 100.0% of the values round to zero,"
        " 0.0% saturate"
    ]


def test_silence_has_no_level(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.zeros(4 * T, np.complex64).tofile("still.cf32")
    assert run("classify", "small", "still.cf32") == 0
    said = capsys.readouterr()
    assert "4 frames by golden; silence" in said.out
    assert "4 of 4 frames hold nothing but zeros" in said.err


@pytest.mark.parametrize("n_channels", [1, 3])
def test_an_overlay_answers_as_golden_does(
    workspace: Path, capsys: pytest.CaptureFixture[str], n_channels: int
) -> None:
    sim_device.enable()
    overlay = golden_overlay(workspace / "overlay", GRAPH, n_channels=n_channels)
    air().tofile("air.cf32")
    for shift in ("0", "-1"):
        arguments = ("classify", "small", "air.cf32", "--format", "csv", "--input-shift", shift)
        assert run(*arguments, "--overlay", str(overlay)) == 0
        answers = capsys.readouterr().out
        assert run(*arguments) == 0
        assert capsys.readouterr().out == answers
    assert run("classify", "small", "air.cf32", "--overlay", str(overlay)) == 0
    assert "50 frames by the simulated device; level" in capsys.readouterr().out


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_automatic_gain_of_golden_is_that_of_an_overlay(
    workspace: Path, capsys: pytest.CaptureFixture[str], n_channels: int
) -> None:
    """Over blocks of a file, and over levels that change within it; frames in channels have a gain each."""
    sim_device.enable()
    settings = "[rtl]\nautomatic_gain = true\n" + ('mode = "channels"\nn_channels = 3\n' if n_channels > 1 else "")
    (workspace / "hls_projects" / "small" / "project.toml").write_text(settings)
    samples = air(frames=301)
    samples *= np.repeat(np.float32(2.0) ** np.random.default_rng(1).integers(-6, 1, 61), 5 * T)[: len(samples)]
    samples.tofile("air.cf32")
    wire = to_wire(samples[: 301 * T].view(np.float32).reshape(-1, T, 2))
    rule = AutomaticGain(T, 14, n_channels)
    answers = to_answers(GRAPH, golden_logits(GRAPH, wire, rule.follow(wire, rule.start)[0] + 1))
    options = ("--automatic-gain", "--input-shift", "1", "--format", "csv")
    assert run("classify", "small", "air.cf32", *options) == 0
    said = capsys.readouterr()
    assert told(rows_of(said.out)) == wanted(answers)
    assert re.search(r"level -\d+\.\d dB, brought to \+\d\.\d dB .* by the automatic gain", said.err)
    overlay = golden_overlay(workspace / "overlay", GRAPH, n_channels=n_channels, automatic_gain=True)
    assert run("classify", "small", "air.cf32", "--overlay", str(overlay), *options) == 0
    assert told(rows_of(capsys.readouterr().out)) == wanted(answers)
    assert run("classify", "small", "air.cf32", "--format", "csv", "--gain", "0.25") == 0
    assert "--normalise rms, or --automatic-gain (which leaves up to 4 dB)" in capsys.readouterr().err


def test_an_automatic_gain_that_is_not_there_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sim_device.enable()
    air().tofile("air.cf32")
    overlay = golden_overlay(workspace / "overlay", GRAPH)
    for way in ([], ["--board", "sim"], ["--overlay", str(overlay)]):
        assert run("classify", "small", "air.cf32", "--automatic-gain", *way) == 2
        assert "set automatic_gain = true under [rtl] in project.toml" in capsys.readouterr().err.replace("\n", " ")
    assert run("classify", "small", "air.cf32", "--automatic-gain", "--normalise", "rms") == 2
    assert "leave out --automatic-gain, or --normalise" in capsys.readouterr().err


def test_another_networks_overlay_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sim_device.enable()
    overlay = golden_overlay(workspace / "overlay", small_graph(2))
    air().tofile("air.cf32")
    assert run("classify", "small", "air.cf32", "--overlay", str(overlay)) == 2
    assert "build the overlay again" in capsys.readouterr().err


@pytest.mark.cosim
def test_the_verilog_answers_as_golden_does(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sim_device.enable()
    air(frames=20).tofile("air.cf32")
    assert run("classify", "small", "air.cf32", "--format", "csv", "--board", "sim") == 0
    assert told(rows_of(capsys.readouterr().out)) == wanted(expected(air(frames=20)))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["air.cf32", "air.cf32", "--picture", "a.png"], 2, "--picture draws one file"),
        (["air.cf32", "--overlay", "x.bit", "--board", "sim"], 2, "leave --board and -R out"),
        (["air.cf32", "-", "--samples", "int16"], 2, "--watch follows one file"),
        (["-"], 7, "the standard input does not say what its samples are; give --samples int16"),
        (["air.cf32", "--watch", "--annotate"], 2, "need a recording that is complete"),
        (["air.cf32", "--every", "2", "--annotate"], 2, "annotations speak of all samples"),
        (["air.cf32", "--idle", "2"], 2, "--idle ends what --watch begins"),
        (["long.npy", "--watch"], 7, "is an HDF5 file, which does not grow"),
        (["air.cf32", "--gain", "0"], 2, "a gain is a factor above 0"),
        (["air.cf32", "--picture", "a.txt"], 2, "pictures end in"),
        (["long.npy"], 2, "frames of 20 samples, small takes 16"),
        (["none.cf32"], 7, "none.cf32"),
    ],
)
def test_wrong_calls_are_one_line_before_any_work(
    workspace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    air().tofile("air.cf32")
    frames = np.zeros((3, 20, 2), np.float32)
    with h5py.File("long.npy", "w") as file:
        file["X"], file["Z"] = frames, np.zeros((3, 1), np.int64)
        file["Y"] = np.eye(len(CLASSES), dtype=np.int64)[np.zeros(3, int)]
    assert run("classify", "small", *arguments) == code
    got = capsys.readouterr()
    assert said in got.err
    assert got.err.count("\n") == 1
    assert got.out == ""


def test_the_guide_runs_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the guide's own recording, by the committed network."""
    text = (Path(__file__).parents[1] / "docs" / "guides" / "captures.md").read_text()
    (section,) = re.findall(r"^## What is in a recording\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # the guide's own text
    block, piped = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        program_name, *arguments = shlex.split(line)
        assert program_name == "hw-amc"
        assert run(*arguments) == 0, line
    sigmf.fromfile("air.gru_cnn_sparse07.sigmf-meta").validate()
    assert Path("air.png").stat().st_size > 10_000
    options = set(re.findall(r"`(--[a-z-]+)", section)) - {"--normalise", "--data"}
    assert "hw-amc classify gru_cnn_sparse07 - --samples uint8" in piped
    known = {option for parameter in _parameters() for option in parameter.opts}
    assert {"--format", "--annotate", "--board", "--overlay", "--gain", "--input-shift"} <= options <= known


def _parameters() -> list[Any]:
    group: Any = typer.main.get_command(app)
    return list(group.commands["classify"].params)


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[place : place + size] for place in range(0, len(data), size)]


def hw_amc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hw_amc", *arguments]


@pytest.mark.parametrize(("kind", "form"), [("float32", "csv"), ("int16", "jsonl"), ("int16", "table")])
def test_the_standard_input_is_answered_as_a_file_is(workspace: Path, kind: str, form: str) -> None:
    samples = air().view(np.float32)
    data = samples.astype("<f4") if kind == "float32" else np.rint(samples / 8 * 2**15).astype("<i2")
    wanted_answers = expected(air() if kind == "float32" else (data / np.float32(2**15)).view(np.complex64))
    done = subprocess.run(
        hw_amc("classify", "small", "-", "--samples", kind, "--format", form),
        input=data.tobytes(), capture_output=True, check=True,
    )  # fmt: skip
    said = done.stdout.decode()
    if form == "csv":
        rows = rows_of(said)
        assert told(rows) == wanted(wanted_answers)
        assert [int(row["sample"]) for row in rows] == [T * number for number in range(FRAMES)]
        assert f"{REST} samples at the end fill no frame" in done.stderr.decode()
        assert "50 frames in " in done.stderr.decode()
    elif form == "jsonl":
        rows = [json.loads(line) for line in said.splitlines()]
        assert [(row["label"], row["margin"]) for row in rows] == wanted(wanted_answers)
        assert b"level -18.1 dB (-18.1 to -18.1), each frame brought to +0.0 dB (normalise = rms)" in done.stderr
        assert b"warning" not in done.stderr
    else:
        stretches = Timeline(wanted_answers, T, np.arange(FRAMES) * T, None).stretches()
        told_lines = [line.split() for line in said.splitlines() if line.startswith(" ")]
        names = GRAPH.classes[0]
        assert told_lines[1:] == [
            [f"{item.start:,}", str(item.frames), names[item.label], f"{item.margin:.3f}"] for item in stretches
        ]
        assert "mean margin" in said


@pytest.mark.parametrize("form", ["cf32", "sigmf-meta", "wav"])
def test_a_recording_is_followed_while_it_grows(workspace: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    samples = air()
    path = workspace / f"air.{form}"
    if form == "wav":
        from scipy.io import wavfile

        wavfile.write(path, 1_000_000, samples.view(np.float32).reshape(-1, 2))
        whole = bytearray(path.read_bytes())
        place = whole.index(b"data") + 4
        whole[place : place + 4] = bytes(4)  # a recorder does not know yet how long it becomes
        data, growing = bytes(whole), path
    else:
        record(workspace / "air", samples)
        growing = path if form == "cf32" else path.with_suffix(".sigmf-data")
        data = samples.tobytes()
    head = data[:400]  # no whole number of frames
    growing.write_bytes(head)

    def grow() -> None:
        for piece in pieces_of(data[len(head) :], 1001):
            time.sleep(0.1)
            with growing.open("ab") as stream:
                stream.write(piece)

    writer = threading.Thread(target=grow)
    writer.start()
    assert run("classify", "small", str(path), "--watch", "--idle", "1", "--format", "jsonl") == 0
    writer.join()
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["label"], row["margin"]) for row in rows] == wanted(expected(samples))
    rate = None if form == "cf32" else 1e6
    assert [row["time_s"] for row in rows] == [None if rate is None else n * T / rate for n in range(FRAMES)]


def test_ctrl_c_ends_the_watch(workspace: Path) -> None:
    air().tofile("air.cf32")
    watched = subprocess.Popen(
        hw_amc("classify", "small", "air.cf32", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watched.stdout is not None
    seen = []
    while not any("frames" in line and "label" in line for line in seen):
        seen.append(watched.stdout.readline())
    time.sleep(0.5)
    watched.send_signal(signal.SIGINT)
    out, problems = watched.communicate(timeout=30)
    assert watched.returncode == 0
    assert problems == ""
    assert "50 frames in " in out
    assert "mean margin" in out


def test_a_watched_file_that_shrinks_is_an_error(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace / "air.cf32"
    air().tofile(path)

    def shrink() -> None:
        time.sleep(0.5)
        os.truncate(path, 100)

    writer = threading.Thread(target=shrink)
    writer.start()
    assert run("classify", "small", str(path), "--watch", "--format", "csv") == 7
    writer.join()
    assert "has become shorter while it was watched" in capsys.readouterr().err


def test_of_a_long_file_some_frames_are_answered(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meta = record(workspace / "air", air())
    assert run("classify", "small", str(meta), "--every", "7", "--format", "csv") == 0
    rows = rows_of(capsys.readouterr().out)
    assert told(rows) == wanted(expected(air()))[::7]
    assert [int(row["frame"]) for row in rows] == list(range(0, FRAMES, 7))
    assert [float(row["time_s"]) for row in rows] == [n * T / 1e6 for n in range(0, FRAMES, 7)]
    assert run("classify", "small", str(meta), "--every", "2", "--picture", "a.png") == 0
    out = capsys.readouterr().out.replace(" ", "")
    assert f"│{2 * T / 1e6:.6f}│1│" in out
    assert Path("a.png").stat().st_size > 10_000


def test_several_processes_answer_a_long_file_in_order(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = air(frames=1100)
    samples.tofile("long.cf32")
    flow = RtlFlow.open("small")
    entry = make_entry(flow, "rms")
    with (
        open_recording(flow, Path("long.cf32")) as file,
        open_classifier(flow, entry, None, simulated=False, workers=2) as classifier,
    ):
        parts = list(classify(flow, classifier, file, entry))
    assert [part.first for part in parts] == [0, 256, 512, 768, 1024]
    answers = expected(samples)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), answers.labels)
    np.testing.assert_array_equal(np.concatenate([part.margins for part in parts]), answers.margins)


def test_stretches_of_each_second_frame_are_not_torn() -> None:
    answers = Answers(0, np.array([[0], [0], [1]], np.int16), np.ones((3, 1)))
    timeline = Timeline(answers, 10, np.array([0, 20, 40]), None, every=2)
    assert timeline.is_gapless
    assert [(item.first, item.frames) for item in timeline.stretches()] == [(0, 2), (2, 1)]


#: Classifies recordings of two lengths and prints what is most in memory after each.
MEMORY = """
import contextlib, io, os, sys
from pathlib import Path
from hw_amc.cli import main as cli

def peak_mib():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

for name in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main(["classify", "small", name])
    print(peak_mib())
"""


def test_memory_is_that_of_a_block_not_of_the_recording(workspace: Path) -> None:
    """Mapped pages count as well: 2 MiB and 40 MiB."""
    network(512).save(workspace / "hls_projects" / "small")
    rng = np.random.default_rng(0)
    block = rng.standard_normal((1 << 18, 2)).astype(np.float32)
    for name, count in (("a.cf32", 1), ("b.cf32", 20)):
        with Path(name).open("wb") as stream:
            for _ in range(count):
                block.tofile(stream)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, "a.cf32", "b.cf32"], capture_output=True, text=True, check=True
    )
    small, large = map(float, done.stdout.split())
    assert large - small < 16, done.stderr
