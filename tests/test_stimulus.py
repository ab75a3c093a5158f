"""Frames of a user's file on their way into a network: classes by name, and warnings with their numbers."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import gru_cnn_graph

from hw_amc.config import InputSettings
from hw_amc.errors import DataError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.radio import CaptureOptions, convert, open_frames, to_wire
from hw_amc.radio.quality import InputPath
from hw_amc.verify.heldout import held_out, input_path

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


def test_labels_follow_the_networks_classes_by_name(tmp_path):
    path = write(tmp_path / "x.pkl", frames_of({"16QAM": 5, "bpsk": 7, "WBFM": 2}))
    with pytest.warns(UserWarning, match="the network does not know WBFM; left out"):
        found = held_out(GRAPH, SETTINGS, 12, path)
    marks = found.wire[:, 0, 0] / 2**14 * 8
    np.testing.assert_array_equal(found.labels, np.where(marks == 1, 1, 2))
    assert (np.bincount(found.labels, minlength=3) == [0, 5, 7]).all()
    assert set(found.snrs_db) == {10}
    with open_frames(path) as file:
        frames = file.read(np.arange(14))[0]
    assert {row.tobytes() for row in found.wire} < {row.tobytes() for row in to_wire(frames)}


def test_frames_come_from_any_file(tmp_path):
    write(tmp_path / "x.pkl", frames_of({"QAM16": 3, "BPSK": 3}))
    with open_frames(tmp_path / "x.pkl") as file:
        convert(file, tmp_path / "x.h5")
    one, two = (held_out(GRAPH, SETTINGS, 6, tmp_path / name) for name in ("x.pkl", "x.h5"))
    np.testing.assert_array_equal(one.wire, two.wire)
    np.testing.assert_array_equal(one.labels, two.labels)


def test_a_recording_is_cut_to_the_networks_frames(tmp_path):
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
def test_files_that_do_not_serve(tmp_path, classes, count, message):
    path = write(tmp_path / "x.pkl", frames_of(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=message):
            held_out(GRAPH, SETTINGS, count, path)


def test_frames_of_another_length(tmp_path):
    path = write(tmp_path / "x.pkl", {("BPSK", 0): np.zeros((4, 2, T + 1), np.float32)})
    with pytest.raises(DataError, match=r"frames of shape \(17, 2\) do not fit the network's \(16, 2\)"):
        held_out(GRAPH, SETTINGS, 2, path)


def test_what_will_hurt_is_warned_about_with_its_number(tmp_path):
    path = write(tmp_path / "loud.pkl", frames_of({"BPSK": 100}, scale=4))
    with pytest.warns(UserWarning, match=r"loud.pkl: 6\d\.\d% of the I and Q values saturate: .* ends at 2"):
        held_out(GRAPH, SETTINGS, 100, path)
    cells = {("BPSK", 0): np.zeros((4, 2, T), np.float32)}
    with pytest.warns(UserWarning, match="4 of 4 frames hold nothing but zeros"):
        held_out(GRAPH, SETTINGS, 4, write(tmp_path / "silent.pkl", cells))


def test_the_way_in_is_that_of_the_settings_and_the_quantiser():
    settings = InputSettings(wire_frac=12, input_shift=-1, normalise="rms")
    assert input_path(GRAPH, settings) == InputPath("rms", 12, -1, FixedFormat(8, 6))
