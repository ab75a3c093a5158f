"""Plain recordings: arrays and raw samples, cut into frames; labels come from the user."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import CLASSES, CaptureOptions, open_frames
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.radio.files.plain import PlainFile

T = 16
OPTIONS = CaptureOptions(T, "qam16", 12)
RNG = np.random.default_rng(0)
SAMPLES = RNG.standard_normal((5 * T + 3, 2)).astype(np.float32)
WANTED = SAMPLES[: 5 * T].reshape(5, T, 2)


@pytest.mark.parametrize("form", ["complex64", "complex128", "real", "big-endian"])
def test_an_array_of_samples_is_cut_into_frames(tmp_path: Path, form: str) -> None:
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
def test_arrays_of_frames_keep_or_cut_them(tmp_path: Path, form: str, frame_len: int | None) -> None:
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
def test_integers_are_scaled_to_unit_range(tmp_path: Path, name: str) -> None:
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
def test_raw_floats(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    SAMPLES.tofile(path)
    samples = None if name == "x.cfile" else "float32"
    with open_frames(path, CaptureOptions(T, "FM", samples=samples)) as file:
        np.testing.assert_array_equal(file.read(range(5))[0], WANTED)


def test_samples_are_mapped_not_loaded(tmp_path: Path) -> None:
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
        (np.array([{}]), "describes no array of numbers"),
        (np.zeros((0, 2)), "which is empty"),
        (np.zeros((4, T), np.longdouble), "must hold an array of numbers"),
        (np.zeros((4, T), bool), "must hold an array of numbers"),
        (np.zeros((4, T, 2, 1)), "is neither samples"),
    ],
)
def test_arrays_that_are_no_samples(tmp_path: Path, array: Any, message: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message) as caught:
        open_frames(tmp_path / "x.npy", OPTIONS)
    assert "\n" not in str(caught.value)


def test_what_the_file_does_not_say_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.iq"
    SAMPLES.tofile(path)
    with pytest.raises(DataError, match="give --samples int16, int8, uint8 or float32"):
        open_frames(path, OPTIONS)
    with pytest.raises(DataError, match=r"no labels; .*convert x.iq set.h5 --frame-len 16 --label"):
        open_frames(path, CaptureOptions(T, samples="float32"))
    with pytest.raises(DataError, match="1 sample or more"):
        CaptureOptions(0)
    with pytest.raises(DataError, match="within 127 dB"):
        CaptureOptions(T, "FM", 200)


def test_cut_and_unknown_files(tmp_path: Path) -> None:
    path = tmp_path / "x.cfile"
    path.write_bytes(SAMPLES.tobytes()[:-3])
    with pytest.raises(DataError, match="661 bytes are not whole float32 samples"):
        open_frames(path, OPTIONS)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="0 bytes"):
        open_frames(path, OPTIONS)
    np.save(tmp_path / "x.npy", SAMPLES)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"is cut short: its array \(83, 2\) takes 664 bytes, 655 are there"):
        open_frames(tmp_path / "x.npy", OPTIONS)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"of no known format; readable are .*RadioML 2018"):
        open_frames(tmp_path / "notes.txt", OPTIONS)
    with pytest.raises(DataError, match="does not exist"):
        open_frames(tmp_path / "none.npy", OPTIONS)


def test_nan_samples_are_named_when_read(tmp_path: Path) -> None:
    broken = SAMPLES.copy()
    broken[T + 2, 1] = np.nan
    broken.tofile(tmp_path / "x.cf32")
    with open_frames(tmp_path / "x.cf32", OPTIONS) as file, pytest.raises(DataError, match="frame 1 has 1 NaN"):
        file.read(range(5))


@pytest.mark.parametrize("form", ["complex frames", "real frames", "samples", "big-endian frames"])
def test_arrays_by_columns_are_those_of_matlab(tmp_path: Path, form: str) -> None:
    """Seen before: "record or fetch it again" for a whole and valid file of scipy.io.loadmat."""
    frames = WANTED.view(np.complex64)[..., 0]
    array, wanted = {
        "complex frames": (frames, WANTED),
        "big-endian frames": (frames.astype(">c16"), WANTED),
        "real frames": (WANTED, WANTED),
        "samples": (SAMPLES, WANTED),
    }[form]
    np.save(tmp_path / "x.npy", np.asfortranarray(array))
    with open_frames(tmp_path / "x.npy", OPTIONS) as file:
        np.testing.assert_array_equal(file.read(range(5))[0], wanted)
        np.testing.assert_array_equal(file.read([3, 1])[0], wanted[[3, 1]])


@pytest.mark.parametrize("form", ["complex", "real"])
def test_a_column_vector_is_a_recording(tmp_path: Path, form: str) -> None:
    """Seen before: 256 frames of one sample."""
    complex_samples = SAMPLES.view(np.complex64)
    np.save(tmp_path / "x.npy", complex_samples if form == "complex" else SAMPLES[:, None])
    assert complex_samples.shape == (len(SAMPLES), 1)
    with open_frames(tmp_path / "x.npy", OPTIONS) as file:
        np.testing.assert_array_equal(file.read(range(5))[0], WANTED)


COUNTS = np.rint(20000 * np.clip(SAMPLES / 4, -1, 1)).astype(np.float64)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_wide_integers_that_are_small_are_told_with_their_number(tmp_path: Path, dtype: str) -> None:
    """Seen before: silence, and no word."""
    middle = 2**31 if dtype == "uint32" else 0
    np.save(tmp_path / "x.npy", (COUNTS + middle).astype(dtype))
    bits = 63 if dtype == "int64" else 31
    reach = rf"reach {np.abs(COUNTS).max():.0f}, 2\^{np.log2(np.abs(COUNTS).max() / 2**bits):.1f} of that type's range"
    with pytest.warns(UserWarning, match=reach):
        open_frames(tmp_path / "x.npy", OPTIONS)


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_integers_that_use_their_type_are_not(tmp_path: Path, dtype: str) -> None:
    full = COUNTS * (2 ** (8 * np.dtype(dtype).itemsize - 16))
    np.save(tmp_path / "x.npy", full.astype(dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = open_frames(tmp_path / "x.npy", OPTIONS)
    np.testing.assert_array_equal(file.read(range(5))[0], (COUNTS / 32768)[: 5 * T].reshape(5, T, 2).astype("f4"))


def rtl_sdr() -> np.ndarray:
    """Unsigned bytes about 127.5, as rtl_sdr writes them."""
    rng = np.random.default_rng(1)
    symbols = np.repeat(np.exp(1j * (np.pi / 4 + np.pi / 2 * rng.integers(4, size=128))), 8)
    wave = np.stack([symbols.real, symbols.imag], axis=-1)
    return np.rint(60 * wave + 127.5 + rng.normal(0, 1, wave.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["rtl.cu8", "rtl.CU8", "rtl.bin"])
def test_unsigned_bytes_are_read_about_their_middle(tmp_path: Path, name: str) -> None:
    raw = rtl_sdr()
    raw.tofile(tmp_path / name)
    samples = "uint8" if name.endswith("bin") else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = open_frames(tmp_path / name, CaptureOptions(T, "QPSK", samples=samples))
    wanted = ((raw.astype(float) - 128) / 128).astype("f4").reshape(-1, T, 2)
    np.testing.assert_array_equal(file.read(range(len(file)))[0], wanted)


def test_bytes_of_the_wrong_sign_are_told(tmp_path: Path) -> None:
    """Seen before: mean power 0.895 for 0.22, and no word."""
    rtl_sdr().tofile(tmp_path / "rtl.bin")
    with pytest.warns(UserWarning, match="int8 samples crowd at both ends .*; if they are, give --samples uint8"):
        open_frames(tmp_path / "rtl.bin", CaptureOptions(T, "QPSK", samples="int8"))
    (rtl_sdr() ^ 0x80).tofile(tmp_path / "signed.bin")
    with pytest.warns(UserWarning, match="uint8 samples crowd at both ends .*; if they are, give --samples int8"):
        open_frames(tmp_path / "signed.bin", CaptureOptions(T, "QPSK", samples="uint8"))


@pytest.mark.parametrize("form", ["QPSK", "noise", "clipped noise", "a carrier", "BPSK", "silence"])
def test_bytes_of_the_right_sign_are_not(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(2)
    turns = np.exp(2j * np.pi * rng.random()) * np.exp(2j * np.pi * 0.0137 * np.arange(4096))
    wave = {
        "QPSK": np.convolve(
            np.repeat(np.exp(1j * np.pi / 2 * rng.integers(4, size=512)), 8), np.hanning(9) / 4, "same"
        ),
        "noise": 0.3 * (rng.standard_normal((4096, 2)) @ [1, 1j]),
        "clipped noise": 1.0 * (rng.standard_normal((4096, 2)) @ [1, 1j]),
        "a carrier": turns,
        "BPSK": rng.integers(0, 2, 4096) * 2 - 1 + 0j,
        "silence": np.zeros(4096, complex),
    }[form]
    raw = np.rint(127 * np.stack([wave.real, wave.imag], axis=-1)).clip(-128, 127).astype(np.int8)
    raw.tofile(tmp_path / "x.cs8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_frames(tmp_path / "x.cs8", OPTIONS)


def wav(samples: np.ndarray, code: int = 1, extra: bytes = b"", size: int | None = None, rf64: bool = False) -> bytes:
    """A WAV file, chunk by chunk."""
    data = samples.tobytes()
    kind = struct.pack("<HHIIHH", code, samples.shape[1], 48000, 0, 0, 8 * samples.dtype.itemsize)
    length = len(data) if size is None else size
    body = b"WAVE"
    if rf64:
        body += b"ds64" + struct.pack("<IQQQI", 28, 0, len(data), len(samples), 0)
    body += b"fmt " + struct.pack("<I", len(kind)) + kind + extra + b"data" + struct.pack("<I", length) + data
    return (b"RF64" if rf64 else b"RIFF") + struct.pack("<I", len(body)) + body


AUXI = b"auxi" + struct.pack("<I", 3) + b"odd" + b"\0"
IQ = np.stack([np.full(64, 1000), np.full(64, -1000)], axis=-1)


@pytest.mark.parametrize(
    ("data", "scale"),
    [
        (wav(IQ.astype("<i2")), 32768),
        (wav(IQ.astype("<i2"), extra=AUXI), 32768),
        (wav(IQ.astype("<i2"), size=0), 32768),
        (wav(IQ.astype("<i2"), size=0xFFFFFFFF), 32768),
        (wav(IQ.astype("<i2"), size=0xFFFFFFFF, rf64=True) + b"LIST\x04\0\0\0abcd", 32768),
        (wav((IQ * 65536).astype("<i4")), 32768),
        (wav((IQ / 1000 * 100 + 128).astype("u1")), 1280),
        (wav(IQ.astype("<f4"), 3), 1),
        (wav(IQ.astype("<f8"), 3), 1),
    ],
)
@pytest.mark.parametrize("name", ["iq.wav", "iq.bin"])
def test_a_wav_is_read_from_its_data(tmp_path: Path, name: str, data: bytes, scale: int) -> None:
    """Seen before: the first 11 samples are the header."""
    (tmp_path / name).write_bytes(data)
    with open_frames(tmp_path / name, OPTIONS) as file:
        wanted = np.broadcast_to(np.float32([1000 / scale, -1000 / scale]), (4, T, 2))
        np.testing.assert_array_equal(file.read(range(len(file)))[0], wanted)
        assert file.attributes == {"sample_rate_hz": 48000}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (wav(IQ[:, :1].astype("<i2")), "has 1 channel; frames need two, I and Q"),
        (wav(IQ.astype("<i2"), 17), "holds format 17 samples of 16 bits; convert it: sox"),
        (wav(IQ.astype("<i2"), 3), "holds float samples of 16 bits"),
        (wav(IQ.astype("<i2"), size=10**6), "is cut short: its samples take 1,000,000 bytes, 256 are there"),
        (wav(IQ.astype("<i2"))[:30], "is a WAV file without samples|fmt chunk is cut short"),
        (wav(IQ.astype("<i2"))[:44], "longest stretch of one label has 0 samples|is cut short"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 2000, "is a WAV file without samples"),
    ],
)
def test_wav_files_without_i_and_q(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(DataError, match=message):
        open_frames(tmp_path / "x.wav", OPTIONS)


def test_a_wav_needs_no_type_of_samples(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(wav(IQ.astype("<i2")))
    with pytest.raises(DataError, match="leave --samples out"):
        open_frames(tmp_path / "x.wav", CaptureOptions(T, "QPSK", samples="int16"))


@pytest.mark.parametrize("ending", [".iq", ".bin", ".dat", ".raw"])
@pytest.mark.parametrize("start", [b"}", b"(d", b"\x80\x02", b"\x80\x05"])
def test_raw_samples_are_not_taken_for_a_pickle(tmp_path: Path, ending: str, start: bytes) -> None:
    """Seen before: "fetch it again" for one int16 file in 256."""
    path = tmp_path / f"x{ending}"
    path.write_bytes(start + bytes(range(254)) * 4 + b"\0" * (8 - len(start) % 8))
    with pytest.raises(DataError, match="does not say what its samples are; give --samples"):
        open_frames(path, OPTIONS)


def test_a_pickle_may_be_called_dat(tmp_path: Path) -> None:
    """RML2016.10b.dat is."""
    cells = {("QPSK", 0): np.ones((2, 2, T), "f4")}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "RML2016.10b.dat").write_bytes(pickle.dumps(cells, protocol))
        with open_frames(tmp_path / "RML2016.10b.dat") as file:
            assert len(file) == 2


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "a MATLAB file; load it with scipy.io.loadmat"),
        (b"PK\x03\x04rest of it", "a zip archive"),
        (b"\x1f\x8b\x08rest of it", "compressed by gzip; unpack it: gunzip"),
        (b"BLUE, rest of it", "an X-Midas BLUE file; convert it to SigMF"),
    ],
)
def test_other_formats_are_not_taken_for_samples(tmp_path: Path, start: bytes, said: str) -> None:
    (tmp_path / "x.iq").write_bytes(start + b"\0" * (1024 - len(start)))
    with pytest.raises(DataError, match=said):
        open_frames(tmp_path / "x.iq", CaptureOptions(T, "QPSK", samples="int16"))


@pytest.mark.parametrize("name", ["x.npy", "x.iq", "x.h5", "x.pkl", "x.wav", "x.sigmf", "x.sigmf-meta", "x"])
def test_pipes_and_folders_are_never_opened(tmp_path: Path, name: str) -> None:
    """Seen before: a pipe waits for ever."""
    os.mkfifo(tmp_path / name)
    (tmp_path / "x.sigmf-data").write_bytes(b"")
    with pytest.raises(DataError, match="is a pipe; give a plain file"):
        open_frames(tmp_path / name, CaptureOptions(T, "QPSK", samples="int16"))
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="is a folder; give a plain file"):
        open_frames(tmp_path / name, CaptureOptions(T, "QPSK", samples="int16"))


def test_a_collection_names_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "set.sigmf-collection").write_text("{}")
    with pytest.raises(DataError, match="is a collection; give one of its recordings"):
        open_frames(tmp_path / "set.sigmf-collection", OPTIONS)
