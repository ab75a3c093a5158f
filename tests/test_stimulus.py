"""Frames of a user's file on their way into a network: classes by name, and warnings with their numbers."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from networks import gru_cnn_graph, linear

from hw_amc import graph as ir
from hw_amc.config import InputSettings
from hw_amc.errors import DataError
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.radio import CLASSES, CaptureOptions, convert, generate_frames, load_recipe, open_frames, to_wire
from hw_amc.radio.classes import CLASS_SETS, CLASSES_2016
from hw_amc.radio.names import standard_name
from hw_amc.radio.quality import InputPath
from hw_amc.verify.heldout import NONE, SEED, TEST_SPLIT, fitting_recipe, held_out, input_path

T = 16
SETTINGS = InputSettings()
GRAPH = replace(gru_cnn_graph(np.random.default_rng(0), frame_len=T), classes=(("FM", "QAM16", "BPSK"),))


def frames_of(classes: dict[str, int], scale: float = 0.5) -> dict[tuple[str, int], np.ndarray]:
    """A pickle's cells; sample 0 of a frame says which class it is of."""
    rng = np.random.default_rng(1)
    cells = {}
    for mark, (name, count) in enumerate(classes.items(), 1):
        frames = (scale * rng.standard_normal((count, 2, T))).astype(np.float32)
        frames[:, 0, 0] = mark / 8
        cells[name, 10] = frames
    return cells


def write(path: Path, cells: dict[tuple[str, int], np.ndarray]) -> Path:
    path.write_bytes(pickle.dumps(cells))
    return path


def test_labels_follow_the_networks_classes_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", frames_of({"16QAM": 5, "bpsk": 7, "WBFM": 2}))
    with pytest.warns(UserWarning, match="the network does not know WBFM; left out"):
        found = held_out(GRAPH, SETTINGS, 12, path)
    marks = found.wire[:, 0, 0] / 2**14 * 8
    np.testing.assert_array_equal(found.labels, np.where(marks == 1, 1, 2)[:, np.newaxis])
    assert (np.bincount(found.labels[:, 0], minlength=3) == [0, 5, 7]).all()
    assert set(found.snrs_db) == {10}
    with open_frames(path) as file:
        frames = file.read(np.arange(14))[0]
    assert {row.tobytes() for row in found.wire} < {row.tobytes() for row in to_wire(frames)}


def test_frames_come_from_any_file(tmp_path: Path) -> None:
    write(tmp_path / "x.pkl", frames_of({"QAM16": 3, "BPSK": 3}))
    with open_frames(tmp_path / "x.pkl") as file:
        convert(file, tmp_path / "x.h5")
    one, two = (held_out(GRAPH, SETTINGS, 6, tmp_path / name) for name in ("x.pkl", "x.h5"))
    np.testing.assert_array_equal(one.wire, two.wire)
    np.testing.assert_array_equal(one.labels, two.labels)


def test_a_recording_is_cut_to_the_networks_frames(tmp_path: Path) -> None:
    np.save(tmp_path / "air.npy", np.full(10 * T, 0.25 + 0.5j, np.complex64))
    with pytest.raises(DataError, match="no labels"):
        held_out(GRAPH, SETTINGS, 5, tmp_path / "air.npy")
    with open_frames(tmp_path / "air.npy", CaptureOptions(T, "BPSK", 3)) as file:
        convert(file, tmp_path / "air.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a carrier at 0 Hz
        found = held_out(GRAPH, SETTINGS, 10, tmp_path / "air.h5")
    assert (found.wire == [4096, 8192]).all()
    assert (found.labels == 2).all()


@pytest.mark.parametrize(
    ("classes", "count", "message"),
    [
        ({"WBFM": 4, "GFSK": 4}, 2, r"holds GFSK, WBFM, of which the network knows none; it knows FM, QAM16, BPSK"),
        ({"WBFM": 90, "BPSK": 4}, 5, "holds 4 frames, not 5; give --frames 4"),
        ({"BPSK": 4}, 0, "1 or more"),
    ],
)
def test_files_that_do_not_serve(tmp_path: Path, classes: Any, count: int, message: str) -> None:
    path = write(tmp_path / "x.pkl", frames_of(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=message):
            held_out(GRAPH, SETTINGS, count, path)


def test_frames_of_another_length(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", {("BPSK", 0): np.zeros((4, 2, T + 1), np.float32)})
    with pytest.raises(DataError, match=r"frames of shape \(17, 2\) do not fit the network's \(16, 2\)"):
        held_out(GRAPH, SETTINGS, 2, path)


def test_what_will_hurt_is_warned_about_with_its_number(tmp_path: Path) -> None:
    path = write(tmp_path / "loud.pkl", frames_of({"BPSK": 100}, scale=4))
    with pytest.warns(UserWarning, match=r"loud.pkl: 6\d\.\d% of the I and Q values saturate: .* ends at 2"):
        held_out(GRAPH, SETTINGS, 100, path)
    cells = {("BPSK", 0): np.zeros((4, 2, T), np.float32)}
    with pytest.warns(UserWarning, match="4 of 4 frames hold nothing but zeros"):
        held_out(GRAPH, SETTINGS, 4, write(tmp_path / "silent.pkl", cells))


def test_the_way_in_is_that_of_the_settings_and_the_quantiser() -> None:
    settings = InputSettings(wire_frac=12, input_shift=-1, normalise="rms")
    assert input_path(GRAPH, settings) == InputPath("rms", 12, -1, FixedFormat(8, 6))


def network_of(*classes: tuple[str, ...], frame_len: int = T) -> Graph:
    """A network of heads with these classes, one after another on the pooled tensor."""
    graph = gru_cnn_graph(np.random.default_rng(0), frame_len=frame_len)
    source = graph[graph["head"].inputs[0]]
    heads = [
        linear(np.random.default_rng(i), ir.Dense, f"head{i}", source, len(names)) for i, names in enumerate(classes)
    ]
    nodes = (*graph.nodes[: graph.nodes.index(source) + 1], *heads)
    return Graph("net", nodes, tuple(head.name for head in heads), classes)


def test_generated_frames_are_those_of_the_networks_classes() -> None:
    """RadioML 2018.01A in its own order: frame i is of class i, and the frames are those of the recipe."""
    found = held_out(network_of(CLASSES, frame_len=128), SETTINGS, 30)
    assert found.labels.shape == (30, 1)
    np.testing.assert_array_equal(found.labels[:, 0], np.arange(30) % 24)
    assert found.source == f"radioml2018-v2, split {TEST_SPLIT}, seed {SEED}"
    numbers = np.arange(30)
    recipe = replace(load_recipe("radioml2018-v2"), frame_len=128)
    right = generate_frames(recipe, numbers % 24, found.snrs_db, numbers, split=TEST_SPLIT)
    np.testing.assert_array_equal(found.wire, to_wire(right))


@pytest.mark.parametrize(
    ("classes", "recipe", "cells"),
    [
        ((CLASSES[::-1],), "radioml2018-v2", 24),
        ((("FM", "QAM16", "BPSK"),), "radioml2018-v2", 3),
        ((CLASSES_2016,), "radioml2016-v1", 11),
        (tuple(head.classes for head in CLASS_SETS["radcom-awgn"].heads), "radcom-awgn-v1", 12),
        (tuple(head.classes for head in CLASS_SETS["radcom-dynamic"].heads), "radcom-awgn-v1", 9),
        ((CLASS_SETS["radcom-awgn"].heads[1].classes,), "radcom-awgn-v1", 12),
    ],
)
def test_the_recipe_is_the_one_that_has_the_classes(classes: Any, recipe: str, cells: int) -> None:
    found = fitting_recipe(classes)
    assert found is not None
    assert found[0].name == recipe
    known = found[0].classes
    used = [at for at, labels in enumerate(found[1]) if labels[0] != NONE]
    assert len(used) == cells
    for at in used:
        named = {classes[head][label] for head, label in enumerate(found[1][at])}
        assert {standard_name(name) for name in named} <= set(known.cells[at])
    stimulus = held_out(network_of(*classes), SETTINGS, cells)
    for head, names in enumerate(classes):
        assert set(stimulus.labels[:, head]) == set(range(len(names)))


@pytest.mark.parametrize("frame_len", [4, 16])
def test_a_network_of_classes_that_nobody_generates_gets_signals_without_labels(frame_len: int) -> None:
    found = held_out(network_of(("hopping", "BPSK"), frame_len=frame_len), SETTINGS, 50)
    assert found.wire.shape == (50, frame_len, 2)
    assert (found.labels == NONE).all()
    assert found.source.endswith("; no labels: no recipe has the network's classes")
    assert np.unique(found.wire.reshape(50, -1), axis=0).shape[0] == 50


def test_frames_that_the_fitting_recipe_cannot_make_get_no_labels() -> None:
    classes = tuple(head.classes for head in CLASS_SETS["radcom-awgn"].heads)
    found = held_out(network_of(*classes, frame_len=256), SETTINGS, 3)
    assert (found.labels == NONE).all()
    assert "radioml2018-v2" in found.source
    assert found.source.endswith("; no labels: RadCom frames have 64 to 200 samples, not 256")


def test_both_labels_of_a_file_reach_their_heads(tmp_path: Path) -> None:
    heads = tuple(head.classes[::-1] for head in CLASS_SETS["radcom-awgn"].heads)
    with h5py.File(tmp_path / "RadComAWGN.hdf5", "w") as file:
        for number, (modulation, signal) in enumerate((("pulsed", "Air-Ground-MTI"), ("bpsk", "SATCOM")) * 2):
            file[str((modulation, signal, 10, number))] = np.full(2 * T, 0.25 if modulation == "bpsk" else 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant samples
        found = held_out(network_of(*heads), SETTINGS, 4, tmp_path / "RadComAWGN.hdf5")
    for wire, labels in zip(found.wire, found.labels, strict=True):
        names = tuple(names[label] for names, label in zip(heads, labels, strict=True))
        assert names == (("BPSK", "SATCOM") if wire[0, 0] == 4096 else ("PCW", "Air-Ground-MTI"))


def test_a_head_of_which_a_file_knows_no_class_has_no_label(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", frames_of({"BPSK": 4, "WBFM": 2}))
    with pytest.warns(UserWarning, match="does not know WBFM; left out"):
        found = held_out(network_of(("QPSK", "BPSK"), ("radar", "radio")), SETTINGS, 4, path)
    np.testing.assert_array_equal(found.labels, [[1, NONE]] * 4)
