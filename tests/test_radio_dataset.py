"""Generated sets: RadioML's schema and order, the same for any number of workers, whole or absent."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import h5py
import numpy as np
import pytest

from hw_amc.errors import ConfigError, DataError, HwAmcError
from hw_amc.radio import (
    CLASSES,
    RECIPES,
    RadioMlFile,
    dataset,
    describe,
    from_wire,
    generate_frames,
    generate_wire_set,
    make_dataset,
    to_wire,
)
from hw_amc.radio.parallel import map_blocks

SHORT = replace(RECIPES["radioml2018-v1"], frame_len=64)


def test_a_file_has_radiomls_schema_and_order(tmp_path):
    path = tmp_path / "set.h5"
    make_dataset(path, SHORT, 3, ["FM", "BPSK"], [-10, 20], split=2, workers=1)
    with h5py.File(path) as file:
        X, Y, Z = (file[name][:] for name in "XYZ")
        assert json.loads(file.attrs["recipe"]) == SHORT.to_dict()
        assert (file.attrs["digest"], file.attrs["split"]) == (SHORT.digest(), 2)
    assert (X.dtype, Y.dtype, Z.dtype) == (np.float32, np.int64, np.int64)
    assert (X.shape, Y.shape, Z.shape) == ((12, 64, 2), (12, 24), (12, 1))
    labels = np.repeat([CLASSES.index("FM"), CLASSES.index("BPSK")], 6)
    snrs = np.tile(np.repeat([-10, 20], 3), 2)
    np.testing.assert_array_equal(Y, np.eye(24, dtype=int)[labels])
    np.testing.assert_array_equal(Z[:, 0], snrs)
    np.testing.assert_array_equal(X, generate_frames(SHORT, labels, snrs, list(range(3)) * 4, split=2))


def test_workers_do_not_change_a_bit(tmp_path, monkeypatch):
    for workers in (1, 2):
        make_dataset(tmp_path / f"{workers}.h5", SHORT, 70, CLASSES[::5], [0], workers=workers)
    with h5py.File(tmp_path / "1.h5") as one, h5py.File(tmp_path / "2.h5") as two:
        for name in "XYZ":
            np.testing.assert_array_equal(one[name][:], two[name][:])
    sets = [generate_wire_set(SHORT, 3, [-20, 6], split=1, workers=workers) for workers in (1, 2)]
    for one_part, two_part in zip(*sets, strict=True):
        np.testing.assert_array_equal(one_part, two_part)
    monkeypatch.setattr(dataset, "_BLOCK", 2)
    np.testing.assert_array_equal(generate_wire_set(SHORT, 3, [-20, 6], split=1, workers=1)[0], sets[0][0])


def test_a_wire_set_is_the_generated_frames_as_words():
    wire, labels, snrs = generate_wire_set(SHORT, 2, [-4, 30], workers=1)
    assert (wire.dtype, labels.dtype, snrs.dtype) == (np.int16, np.uint8, np.int8)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(24), 4))
    np.testing.assert_array_equal(snrs, np.tile([-4, -4, 30, 30], 24))
    frames = generate_frames(SHORT, labels, snrs, [0, 1] * 48)
    np.testing.assert_array_equal(wire, to_wire(frames))
    scaled = generate_wire_set(SHORT, 2, [-4, 30], workers=1, normalise="rms")[0]
    np.testing.assert_array_equal(scaled, to_wire(frames, normalise="rms"))


def test_an_interrupted_file_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "set.h5"
    path.write_text("old")
    calls = []

    def fail_later(block):
        calls.append(block)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return generate_frames(SHORT, [block.label], [block.snr_db], [0])

    monkeypatch.setattr(dataset.Block, "frames", fail_later)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(path, SHORT, 1, CLASSES[:3], [0], workers=1)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.h5"]


def test_a_target_that_cannot_be_written(tmp_path):
    (tmp_path / "set.h5").mkdir()
    with pytest.raises(HwAmcError, match="cannot write"):
        make_dataset(tmp_path / "set.h5", SHORT, 1, CLASSES[:1], [0], workers=1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"frames_per_cell": 0}, ConfigError, "at least one frame"),
        ({"classes": []}, ConfigError, "one class"),
        ({"classes": ["FM", "FM"]}, ConfigError, "named twice"),
        ({"classes": ["FSK"]}, DataError, "'FSK'"),
        ({"snrs_db": [0, 40]}, ConfigError, "-20 to 30 dB, not 0 to 40"),
        ({"workers": 0}, ConfigError, "1 or more"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(tmp_path, arguments, error, message):
    path = tmp_path / "set.h5"
    with pytest.raises(error, match=message):
        make_dataset(path, SHORT, **{"frames_per_cell": 1, "workers": 1, **arguments})
    assert not list(tmp_path.iterdir())


def test_a_description_says_what_is_in_the_file(tmp_path):
    path = tmp_path / "set.h5"
    make_dataset(path, SHORT, 5, ["QPSK", "GMSK"], [0, 30], workers=1)
    with RadioMlFile(path) as file:
        frames = file.read(np.arange(20))[0]
    found = describe(path)
    assert (found["frames"], found["frame_len"], found["frames_examined"]) == (20, 64, 20)
    assert found["classes"] == {"QPSK": 10, "GMSK": 10}
    assert (found["snrs_db"], found["frames_per_cell"]) == ([0, 30], (5, 5))
    assert found["mean_power"] == pytest.approx(float((frames.astype(float) ** 2).sum(2).mean()))
    assert found["fraction_outside_2"] == np.mean(np.abs(frames) > 2)
    assert (found["recipe_name"], found["digest"]) == ("radioml2018-v1", SHORT.digest())
    assert np.abs(from_wire(to_wire(frames))).max() <= 2


def test_blocks_come_back_in_order_and_errors_come_through():
    results = map_blocks(math.sqrt, [float(k * k) for k in range(9)] + [-1.0], 2)
    assert [next(results) for _ in range(9)] == list(range(9))
    with pytest.raises(ValueError, match="math domain"):
        next(results)
    assert list(map_blocks(abs, [-1], None)) == [1]
