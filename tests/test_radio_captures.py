"""Plain recordings: arrays and raw samples, cut into frames; labels come from the user."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import CLASSES, CaptureOptions, open_frames
from hw_amc.radio.files.captures import PlainFile
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB

T = 16
OPTIONS = CaptureOptions(T, "qam16", 12)
RNG = np.random.default_rng(0)
SAMPLES = RNG.standard_normal((5 * T + 3, 2)).astype(np.float32)
WANTED = SAMPLES[: 5 * T].reshape(5, T, 2)


@pytest.mark.parametrize("form", ["complex64", "complex128", "real", "big-endian"])
def test_an_array_of_samples_is_cut_into_frames(tmp_path, form):
    forms = {
        "complex64": SAMPLES.view(np.complex64)[:, 0],
        "complex128": SAMPLES.astype(np.float64).view(np.complex128)[:, 0],
        "real": SAMPLES,
        "big-endian": SAMPLES.view(np.complex64)[:, 0].astype(">c8"),
    }
    path = tmp_path / "air.npy"
    np.save(path, forms[form])
    with open_frames(path, OPTIONS) as file:
        assert isinstance(file, PlainFile)
        assert {file.classes[i] for i in file.labels} == {"16QAM"}
        assert (file.classes, len(file), file.frame_len, set(file.snrs_db)) == (CLASSES, 5, T, {12})
        np.testing.assert_array_equal(file.read([4, 0, 2])[0], WANTED[[4, 0, 2]])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(file)).read(range(5))[0], WANTED)
        assert len(pickle.dumps(file)) < 5000


@pytest.mark.parametrize("form", ["(m, T, 2)", "(m, 2, T)", "complex (m, T)"])
@pytest.mark.parametrize("frame_len", [None, 7])
def test_arrays_of_frames_keep_or_cut_them(tmp_path, form, frame_len):
    forms = {
        "(m, T, 2)": WANTED,
        "(m, 2, T)": np.ascontiguousarray(WANTED.transpose(0, 2, 1)),
        "complex (m, T)": WANTED.view(np.complex64)[..., 0],
    }
    path = tmp_path / "air.npy"
    np.save(path, forms[form])
    with open_frames(path, CaptureOptions(frame_len, "FM")) as file:
        wanted = WANTED if frame_len is None else WANTED[:, :14].reshape(10, 7, 2)
        np.testing.assert_array_equal(file.read(range(len(file)))[0], wanted)
        np.testing.assert_array_equal(file.read([3, 1])[0], wanted[[3, 1]])
        assert set(file.snrs_db) == {UNKNOWN_SNR_DB}


@pytest.mark.parametrize("name", ["x.npy", "x.iq", "x.cs16", "x.cs8"])
def test_integers_are_scaled_to_unit_range(tmp_path, name):
    dtype = np.int8 if name.endswith("8") else np.dtype("<i2")
    info = np.iinfo(dtype)
    raw = RNG.integers(info.min, info.max, (2 * T, 2), endpoint=True).astype(dtype)
    path = tmp_path / name
    np.save(path, raw) if name.endswith("npy") else raw.tofile(path)
    samples = "int16" if name == "x.iq" else None
    with open_frames(path, CaptureOptions(T, "FM", samples=samples)) as file:
        wanted = (raw / -float(info.min)).astype(np.float32).reshape(2, T, 2)
        np.testing.assert_array_equal(file.read([0, 1])[0], wanted)


@pytest.mark.parametrize("name", ["x.iq", "x.cfile", "x.bin"])
def test_raw_floats(tmp_path, name):
    path = tmp_path / name
    SAMPLES.tofile(path)
    samples = None if name == "x.cfile" else "float32"
    with open_frames(path, CaptureOptions(T, "FM", samples=samples)) as file:
        np.testing.assert_array_equal(file.read(range(5))[0], WANTED)


def test_samples_are_mapped_not_loaded(tmp_path):
    path = tmp_path / "big.npy"
    array = np.lib.format.open_memmap(path, "w+", np.complex64, (1 << 28,))  # 2 GB of holes
    array[-T:] = 1
    del array
    with open_frames(path, OPTIONS) as file:
        assert file.read([len(file) - 1])[0].sum() == T


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (SAMPLES[: T - 1], "longest stretch of one label has 15 samples, shorter than a frame of 16"),
        (SAMPLES.T, r"float32 of shape \(2, 83\) is neither samples"),
        (np.zeros(100), "is neither samples"),
        (np.array(["a"]), "must hold an array of numbers"),
        (np.array([{}]), "cannot be read"),
    ],
)
def test_arrays_that_are_no_samples(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message) as caught:
        open_frames(tmp_path / "x.npy", OPTIONS)
    assert "\n" not in str(caught.value)


def test_what_the_file_does_not_say_is_asked_for(tmp_path):
    path = tmp_path / "x.iq"
    SAMPLES.tofile(path)
    with pytest.raises(DataError, match="give --samples int16, int8 or float32"):
        open_frames(path, OPTIONS)
    with pytest.raises(DataError, match=r"no labels; .*convert x.iq set.h5 --frame-len 16 --label"):
        open_frames(path, CaptureOptions(T, samples="float32"))
    with pytest.raises(DataError, match="1 sample or more"):
        CaptureOptions(0)
    with pytest.raises(DataError, match="within 127 dB"):
        CaptureOptions(T, "FM", 200)


def test_cut_and_unknown_files(tmp_path):
    path = tmp_path / "x.cfile"
    path.write_bytes(SAMPLES.tobytes()[:-3])
    with pytest.raises(DataError, match="661 bytes are not whole float32 samples"):
        open_frames(path, OPTIONS)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="0 bytes"):
        open_frames(path, OPTIONS)
    np.save(tmp_path / "x.npy", SAMPLES)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        open_frames(tmp_path / "x.npy", OPTIONS)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match="of no known format; readable are RadioML 2018"):
        open_frames(tmp_path / "notes.txt", OPTIONS)
    with pytest.raises(DataError, match="does not exist"):
        open_frames(tmp_path / "none.npy", OPTIONS)


def test_nan_samples_are_named_when_read(tmp_path):
    broken = SAMPLES.copy()
    broken[T + 2, 1] = np.nan
    broken.tofile(tmp_path / "x.cf32")
    with open_frames(tmp_path / "x.cf32", OPTIONS) as file, pytest.raises(DataError, match="frame 1 has 1 NaN"):
        file.read(range(5))
