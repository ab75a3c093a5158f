"""SigMF recordings: frames from labelled stretches, and every way in which a recording can be unfit."""

from __future__ import annotations

import gc
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sigmf

from hw_amc.errors import DataError
from hw_amc.radio import CaptureOptions, open_frames
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.radio.files.sigmf import SigMfFile

T = 32
OPTIONS = CaptureOptions(frame_len=T)


def record(path: Path, samples: np.ndarray, annotations=(), captures=(0,), **fields) -> Path:
    """Write a recording by hand, so that the reader's library is not also the writer."""
    kinds = {"complex64": "cf32_le", "int16": "ci16_le", "uint8": "cu8", "float32": "rf32_le"}
    samples.tofile(path.with_suffix(".sigmf-data"))
    meta = {
        "global": {"core:datatype": kinds[str(samples.dtype)], "core:version": "1.0.0", **fields},
        "captures": [{"core:sample_start": start} for start in captures],
        "annotations": [
            {"core:sample_start": start, **({"core:sample_count": count} if count else {}), **more}
            for start, count, more in annotations
        ],
    }
    meta_path = path.with_suffix(".sigmf-meta")
    meta_path.write_text(json.dumps(meta))
    return meta_path


def noise(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, 2)) @ [1, 1j]).astype(np.complex64)


def label(name: str, snr: float | None = None) -> dict[str, object]:
    return {"core:label": name, **({} if snr is None else {"capture_details:SNRdB": snr})}


def pairs(samples: np.ndarray) -> np.ndarray:
    return samples.view(np.float32).reshape(-1, 2)


def test_frames_are_cut_within_annotations_and_captures(tmp_path):
    samples = noise(1000)
    marks = [(10, 3 * T + 5, label("QPSK", 9.6)), (400, 4 * T, label("16QAM")), (900, 0, label("qpsk", -3))]
    meta = record(tmp_path / "air", samples, marks, captures=(0, 400 + T + 7), **{"core:sample_rate": 1e6})
    with pytest.warns(UserWarning, match="one class, QPSK"):
        file = open_frames(meta, OPTIONS)
    with file:
        frames, labels, snrs = file.read(np.arange(len(file)))
        assert file.attributes == {"sample_rate_hz": 1e6, "datatype": "cf32_le"}
    second = 400 + T + 7
    starts = [10, 10 + T, 10 + 2 * T, 400, second, second + T, 900, 900 + T, 900 + 2 * T]
    np.testing.assert_array_equal(frames, np.stack([pairs(samples)[start : start + T] for start in starts]))
    assert [file.classes[i] for i in labels] == ["QPSK"] * 3 + ["16QAM"] * 3 + ["QPSK"] * 3
    assert list(snrs) == [10] * 3 + [UNKNOWN_SNR_DB] * 3 + [-3] * 3


@pytest.mark.parametrize("ending", [".sigmf-meta", ".sigmf-data", ".sigmf", ".sigmf.gz"])
def test_any_file_of_a_recording_will_do(tmp_path, ending):
    samples = noise(4 * T)
    meta = record(tmp_path / "air", samples, [(0, 4 * T, label("FM"))])
    path = tmp_path / f"air{ending}"
    if ending.startswith(".sigmf-") is False:
        found = sigmf.fromfile(meta)
        found.tofile(path, toarchive=True) if ending == ".sigmf" else found.archive(path, compression="gz")
    with open_frames(path, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([3, 1])[0], pairs(samples).reshape(4, T, 2)[[3, 1]])


@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
def test_integers_are_scaled_to_unit_range(tmp_path, dtype):
    info = np.iinfo(dtype)
    raw = np.random.default_rng(0).integers(info.min, info.max, (2 * T, 2), dtype, endpoint=True)
    raw[0] = info.min, info.max
    meta = record(tmp_path / "air", raw, [(0, 2 * T, label("FM"))])
    half = 2.0 ** (8 * raw.itemsize - 1)
    wanted = (raw.astype(float) - (half if info.min == 0 else 0)) / half
    with open_frames(meta, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([0, 1])[0], wanted.astype(np.float32).reshape(2, T, 2))


def test_absolute_sample_numbers_of_a_split_recording(tmp_path):
    samples = noise(3 * T)
    meta = record(tmp_path / "air", samples, [(1000 + T, T, label("FM"))], (1000,), **{"core:offset": 1000})
    with open_frames(meta, OPTIONS) as file:
        np.testing.assert_array_equal(file.read([0])[0][0], pairs(samples)[T : 2 * T])


def test_an_unlabelled_recording_needs_a_label(tmp_path):
    meta = record(tmp_path / "air", noise(3 * T), [(0, T, {"core:comment": "a burst"})])
    with pytest.raises(DataError, match=r"no annotation has a core:label.*--label QPSK"):
        open_frames(meta, OPTIONS)
    with open_frames(meta, CaptureOptions(T, "8psk", 7)) as file:
        assert ({file.classes[i] for i in file.labels}, len(file), set(file.snrs_db)) == ({"8PSK"}, 3, {7})


def _sums(file: SigMfFile, rows: np.ndarray) -> np.ndarray:
    return file.read(rows)[0].sum(axis=(1, 2))


def test_an_open_recording_goes_to_other_processes(tmp_path):
    meta = record(tmp_path / "air", noise(40 * T), [(3, 39 * T, label("FM"))])
    with open_frames(meta, OPTIONS) as file:
        wanted = _sums(file, np.arange(39))
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork"), initializer=gc.disable) as pool:
            got = list(pool.map(_sums, [file] * 2, np.array_split(np.arange(39), 2)))
        np.testing.assert_array_equal(np.concatenate(got), wanted)
        np.testing.assert_array_equal(_sums(pickle.loads(pickle.dumps(file)), np.arange(39)), wanted)


def test_overlaps_of_one_label_are_taken_once(tmp_path):
    samples = noise(6 * T)
    marks = [(0, 4 * T, label("FM")), (2 * T, 4 * T, label("FM")), (T, T, label("FM"))]
    with open_frames(record(tmp_path / "air", samples, marks), OPTIONS) as file:
        np.testing.assert_array_equal(file.read(np.arange(6))[0].reshape(-1, 2), pairs(samples))


def test_short_stretches_are_left_out_and_told(tmp_path):
    meta = record(tmp_path / "air", noise(4 * T), [(0, T - 1, label("FM")), (T, T, label("BPSK"))])
    with pytest.warns(UserWarning, match="1 stretches shorter than 32 samples"):
        file = open_frames(meta, OPTIONS)
    assert [file.classes[i] for i in file.labels] == ["BPSK"]


@pytest.mark.parametrize(
    ("annotations", "fields", "message"),
    [
        ([(0, T - 1, label("FM"))], {}, "longest stretch of one label has 31 samples, shorter than a frame of 32"),
        ([(0, 100 * T, label("FM"))], {}, "covers samples 0 to 3199, but the recording has 128; is it cut short"),
        ([(0, 2 * T, label("FM")), (T, T, label("AM"))], {}, "sample 32 is both 'FM' and 'AM'"),
        ([(0, T, label("FM", 500))], {}, "SNRdB of 500"),
        ([(0, T, label("FM"))], {"core:num_channels": 2}, "has 2 channels"),
        ([(0, T, label("FM"))], {"core:datatype": "rf32_le"}, "real samples"),
        ([(0, T, label("FM"))], {"core:datatype": "qq"}, "no SigMF recording"),
        ([(0, T, label("FM"))], {"core:datatype": None}, "no SigMF recording"),
    ],
)
def test_recordings_that_make_no_frames(tmp_path, annotations, fields, message):
    meta = record(tmp_path / "air", noise(4 * T), annotations, **fields)
    with pytest.raises(DataError, match=message) as caught:
        open_frames(meta, OPTIONS)
    assert "\n" not in str(caught.value)


def test_labels_are_not_overridden(tmp_path):
    meta = record(tmp_path / "air", noise(T), [(0, T, label("FM"))])
    with pytest.raises(DataError, match="leave --label out"):
        open_frames(meta, CaptureOptions(T, "BPSK"))


def test_damaged_and_missing_parts(tmp_path):
    meta = record(tmp_path / "air", noise(T), [(0, T, label("FM"))])
    (tmp_path / "air.sigmf-data").unlink()
    with pytest.raises(DataError, match="are not beside it"):
        open_frames(meta, OPTIONS)
    for text in ("{", "[]", "{}", '{"global": 3}', ""):
        meta.write_text(text)
        with pytest.raises(DataError, match="no SigMF recording"):
            open_frames(meta, OPTIONS)
    with pytest.raises(DataError, match="does not exist"):
        open_frames(tmp_path / "other.sigmf-meta", OPTIONS)
    (tmp_path / "x.sigmf").write_bytes(b"no archive")
    with pytest.raises(DataError, match="no SigMF recording"):
        open_frames(tmp_path / "x.sigmf", OPTIONS)
