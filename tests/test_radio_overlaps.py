"""Frames of a file that share samples: found whatever the shift, kept in one share, and told of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from hw_amc.models import find_classes
from hw_amc.radio import open_frames
from hw_amc.radio.files.overlaps import find_origins
from hw_amc.train.recipe import Data
from hw_amc.train.sets import load_part

T = 128
KNOWN = find_classes("radioml2018")

Frames = NDArray[np.float32]


def noise(count: int, length: int = T, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).standard_normal((count, length, 2)).astype(np.float32)


def reader(frames: Frames) -> Callable[[int, int], NDArray[Any]]:
    return lambda first, stop: frames[first:stop]


def write(path: Path, frames: Frames, labels: NDArray[Any]) -> Path:
    """A file in the schema of RadioML 2018.01A, all at 10 dB."""
    with h5py.File(path, "w") as file:
        file["X"], file["Y"] = frames, np.eye(24, dtype=int)[labels]
        file["Z"] = np.full((len(frames), 1), 10)
    return path


def test_frames_that_share_nothing_stand_alone() -> None:
    assert find_origins(reader(noise(700)), 700).tolist() == list(range(700))
    assert find_origins(reader(noise(0)), 0).tolist() == []


def test_copies_are_found_across_reads() -> None:
    frames = noise(1100)
    frames[1099], frames[700], frames[3] = frames[5], frames[5], frames[2]
    origins = find_origins(reader(frames), 1100)
    assert {row: int(origin) for row, origin in enumerate(origins) if origin != row} == {3: 2, 700: 5, 1099: 5}


@pytest.mark.parametrize("hop", [1, 16, 40, 64])
def test_windows_of_one_recording_are_found_whatever_their_hop(hop: int) -> None:
    air = noise(1, 39 * hop + T)[0]
    windows = np.stack([air[start : start + T] for start in range(0, 40 * hop, hop)])
    frames = np.concatenate([noise(10, seed=1), windows])
    origins = find_origins(reader(frames), 50)
    assert origins[:10].tolist() == list(range(10))
    assert set(origins[10:]) == {10}


def test_a_common_preamble_is_no_overlap() -> None:
    frames = noise(50)
    frames[:, :64] = noise(1, 64, seed=2)
    assert find_origins(reader(frames), 50).tolist() == list(range(50))


def test_silence_alone_joins_nothing_but_silent_frames_do() -> None:
    frames = noise(20)
    frames[:, 40:] = 0  # half of each frame is silent
    frames[7] = frames[9] = 0
    frames[9, 3] = -0.0
    origins = find_origins(reader(frames), 20)
    assert {row: int(origin) for row, origin in enumerate(origins) if origin != row} == {9: 7}


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17])
def test_short_frames_are_compared(length: int) -> None:
    frames = noise(30, length)
    frames[21] = frames[4]
    origins = find_origins(reader(frames), 30)
    assert {row: int(origin) for row, origin in enumerate(origins) if origin != row} == {21: 4}


def test_no_sample_is_in_two_shares(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pool, pick = noise(960), rng.integers(960, size=960)
    with open_frames(write(tmp_path / "doubled.h5", pool[pick], np.repeat(np.arange(24), 40)[pick])) as file:
        shares = file.split(1, (0.6, 0.2, 0.2))
    assert sorted(np.concatenate(shares)) == list(range(960))
    held = [set(pick[rows]) for rows in shares]
    assert not (held[0] & held[1]) | (held[0] & held[2]) | (held[1] & held[2])
    assert [len(rows) > size for rows, size in zip(shares, (480, 120, 120), strict=True)] == [True] * 3


def test_a_split_of_other_frames_is_what_it_was(tmp_path: Path) -> None:
    """Rows that a file without copies was split into before copies were looked for."""
    with open_frames(write(tmp_path / "apart.h5", noise(48), np.repeat([2, 5], 24))) as file:
        shares = file.split(2018, (0.5, 0.25))
    rng = [np.random.Generator(np.random.PCG64(np.random.SeedSequence([2018, label, 138]))) for label in (2, 5)]
    order = [r.permutation(np.arange(24) + 24 * i) for i, r in enumerate(rng)]
    assert shares[0].tolist() == sorted(np.concatenate([o[:12] for o in order]))
    assert shares[1].tolist() == sorted(np.concatenate([o[12:18] for o in order]))


def test_training_is_told_of_frames_that_repeat(tmp_path: Path) -> None:
    frames = noise(240)
    frames[1::40] = frames[::40]
    path = write(tmp_path / "air.h5", frames, np.repeat(np.arange(6), 40))
    cells = [(10, 10, 10, 100)]
    data = Data(train=cells, validation=cells, test=cells, file=path, shares=[0.6, 0.2, 0.2])
    with pytest.warns(UserWarning, match=r"air\.h5: 6 of 240 frames repeat or overlap others; they stay in one share"):
        parts = [
            load_part(data, part, tmp_path, find_classes("radioml2018")) for part in ("train", "validation", "test")
        ]
    held = [{words.tobytes() for words in part.wire} for part in parts]
    assert sum(map(len, held)) == len(set.union(*held)) == 234
