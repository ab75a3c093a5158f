"""`hw-amc init --tune`: training on with quantisation, judged on frames that nothing has learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_init import T, bring_in, by_quadrature, functional, quantised_layers

from hw_amc import report
from hw_amc.compress import load_deployed
from hw_amc.errors import ConfigError, DataError
from hw_amc.flows.init_frames import read_frames
from hw_amc.flows.init_state import Outcome
from hw_amc.radio.files.memory import Samples
from hw_amc.train import tune as training
from hw_amc.train.data import FrameSet

ROOT = Path(__file__).parents[1]
CLASSES = (("BPSK", "QPSK"),)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "boards").symlink_to(ROOT / "boards")
    return root


def labelled(count: int = 300, level: float = 1.0) -> Samples:
    """Noisy BPSK and QPSK in turn."""
    rng = np.random.default_rng(2)
    labels = np.arange(count) % 2
    symbols = np.where(labels, 2 * rng.integers(0, 4, (T, count)) + 1, 4 * rng.integers(0, 2, (T, count))).T
    noise = rng.normal(0, 0.1, (2, count, T))
    frames = level * (np.exp(1j * np.pi / 4 * symbols) + noise[0] + 1j * noise[1])
    return Samples(frames, [CLASSES[0][label] for label in labels], [4] * count)


def wrong_by_a_threshold(path: Path) -> Path:
    """A float model that says QPSK too often; training on mends that."""
    model = by_quadrature()
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel, bias - np.array([0.275, -0.275])])
    model.save(path, save_format="h5")
    return path


@pytest.fixture(scope="module")
def outcome(root: Path) -> Outcome:
    path = wrong_by_a_threshold(root / "m.h5")
    return bring_in(root, path, name="tuned", classes="BPSK,QPSK", data=labelled(), tune=60)


def test_accuracy_before_after_quantisation_and_after_training_on(outcome: Outcome) -> None:
    judged = outcome.judgement
    assert judged.tuned is not None
    assert judged.untuned is not None
    assert judged.after is not None
    assert (judged.frames, judged.tuned.frames, judged.tuned.validated) == (60, 210, 30)
    assert judged.tuned.is_kept
    assert judged.after > judged.untuned
    mark = json.loads((outcome.folder / "init.json").read_text())
    assert mark["evaluation"]["untuned"] == round(judged.untuned, 5)
    assert (mark["tuning"]["steps"], mark["tuning"]["kept"]) == (60, True)
    card = (outcome.folder / "MODEL_CARD.md").read_text()
    assert f"accuracy {100 * judged.untuned:.2f} % after quantisation alone; accuracy" in card
    assert "trained on for 60 steps on 210 frames" in card
    section = report.load(outcome.folder / "build")["quantisation"]
    assert (section["accuracy_untuned"], section["tuning_steps"]) == (round(judged.untuned, 5), 60)
    assert "| Right after 60 steps of training on |" in (outcome.folder / "build" / "report.md").read_text()
    assert not list((outcome.folder / "build").glob("tune-*"))  # its state is needed no more


def test_the_same_command_gives_the_same_weights(root: Path, outcome: Outcome) -> None:
    again = bring_in(root, root / "m.h5", name="again", classes="BPSK,QPSK", data=labelled(), tune=60)
    for one, other in zip(
        load_deployed(again.folder / "weights.h5").get_weights(),
        load_deployed(outcome.folder / "weights.h5").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_no_sample_that_judges_was_learned_from_or_calibrated_on() -> None:
    """Doubled frames, too: what shares samples stays on one side."""
    given = labelled(200)
    assert given.labels is not None
    doubled = Samples(np.concatenate([given.array] * 2), [*given.labels] * 2, [4] * 400)
    found = read_frames(doubled, CLASSES, T, is_tuned=True)
    assert found.tuning is not None
    parts = [found.tuning.train, found.tuning.validation, found.evaluation]
    first, second, third = ({frame.tobytes() for frame in part} for part in parts)
    assert (len(first & second), len(first & third), len(second & third)) == (0, 0, 0)
    assert {frame.tobytes() for frame in found.calibration} <= first
    assert sum(map(len, parts)) == 400


class Stopped(Exception):
    pass


def sets() -> tuple[FrameSet, FrameSet]:
    rng = np.random.default_rng(1)
    words = rng.integers(-(2**14), 2**14, (80, T, 2)).astype(np.int16)
    labels, snrs = (np.abs(words[..., 1]).mean(axis=1) > 2**13).astype(np.uint8), np.zeros(80, np.int8)
    return FrameSet(words[:64], labels[:64], snrs[:64]), FrameSet(words[64:], labels[64:], snrs[64:])


def deployed() -> Any:
    from hw_amc.compress import deploy

    return deploy.deploy(by_quadrature(), sets()[0].wire / np.float32(2**14))


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def stop(stage: Any, phase: int, step: int, figures: dict[str, float]) -> None:
        if step == 16:
            raise Stopped

    seen: list[int] = []
    stopped, whole = deployed(), deployed()
    with pytest.raises(Stopped):
        training.tune(stopped, *sets(), 30, tmp_path / "a", stop)
    resumed = deployed()
    training.tune(resumed, *sets(), 30, tmp_path / "a", lambda stage, phase, step, figures: seen.append(step))
    training.tune(whole, *sets(), 30, tmp_path / "b", lambda *_: None)
    assert seen[0] == 15  # the last state that was kept
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_are_no_better_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "RATE", 10.0)
    model = deployed()
    given = [weight.copy() for weight in model.get_weights()]
    tuned = training.tune(model, *sets(), 3, tmp_path, lambda *_: None)
    assert not tuned.is_kept
    for one, other in zip(model.get_weights(), given, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_bar_goes_on_where_the_run_does() -> None:
    moved: list[int] = []

    def bar() -> Any:
        for number in range(5):
            moved.append(number)
            yield number

    with training.following(bar()) as progress:
        progress(None, 0, 2, {})  # type: ignore[arg-type]
        assert moved == [0, 1, 2]
        progress(None, 0, 3, {})  # type: ignore[arg-type]
    assert moved == [0, 1, 2, 3]


def test_frames_of_another_level_reach_the_network_in_their_scale(tmp_path: Path) -> None:
    words = np.full((2, 4, 2), 2**10, np.int16)
    frames = FrameSet(words, np.zeros(2, np.uint8), np.zeros(2, np.int8))
    x, _ = training.WholeFrames(deployed(), wire_frac=10).crop(frames, np.arange(2), 4, np.random.default_rng(0))
    np.testing.assert_array_equal(x, np.ones((2, 4, 2), np.float32))


def test_what_cannot_be_tuned_is_refused_in_one_line(root: Path, tmp_path: Path) -> None:
    path = wrong_by_a_threshold(tmp_path / "m.h5")
    with pytest.raises(ConfigError, match=r"--tune learns from labelled frames; give them: --data FILE"):
        bring_in(root, path, tune=5)
    bare = Samples(labelled().array)
    with pytest.raises(DataError, match="given frames has no labels, and --tune learns from labelled frames"):
        bring_in(root, path, classes="BPSK,QPSK", data=bare, tune=5)
    with pytest.raises(DataError, match="of which the network knows none"):
        bring_in(root, path, classes="8PSK,16QAM", data=labelled(), tune=5)
    few = labelled(4)
    with pytest.raises(DataError, match="too few to train on, to choose weights by and to judge by"):
        bring_in(root, path, classes="BPSK,QPSK", data=few, tune=5)
    functional(quantised_layers(units=2)).save(tmp_path / "q.h5", save_format="h5")
    with pytest.raises(ConfigError, match="--tune is for float models: of a quantised one the numbers stay"):
        bring_in(root, tmp_path / "q.h5", classes="BPSK,QPSK", data=labelled(), tune=5)
    with h5py.File(tmp_path / "e.h5", "w"):
        pass
    with pytest.raises(DataError):
        bring_in(root, path, classes="BPSK,QPSK", data=tmp_path / "e.h5", tune=5)
    assert not (root / "hls_projects" / "m").exists()
