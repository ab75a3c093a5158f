"""What stands for Keras: made by Keras, for just these weights, frames and versions, or made again."""

from __future__ import annotations

import gc
import resource
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from networks import hakimi_graph, random_frames

from hw_amc.cache import entries
from hw_amc.graph import Graph, golden
from hw_amc.verify import reference
from hw_amc.verify.reference import keras_reference


class Counting:
    """Stands in for Keras, which is slow: golden's integers, and how often they were asked for."""

    dtype = "float32"

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.runs = 0

    def run(self, frames: np.ndarray, keep: Iterable[str]) -> dict[str, np.ndarray]:
        self.runs += 1
        return golden.run(self.graph, frames, list(keep))


@pytest.fixture
def keras() -> Counting:
    return Counting(hakimi_graph(np.random.default_rng(0)))


@pytest.fixture
def wire(keras: Counting) -> np.ndarray:
    return random_frames(np.random.default_rng(1), keras.graph, 3)


def ask(keras: Counting, wire: np.ndarray, root: Path, weights: str = "abc") -> dict[str, np.ndarray]:
    layers = [node.name for node in keras.graph.nodes[1:]]
    return keras_reference(keras, wire, layers, weights, root).tensors  # type: ignore[arg-type]


def test_keras_runs_once_for_the_same_weights_and_frames(keras: Counting, wire: np.ndarray, tmp_path: Path) -> None:
    first, again = ask(keras, wire, tmp_path), ask(keras, wire, tmp_path)
    assert keras.runs == 1
    assert list(first) == list(again)
    for name, tensor in first.items():
        np.testing.assert_array_equal(again[name], tensor)


def test_other_weights_frames_versions_and_code_ask_keras_again(
    keras: Counting, wire: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(keras, wire, tmp_path)
    ask(keras, wire, tmp_path, "other weights")
    assert keras.runs == 2
    changed = wire.copy()
    changed[1, 2, 0] ^= 1
    ask(keras, changed, tmp_path)
    assert keras.runs == 3
    keras.dtype = "float64"
    ask(keras, wire, tmp_path)
    assert keras.runs == 4
    keras.dtype = "float32"
    monkeypatch.setattr(reference, "_version", lambda name: "9.9")
    ask(keras, wire, tmp_path)
    assert keras.runs == 5
    monkeypatch.undo()
    monkeypatch.setattr(reference, "_own_digest", lambda: "another version of this package")
    ask(keras, wire, tmp_path)
    assert keras.runs == 6
    monkeypatch.undo()
    ask(keras, wire, tmp_path)
    assert keras.runs == 6


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_file_is_made_again_with_one_line(
    keras: Counting, wire: np.ndarray, tmp_path: Path, damage: bytes | None
) -> None:
    """Seen before: EOFError and BadZipFile."""
    wanted = ask(keras, wire, tmp_path)
    (entry,) = entries(tmp_path)
    path = entry.folder / "tensors.npz"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    with pytest.warns(UserWarning, match="in the cache is not whole") as said:
        found = ask(keras, wire, tmp_path)
    assert (len(said), keras.runs) == (1, 2)
    np.testing.assert_array_equal(found["head"], wanted["head"])


def test_numbers_beyond_32_bits_are_kept(keras: Counting, wire: np.ndarray, tmp_path: Path) -> None:
    wide = np.array([[2**40, -(2**33)]])
    keras.run = lambda frames, keep: dict.fromkeys(keep, wide)  # type: ignore[method-assign]
    for _ in range(2):
        tensors = ask(keras, wire[:1], tmp_path)
        np.testing.assert_array_equal(tensors["head"], wide)


def test_a_cache_that_cannot_be_written_costs_time_only(
    keras: Counting, wire: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hw_amc.cache._record", refuse)
    assert ask(keras, wire, tmp_path)["head"].shape == (3, 5)
    assert keras.runs == 1
    shutil.rmtree(tmp_path)


def test_a_full_disk_costs_time_only(
    keras: Counting, wire: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen before: numpy's archive, left open, complained with a traceback when it was thrown away."""
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        found = ask(keras, wire, tmp_path)
        gc.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found["head"].shape == (3, 5)
    assert (complaints, keras.runs) == ([], 1)
