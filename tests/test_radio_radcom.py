"""RadCom files: two labels a frame from the names of the data sets, read one frame at a time."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import open_frames
from hw_amc.radio.classes import CLASS_SETS
from hw_amc.radio.files.radcom import RadComFile

PAIRS = (("pulsed", "Airborne-detection"), ("pulsed", "Ground mapping"), ("bpsk", "Satcom"), ("amdsb", "AM radio"))
T = 128


def write(path: Path, quoted: bool = False, snrs: tuple[int, ...] = (-20, 0, 18)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    frames = {}
    with h5py.File(path, "w") as file:
        for mod, sig in PAIRS:
            for snr in snrs:
                for number in range(5):
                    key = str((mod, sig, str(snr), str(number)) if quoted else (mod, sig, snr, number))
                    frames[key] = rng.standard_normal((2 * T, 1) if quoted else 2 * T).astype(np.float32)
                    file[key] = frames[key]
    return frames


@pytest.mark.parametrize("quoted", [False, True])
def test_frames_and_both_labels_follow_the_names(tmp_path: Path, quoted: bool) -> None:
    path = tmp_path / "RadComDynamic.hdf5"
    made = write(path, quoted)
    with open_frames(path) as file:
        assert isinstance(file, RadComFile)
        assert (len(file), file.frame_len) == (60, T)
        assert (file.classes, file.signals) == tuple(head.classes for head in CLASS_SETS["radcom-dynamic"].heads)
        frames, labels, snrs = file.read(np.arange(60))
        pairs = {(file.classes[a], file.signals[b]) for a, b in zip(labels, file.signal_labels, strict=True)}
        radar = {("PCW", "Airborne-detection"), ("PCW", "Ground mapping")}
        assert pairs == {("AM-DSB", "AM radio"), ("BPSK", "SATCOM"), *radar}
        for row, key in enumerate(sorted(made)):
            np.testing.assert_array_equal(frames[row], made[key].reshape(2, T).T)
            assert f"{snrs[row]}" in key
        rows = np.random.default_rng(1).permutation(60)[:17]
        np.testing.assert_array_equal(file.read(rows)[0], frames[rows])
        assert {snr for _, snr, _ in file.cells()} == {-20, 0, 18}


def test_opening_reads_one_frame_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.h5"
    write(path)
    read = []
    whole = RadComFile._values
    monkeypatch.setattr(RadComFile, "_values", lambda self, key: read.append(key) or whole(self, key))
    with RadComFile(path) as file:
        assert len(read) == 1
        file.read([7, 9])
    assert len(read) == 3


def _sums(file: RadComFile, rows: np.ndarray) -> np.ndarray:
    return file.read(rows)[0].sum(axis=(1, 2))


def test_an_open_file_goes_to_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write(path)
    with RadComFile(path) as file:
        wanted = _sums(file, np.arange(60))
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork"), initializer=gc.disable) as pool:
            got = list(pool.map(_sums, [file] * 2, np.array_split(np.arange(60), 2)))
        np.testing.assert_array_equal(np.concatenate(got), wanted)
        np.testing.assert_array_equal(_sums(pickle.loads(pickle.dumps(file)), np.arange(60)), wanted)


def test_gains_above_30_db_stand_for_the_snr(tmp_path: Path) -> None:
    write(tmp_path / "RadComOta2.45GHz.hdf5", True, (0, 32))
    with RadComFile(tmp_path / "RadComOta2.45GHz.hdf5") as file:
        assert set(file.snrs_db) == {0, 32}


def test_a_file_of_one_label_has_no_signals(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.update({"X": np.zeros((2, 8, 2), "f4"), "Y": np.eye(24, dtype=int)[:2], "Z": np.zeros((2, 1), int)})
    with open_frames(tmp_path / "x.h5") as file, pytest.raises(DataError, match="modulation of a frame only"):
        _ = file.signal_labels


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"readme": np.zeros(256, "f4")}, "'readme' is no RadCom frame"),
        ({str(("bpsk", "Satcom", 200, 0)): np.zeros(256, "f4")}, "SNR beyond 127 dB"),
        ({str(("bpsk", "Satcom", 0, 99)): np.zeros(128, "f4")}, "128 values, others 256"),
        ({str(("bpsk", "Satcom", 0, 99)): np.zeros(256, "i4")}, "holds no floats"),
        ({str(("bpsk", "Satcom", 0, 99)): np.full(256, np.nan, "f4")}, "256 NaN"),
        ({str(("bpsk", "Satcom", 0, 99)): h5py.SoftLink("/nowhere")}, "is a link, which is not followed"),
        ({str(("bpsk", "Satcom", 0, 99)): h5py.ExternalLink("x.h5", "/a")}, "is a link, which is not followed"),
        ({str(("bpsk", "Satcom", 10**30, 99)): np.zeros(256, "f4")}, "is no RadCom frame"),
    ],
)
def test_what_does_not_belong_is_named(tmp_path: Path, extra: Any, message: str) -> None:
    path = tmp_path / "x.h5"
    write(path)
    with h5py.File(path, "a") as file:
        file.update(extra)
    with RadComFile(path) as file, pytest.raises(DataError, match=message):
        file.read(np.arange(len(file)))


def test_mixed_spellings_of_one_class_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write(path)
    with h5py.File(path, "a") as file:
        file[str(("BPSK", "Satcom", 0, 0))] = np.zeros(256, "f4")
    with RadComFile(path) as file:
        with pytest.warns(UserWarning, match="taken as one class, BPSK"):
            label = file.classes.index("BPSK")
        assert len(file.select([label], [0])) == 6


def test_classes_that_no_published_set_has_are_kept(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for key in (("chirp", "sonar"), ("bpsk", "Satcom")):
            file[str((*key, 0, 0))] = np.zeros(256, "f4")
    with RadComFile(tmp_path / "x.h5") as file:
        assert (file.classes, file.signals) == (("BPSK", "chirp"), ("SATCOM", "sonar"))


def test_foreign_and_cut_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(4)
    with pytest.raises(DataError, match="has no X and no Y and no Z"):
        open_frames(path)
    with pytest.raises(DataError, match="not 'weights'"):
        RadComFile(path)
    write(path)
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="not a whole HDF5 file") as caught:
        open_frames(cut)
    assert "\n" not in str(caught.value)
    cut.write_text("hello")
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        open_frames(cut)
