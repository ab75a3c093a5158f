"""Training on a file of labelled frames: which frames go where, and all steps to the card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import ConfigError, DataError
from hw_amc.models import MODELS, Classes, GruCnnSpec, find_classes
from hw_amc.radio import CLASSES, RECIPES, CaptureOptions, convert, make_dataset, open_frames, to_wire
from hw_amc.radio.gains import GAINS_DB, GainAccuracy, scale_words
from hw_amc.train.data import FrameSet
from hw_amc.train.predictions import load_predictions
from hw_amc.train.recipe import Data, load_recipe_file
from hw_amc.train.run import RunOptions, run_recipe
from hw_amc.train.sets import load_part

T = 64

TOML = """
validate_frames = 24
[data]
file = "air.h5"
shares = [0.6, 0.2, 0.2]
train = [[0, 10, 10, 6]]
validation = [[0, 10, 10, 2]]
test = [[0, 10, 10, 2]]
[[stage]]
name = "dense"
kind = "float"
phases = [{ crop = 32, steps = 2, batch = 8, warmup = 1 }]
[[stage]]
name = "deployed"
kind = "qat"
phases = [{ crop = 32, steps = 2, batch = 8, warmup = 1 }]
"""


@pytest.fixture(scope="module")
def air(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames of each of three classes at each of three SNRs."""
    path = tmp_path_factory.mktemp("air") / "air.h5"
    recipe = replace(RECIPES["awgn-v1"], frame_len=T)
    make_dataset(path, recipe, 10, ["BPSK", "QPSK", "FM"], [0, 10, 20], workers=1)
    return path


KNOWN = find_classes("radioml2018")


def part(air: Path, folder: Path, name: str, count: int = 3, classes: Classes = KNOWN, **changes: Any) -> FrameSet:
    """A part of the file at 0 and 10 dB, at most `count` frames of each class at each of them."""
    cells = [(0, 10, 10, count)]
    settings = {"shares": [0.6, 0.2, 0.2], **changes}
    found = load_part(Data(train=cells, validation=cells, test=cells, file=air, **settings), name, folder, classes)
    assert found.wire.dtype == np.int16
    return found


def test_parts_share_no_frame_and_hold_what_the_cells_ask_for(air: Path, tmp_path: Path) -> None:
    parts = {name: part(air, tmp_path, name, 100) for name in ("train", "validation", "test")}
    frames = {name: {frame.tobytes() for frame in found.wire} for name, found in parts.items()}
    assert {name: len(found) for name, found in parts.items()} == {"train": 36, "validation": 12, "test": 12}
    assert len(set.union(*frames.values())) == 60  # all of both SNRs, none twice
    with open_frames(air) as file:
        whole = {frame.tobytes() for frame in to_wire(file.read(np.arange(len(file)))[0], normalise="rms")}
    assert set.union(*frames.values()) < whole
    few = part(air, tmp_path, "train", 2)
    assert {frame.tobytes() for frame in few.wire} < frames["train"]
    for label in ("BPSK", "QPSK", "FM"):
        for snr_db in (0, 10):
            assert np.count_nonzero((few.labels == CLASSES.index(label)) & (few.snr_db == snr_db)) == 2


def test_a_set_is_kept_and_another_level_is_another_set(air: Path, tmp_path: Path) -> None:
    first = part(air, tmp_path, "test", normalise="none")
    assert len(list(tmp_path.glob("air.h5-*-wire.npy"))) == 1
    np.testing.assert_array_equal(part(air, tmp_path, "test", normalise="none").wire, first.wire)
    assert isinstance(first.wire, np.memmap)
    loud = part(air, tmp_path, "test")  # of a file, whose level nobody knows
    assert len(list(tmp_path.glob("air.h5-*-wire.npy"))) == 2
    power = np.square(loud.wire / 2**14).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(power, 1, atol=0.03)  # less where a peak is cut off


def test_what_will_hurt_is_warned_about(tmp_path: Path) -> None:
    signs = np.random.default_rng(4).choice([-1.5, 1.5], (2, 20, T))
    np.save(tmp_path / "loud.npy", (signs[0] + 1j * signs[1]).astype(np.complex64))
    with open_frames(tmp_path / "loud.npy", CaptureOptions(T, "BPSK", 0)) as file:
        convert(file, tmp_path / "loud.h5")
    with pytest.warns(UserWarning, match="loud.h5: .*the receiver clipped"):
        part(tmp_path / "loud.h5", tmp_path, "train")


def test_frames_at_another_gain_are_what_the_wire_would_carry() -> None:
    words = np.array([[[3, -3], [20000, -20000]]], np.int16)
    assert scale_words(words, 0).tolist() == words.tolist()
    assert scale_words(words, 6).tolist() == [[[6, -6], [2**15 - 1, -(2**15)]]]
    assert scale_words(words, -20).tolist() == [[[0, 0], [2000, -2000]]]


def test_files_that_do_not_serve(air: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist; \[data\] file in train.toml names it"):
        part(tmp_path / "none.h5", tmp_path, "train")
    cells = [(-20, -10, 2, 5)]
    with pytest.raises(DataError, match="no train frame of a known class at the SNRs"):
        load_part(Data(train=cells, validation=cells, test=cells, file=air), "train", tmp_path, KNOWN)
    with pytest.raises(ConfigError, match=r"air.h5 names none of the classes a, b; set `classes` in project.toml"):
        part(air, tmp_path, "train", classes=(("a", "b"),))


def test_labels_are_numbered_as_the_networks_heads(air: Path, tmp_path: Path) -> None:
    mine = (("FM", "16QAM", "BPSK"),)
    few = part(air, tmp_path, "train", 2, classes=mine)
    assert {mine[0][label] for label in few.labels} == {"FM", "BPSK"}
    whole = part(air, tmp_path, "train", 2)
    kept = np.isin(whole.labels, [CLASSES.index("FM"), CLASSES.index("BPSK")])
    np.testing.assert_array_equal(few.wire, whole.wire[kept])
    assert [CLASSES[label] for label in whole.labels[kept]] == [mine[0][label] for label in few.labels]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('file = "air.h5"', 'file = "air.h5"\nrecipe = "awgn-v1"', "either a recipe"),
        ('file = "air.h5"', "", "either a recipe"),
        ("shares = [0.6, 0.2, 0.2]", "shares = [0.5, 0.5]", "list should have at least 3 items"),
        ("shares =", 'normalise = "peak"\nshares =', "input should be 'none' or 'rms'"),
    ],
)
def test_wrong_data_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "train.toml").write_text(TOML.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_recipe_file(tmp_path / "train.toml")


@pytest.mark.train
def test_a_network_is_trained_and_measured_on_a_file(
    tmp_path: Path, air: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", GruCnnSpec("tiny", 6, frame=(T, 2)))
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "air.h5").symlink_to(air)
    (folder / "train.toml").write_text(TOML)
    (folder / "project.toml").write_text("")
    told = []

    def train() -> Path:
        options = RunOptions(data_dir=tmp_path / "data", progress=lambda *a: told.append(a))
        return run_recipe("tiny", folder / "train.toml", folder, options)

    with pytest.raises(ConfigError, match="feeds the network frames of normalise = 'none'"):
        train()
    (folder / "project.toml").write_text('[input]\nnormalise = "rms"\n')
    train()
    assert len(told) == 4
    report = json.loads((folder / "accuracy.json").read_text())
    assert (report["eval_set"]["file"], report["eval_set"]["frames"]) == ("air.h5", 12)
    assert load_predictions(folder).eval_set == report["eval_set"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "12 held-out frames (split 2) of file `air.h5`" in card
    gains = report["gain_db"]
    assert list(gains["accuracy"]) == [f"{gain:g}" for gain in GAINS_DB]
    assert f"| +3 | {100 * gains['accuracy']['3']:.2f} |" in card
    assert GainAccuracy.load(gains).told() in card
    assert "Trained and measured on frames of file `air.h5` only." in card
    monkeypatch.setitem(MODELS, "tiny", GruCnnSpec("tiny", 6))
    with pytest.raises(ConfigError, match=r"takes frames of 1024 samples, but \[data\] gives 64"):
        train()
