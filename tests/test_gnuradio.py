"""A network in a stream: what GNU Radio's block calls, and the block, its example and its guide under GNU Radio."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from board_overlays import WEIGHTS, golden_overlay, trained_model
from networks import hakimi_graph, mtl_graph

from hw_amc import sim_device
from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.flows.classify import to_answers
from hw_amc.gnuradio import FOLDER, StreamClassifier
from hw_amc.graph import Graph
from hw_amc.interface.gain import AutomaticGain
from hw_amc.radio import to_wire
from hw_amc.verify.results import golden_logits

ROOT = Path(__file__).parents[1]
PYTHON = Path("/usr/bin/python3.11")
FRAMES = 50
#: Samples that fill no frame.
REST = 5

Told = list[tuple[int, tuple[str, ...], tuple[float, ...]]]


def network(graph: Graph) -> Graph:
    return replace(graph, weights_digest=hashlib.sha256(WEIGHTS).hexdigest())


GRAPH = network(hakimi_graph(np.random.default_rng(26), 16))
HEADS = network(mtl_graph(np.random.default_rng(4)))
T = GRAPH.frame_len


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the trained models `small` and `heads`, which is the current folder."""
    for name, graph in (("small", GRAPH), ("heads", HEADS)):
        trained_model(tmp_path, name)
        graph.save(tmp_path / "hls_projects" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HW_AMC_ROOT", raising=False)
    return tmp_path


def air(graph: Graph = GRAPH, frames: int = FRAMES) -> np.ndarray:
    """Noise, complex64: so many frames and `REST` samples."""
    count = frames * graph.frame_len + REST
    rng = np.random.default_rng(3)
    return (rng.standard_normal((count, 2)) @ [1, 1j] / np.sqrt(2)).astype(np.complex64)


def expected(samples: np.ndarray, graph: Graph = GRAPH, shift: int = 0) -> Told:
    """The answers to a stream by what the command is made of."""
    length = graph.frame_len
    frames = samples[: len(samples) // length * length].view(np.float32).reshape(-1, length, 2)
    answers = to_answers(graph, golden_logits(graph, to_wire(frames), shift))
    return [
        (
            number * length,
            tuple(names[label] for names, label in zip(graph.classes, labels, strict=True)),
            tuple(margins),
        )
        for number, (labels, margins) in enumerate(
            zip(answers.labels.tolist(), answers.margins.tolist(), strict=True),
        )
    ]


def heard(stream: StreamClassifier, chunks: Iterator[np.ndarray] | list[np.ndarray]) -> Told:
    answers = [answer for chunk in chunks for answer in stream.answer(chunk)]
    assert {answer.samples for answer in answers} == {stream.frame_len}
    return [(answer.sample, answer.labels, answer.margins) for answer in answers]


def pieces(samples: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """The samples in pieces of 0 to 60."""
    rng = np.random.default_rng(seed)
    while len(samples):
        size = int(rng.integers(0, 61))
        yield samples[:size]
        samples = samples[size:]


@pytest.mark.parametrize("seed", [0, 1])
def test_pieces_of_any_size_give_the_answers_of_the_whole(seed: int) -> None:
    answers = expected(air())
    assert len(answers) == FRAMES
    assert len({labels for _, labels, _ in answers}) > 1
    assert heard(StreamClassifier("small"), pieces(air(), seed)) == answers


def test_one_frame_of_every_three_is_answered() -> None:
    assert heard(StreamClassifier("small", every=3), pieces(air(), 2)) == expected(air())[::3]


def test_every_head_is_answered() -> None:
    stream = StreamClassifier("heads")
    assert stream.heads == ("", f"_{HEADS.outputs[1]}")
    samples = air(HEADS, 3)
    assert heard(stream, [samples]) == expected(samples, HEADS)


def test_settings_reach_the_network() -> None:
    quiet = air() / 4
    assert heard(StreamClassifier("small", gain=4.0), [quiet]) == expected(air())
    assert heard(StreamClassifier("small", input_shift=2), [quiet]) == expected(quiet, shift=2)
    assert heard(StreamClassifier("small", normalise="rms"), [quiet]) != expected(quiet)


def test_the_automatic_gain_follows_the_stream(workspace: Path) -> None:
    """Golden and an overlay alike, whatever pieces the samples come in."""
    sim_device.enable()
    (workspace / "hls_projects" / "small" / "project.toml").write_text("[rtl]\nautomatic_gain = true\n")
    samples = air()[: FRAMES * T]
    samples *= np.repeat(np.float32(2.0) ** np.random.default_rng(5).integers(-6, 1, FRAMES), T)
    wire = to_wire(samples.view(np.float32).reshape(-1, T, 2))
    rule = AutomaticGain(T, GRAPH.input.fmt.frac)
    logits = golden_logits(GRAPH, wire, rule.follow(wire, rule.start)[0])
    overlay = golden_overlay(workspace / "overlay", GRAPH, automatic_gain=True)
    for device in ("golden", str(overlay)):
        stream = StreamClassifier("small", device, automatic_gain=True)
        assert [margins for _, _, margins in heard(stream, pieces(samples, 7))] == [
            tuple(margins) for margins in to_answers(GRAPH, logits).margins.tolist()
        ]
        stream.close()


def test_the_automatic_gains_of_channels_are_not_for_a_stream(workspace: Path) -> None:
    sim_device.enable()
    overlay = golden_overlay(workspace / "overlay", GRAPH, n_channels=3, automatic_gain=True)
    with pytest.raises(ConfigError, match="a gain for each of its 3 channels"):
        StreamClassifier("small", str(overlay), automatic_gain=True)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_an_overlay_answers_as_golden_does(workspace: Path, n_channels: int) -> None:
    sim_device.enable()
    overlay = golden_overlay(workspace / "overlay", GRAPH, n_channels=n_channels)
    stream = StreamClassifier("small", str(overlay), input_shift=1)
    assert heard(stream, pieces(air(), 3)) == expected(air(), shift=1)
    stream.close()
    stream.open()
    assert heard(stream, [air()]) == expected(air(), shift=1)
    stream.close()


@pytest.mark.cosim
def test_the_verilog_answers_as_golden_does() -> None:
    sim_device.enable()
    stream = StreamClassifier("small", "sim")
    assert heard(stream, [air(frames=20)]) == expected(air(frames=20))
    stream.close()


def test_frames_of_no_numbers_get_no_answer() -> None:
    samples = air()
    samples[3 * T + 1] = np.nan
    samples[7 * T : 9 * T] = np.inf
    stream = StreamClassifier("small")
    wanted = [answer for answer in expected(air()) if answer[0] not in (3 * T, 7 * T, 8 * T)]
    assert heard(stream, pieces(samples, 5)) == wanted
    assert list(stream.problems()) == ["3 frames hold samples that are no numbers and got no answer"]
    assert list(stream.problems()) == []


@pytest.mark.parametrize(("frames", "early"), [(64, True), (63, False)])
def test_the_level_is_told_once(workspace: Path, frames: int, early: bool) -> None:
    training = Path(__file__).parents[1] / "hls_projects" / "gru_cnn_sparse07" / "train.toml"
    (workspace / "hls_projects" / "small" / "train.toml").write_text(training.read_text())
    stream = StreamClassifier("small", normalise="none")
    noise = air(frames=frames)[: frames * T].reshape(-1, T)
    level = np.sqrt(np.square(np.abs(noise)).mean(axis=1, keepdims=True))
    heard(stream, [(noise / level / 32).ravel()])
    before = list(stream.problems())
    assert bool(before) == early
    (line, *_) = before or list(stream.problems(at_end=True))
    assert re.match(r"frames are -\d\d\.\d dB from the level of training[^:]*: gain \d+.*, input_shift \d", line)
    assert "--" not in line
    assert list(stream.problems(at_end=True)) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": "smal"}, "unknown model 'smal'"),
        ({"device": "none.bit"}, "none.bit does not exist"),
        ({"every": 0}, "every = 0"),
        ({"normalise": "peak"}, "normalise = 'peak' is none of none, rms"),
        ({"gain": -1.0}, "a gain is a factor above 0"),
        ({"automatic_gain": True}, "set automatic_gain = true under [rtl]"),
    ],
)
def test_wrong_settings_are_named(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(HwAmcError, match=re.escape(said)):
        StreamClassifier(**{"model": "small", **arguments})  # type: ignore[arg-type]


def test_another_networks_overlay_is_refused(workspace: Path) -> None:
    sim_device.enable()
    overlay = golden_overlay(workspace / "overlay", network(hakimi_graph(np.random.default_rng(27), 16)))
    with pytest.raises(ConfigError, match="build the overlay again"):
        StreamClassifier("small", str(overlay))


# Under GNU Radio.


def environment() -> dict[str, str]:
    """Debian's Python with this project and the packages of the environment that runs the tests."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PYTHONUNBUFFERED": "1"}


def shell(command: list[str | Path], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**environment(), **changes}, timeout=300
    )


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example flow graph as grcc compiles it."""
    if not PYTHON.exists() or shell([PYTHON, "-c", "import gnuradio.grc"]).returncode:
        pytest.skip("GNU Radio is not installed; apt-get install gnuradio")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the packages of this environment are not those of Debian's Python 3.11")
    folder = tmp_path_factory.mktemp("grc")
    done = shell(["grcc", "-o", folder, FOLDER / "amc_classify.grc"])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "amc_classify.py"


def messages(text: str) -> list[dict[str, str]]:
    """The dictionaries that Message Debug prints."""
    return [dict(re.findall(r"\((\w+) \. ([^()]+)\)", line)) for line in text.splitlines() if line.startswith("((")]


def printed(answers: Told, length: int = T) -> list[dict[str, str]]:
    """Answers as Message Debug prints them: real numbers with 6 digits."""
    return [
        {"label": label, "margin": f"{margin:g}", "sample": str(sample), "samples": str(length)}
        for sample, (label,), (margin,) in answers
    ]


@pytest.mark.gnuradio
def test_the_example_holds_the_blocks_source(example: Path) -> None:
    assert example.with_name("amc_classify_amc_classifier.py").read_text() == (FOLDER / "amc_classifier.py").read_text()


@pytest.mark.gnuradio
def test_the_companion_sees_parameters_and_ports() -> None:
    program = (
        "import sys; from gnuradio.grc.core.utils.epy_block_io import extract;"
        "io = extract(open(sys.argv[1]).read()); print([name for name, _ in io.params], io.sinks, io.sources)"
    )
    done = shell([PYTHON, "-c", program, FOLDER / "amc_classifier.py"])
    assert done.stdout.strip() == (
        "['model', 'device', 'every', 'normalise', 'input_shift', 'gain', 'automatic_gain'] [('0', 'complex', 1)]"
        " [('answers', 'message', 1)]"
    ), done.stderr


@pytest.mark.gnuradio
@pytest.mark.parametrize("device", ["golden", "overlay"])
def test_the_example_answers_as_golden_does(workspace: Path, example: Path, device: str) -> None:
    """More samples than GNU Radio's buffers hold, so that they come in pieces."""
    samples = air(frames=20_000)
    samples.tofile("air.cf32")
    name = device if device == "golden" else str(golden_overlay(workspace / "overlay", GRAPH))
    done = shell([PYTHON, example, "--recording", "air.cf32", "--model", "small", "--device", name])
    assert done.returncode == 0, done.stderr
    assert messages(done.stdout) == printed(expected(samples))


@pytest.mark.gnuradio
def test_a_wrong_model_ends_the_flow_graph_with_its_name(example: Path) -> None:
    done = shell([PYTHON, example, "--recording", "air.cf32", "--model", "smal"])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("hw_amc.errors.ConfigError: unknown model 'smal'")
