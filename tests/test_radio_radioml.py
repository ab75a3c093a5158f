"""Reading RadioML 2018.01A files: any order, any subset, reproducible splits, and damage in one line."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import CLASSES, RadioMlFile
from hw_amc.radio.files import frames, radioml

N, T = 480, 16


def write(path: Path, **changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """Write a file whose frames come in random order, with the row number in each sample."""
    rng = np.random.default_rng(11)
    order = rng.permutation(N)
    labels, snrs = order % 4 * 7, order // 4 % 3 * 10 - 10
    X = np.arange(N, dtype=np.float32)[:, None, None] + rng.random((N, T, 2), np.float32) / 2
    arrays = {"X": X, "Y": np.eye(24, dtype=np.int64)[labels], "Z": snrs[:, None].astype(np.int64), **changes}
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                file.create_dataset(name, data=array)
    return arrays


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Any]:
    path = tmp_path / "radio.hdf5"
    return path, write(path)


def test_rows_come_in_the_order_asked_for(made: tuple[Path, Any]) -> None:
    path, arrays = made
    rng = np.random.default_rng(2)
    for rows in (rng.permutation(N), rng.integers(N, size=40), np.array([5, 5, 400, 0]), np.arange(0, N, 9), []):
        with RadioMlFile(path) as file:
            frames, labels, snrs = file.read(rows)
        rows = np.asarray(rows, int)
        assert (frames.dtype, labels.dtype, snrs.dtype) == (np.float32, np.uint8, np.int8)
        np.testing.assert_array_equal(frames, arrays["X"][rows])
        np.testing.assert_array_equal(labels, arrays["Y"][rows].argmax(1))
        np.testing.assert_array_equal(snrs, arrays["Z"][rows, 0])


def test_long_runs_are_read_in_parts(made: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_RUN_ROWS", 7)
    monkeypatch.setattr(radioml, "_INDEX_ROWS", 11)
    path, arrays = made
    sizes = []
    whole = RadioMlFile._read_block

    def spy(self: Any, name: str, first: Any, stop: Any) -> Any:
        sizes.append((name, stop - first))
        return whole(self, name, first, stop)

    monkeypatch.setattr(RadioMlFile, "_read_block", spy)
    with RadioMlFile(path) as file:
        np.testing.assert_array_equal(file.read(np.arange(N))[0], arrays["X"])
    assert max(size for name, size in sizes if name == "X") <= 7
    assert max(size for name, size in sizes if name in "YZ") <= 11


def test_opening_reads_no_samples(made: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = made
    monkeypatch.setattr(RadioMlFile, "_read_block", lambda *_: pytest.fail("read at opening"))
    with RadioMlFile(path) as file:
        assert (len(file), file.frame_len) == (N, T)


def test_cells_and_selections_follow_y_and_z(made: tuple[Path, Any]) -> None:
    path, arrays = made
    labels, snrs = arrays["Y"].argmax(1), arrays["Z"][:, 0]
    with RadioMlFile(path) as file:
        np.testing.assert_array_equal(file.select(), np.arange(N))
        np.testing.assert_array_equal(file.select([7, 21], [0]), np.flatnonzero(np.isin(labels, [7, 21]) & (snrs == 0)))
        want = np.flatnonzero((labels == 14) & (snrs == -10))
        np.testing.assert_array_equal(file.frames(14, -10), arrays["X"][want])
        np.testing.assert_array_equal(file.frames(14, -10, slice(3, 20, 2)), arrays["X"][want[3:20:2]])
        assert file.frames(3, -10).shape == (0, T, 2)
        cells = list(file.cells())
    assert [cell[:2] for cell in cells] == [(label, snr) for label in (0, 7, 14, 21) for snr in (-10, 0, 10)]
    np.testing.assert_array_equal(np.sort(np.concatenate([rows for _, _, rows in cells])), np.arange(N))


def test_batches_cover_the_rows_once(made: tuple[Path, Any]) -> None:
    path, arrays = made
    rows = np.random.default_rng(4).permutation(N)[:101]
    with RadioMlFile(path) as file:
        batches = list(file.batches(rows, 25))
    assert [len(batch[0]) for batch in batches] == [25, 25, 25, 25, 1]
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), arrays["X"][rows])


def test_a_split_is_stratified_disjoint_and_reproducible(made: tuple[Path, Any]) -> None:
    path, arrays = made
    with RadioMlFile(path) as file:
        parts = file.split(7, (0.5, 0.25, 0.25))
        again = file.split(7, (0.5, 0.25, 0.25))
        other = file.split(8, (0.5, 0.25, 0.25))
        assert sum(len(part) for part in file.split(7, (0.1, 0.2))) == N * 3 // 10
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(N))
    for part, same in zip(parts, again, strict=True):
        np.testing.assert_array_equal(part, same)
    assert not np.array_equal(parts[0], other[0])
    key = arrays["Y"].argmax(1) * 1000 + arrays["Z"][:, 0]
    for part, count in zip(parts, (20, 10, 10), strict=True):
        assert (np.unique(key[part], return_counts=True)[1] == count).all()
        assert (np.diff(part) > 0).all()


@pytest.mark.parametrize("fractions", [(), (0.0, 0.5), (0.8, 0.3), (-0.1,)])
def test_shares_that_make_no_sense(made: tuple[Path, Any], fractions: Any) -> None:
    with RadioMlFile(made[0]) as file, pytest.raises(DataError, match="shares"):
        file.split(0, fractions)


def _first_samples(file: RadioMlFile, rows: np.ndarray) -> np.ndarray:
    return file.read(rows)[0][:, 0, 0]


def test_an_open_file_goes_to_other_processes(made: tuple[Path, Any]) -> None:
    path, arrays = made
    with RadioMlFile(path) as file:
        file.read([0])
        parts = np.array_split(np.arange(N), 2)
        with ProcessPoolExecutor(2, multiprocessing.get_context("fork"), initializer=gc.disable) as pool:
            got = list(pool.map(_first_samples, [file] * 2, parts))
        np.testing.assert_array_equal(np.concatenate(got), arrays["X"][:, 0, 0])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(file)).read([3])[0], arrays["X"][3:4])


def test_half_precision_and_float_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "radio.hdf5"
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, T, 2)).astype(np.float16)
    arrays = write(path, X=X, Y=np.eye(24, dtype=np.float32)[rng.integers(24, size=N)], Z=np.full((N, 1), -20.0))
    with RadioMlFile(path) as file:
        frames, labels, snrs = file.read(np.arange(N))
    np.testing.assert_array_equal(frames, X.astype(np.float32))
    np.testing.assert_array_equal(labels, arrays["Y"].argmax(1))
    assert (snrs == -20).all()


def test_a_wrong_list_of_classes_beside_the_file_is_told(made: tuple[Path, Any]) -> None:
    path, _ = made
    names = path.parent / "classes.txt"
    names.write_text("\n".join(CLASSES))
    RadioMlFile(path).close()
    names.write_text("classes = ['32PSK',\n '16APSK',\n '32QAM',\n 'FM']")
    with pytest.warns(UserWarning, match="shipped with RadioML"):
        RadioMlFile(path).close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Y": None, "Z": None}, "has no Y and no Z"),
        ({"X": np.zeros((N, 2), np.float32)}, r"X must be float \(N, T, 2\), not float32 \(480, 2\)"),
        ({"X": np.zeros((N, T, 3), np.float32)}, "X must be float"),
        ({"X": np.zeros((N, T, 2), np.int16)}, "not int16"),
        ({"X": np.zeros((N + 1, T, 2), np.float32)}, "481 frames need Y"),
        ({"Y": np.zeros((N, 11), int)}, r"need Y \(480, 24\)"),
        ({"Z": np.zeros(N, int)}, r"Z \(480, 1\)"),
    ],
)
def test_a_wrong_schema_is_refused_at_opening(tmp_path: Path, changes: Any, message: str) -> None:
    path = tmp_path / "radio.hdf5"
    write(path, **changes)
    with pytest.raises(DataError, match=message) as caught:
        RadioMlFile(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [(np.zeros(24), "frame 321 is not one-hot"), (np.ones(24), "frame 321 is not one-hot"), (2 * np.eye(24)[3], "321")],
)
def test_labels_that_are_not_one_hot(tmp_path: Path, row: Any, message: str) -> None:
    Y = np.eye(24)[np.zeros(N, int)]
    Y[321] = row
    write(tmp_path / "radio.hdf5", Y=Y)
    with RadioMlFile(tmp_path / "radio.hdf5") as file, pytest.raises(DataError, match=message):
        file.select([0])


@pytest.mark.parametrize("snr", [32, -22, 0.5, np.nan])
def test_an_snr_that_radioml_does_not_have(tmp_path: Path, snr: Any) -> None:
    Z = np.zeros((N, 1))
    Z[17] = snr
    write(tmp_path / "radio.hdf5", Z=Z)
    with RadioMlFile(tmp_path / "radio.hdf5") as file, pytest.raises(DataError, match=f"Z of frame 17 is {snr}"):
        file.read([0])


def test_samples_that_are_no_numbers_are_named_when_read(tmp_path: Path) -> None:
    X = np.zeros((N, T, 2), np.float32)
    X[300, 4, 1] = np.nan
    X[301, 0] = np.inf
    write(tmp_path / "radio.hdf5", X=X)
    with RadioMlFile(tmp_path / "radio.hdf5") as file:
        assert not file.read(np.arange(300))[0].any()
        for rows, bad in (
            ([7, 300], "frame 300 has 1 NaN"),
            ([301, 9], "frame 301 has 2 NaN"),
            (range(N), "frame 300"),
        ):
            with pytest.raises(DataError, match=bad):
                file.read(list(rows))


@pytest.mark.parametrize("rows", [[-1], [N], [0, N + 7]])
def test_rows_that_the_file_lacks(made: tuple[Path, Any], rows: Any) -> None:
    with RadioMlFile(made[0]) as file, pytest.raises(DataError, match="rows 0 to 479"):
        file.read(rows)


def test_missing_truncated_and_foreign_files(made: tuple[Path, Any], tmp_path: Path) -> None:
    path, _ = made
    with pytest.raises(DataError, match="does not exist"):
        RadioMlFile(tmp_path / "none.hdf5")
    cut = tmp_path / "cut.hdf5"
    for share in (0.9, 0.5, 0.01):
        cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(DataError, match="not a whole HDF5 file") as caught:
            RadioMlFile(cut)
        assert "\n" not in str(caught.value)
    cut.write_text("OOK, 4ASK")
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        RadioMlFile(cut)


def test_a_damaged_chunk_is_told_by_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "radio.hdf5"
    write(path, X=None)
    with h5py.File(path, "a") as file:
        X = np.random.default_rng(1).standard_normal((N, T, 2)).astype(np.float32)
        file.create_dataset("X", data=X, chunks=(16, T, 2), compression="gzip", fletcher32=True)
        where = file["X"].id.get_chunk_info(5)
    with path.open("r+b") as stream:
        stream.seek(where.byte_offset + where.size // 2)
        stream.write(b"\xff" * 8)
    with RadioMlFile(path) as file:
        np.testing.assert_array_equal(file.read(np.arange(80))[0], X[:80])
        with pytest.raises(DataError, match="rows 80 to 95 of X cannot be read"):
            file.read(np.arange(80, 96))


def outside(path: Path) -> None:
    """X in another file, as HDF5 allows."""
    (path.parent / "secret.txt").write_bytes(b"S" * 4096)
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (N, T, 2), "f2", external=[(str(path.parent / "secret.txt"), 0, 4 * N * T)])


def virtual(path: Path) -> None:
    with h5py.File(path, "a") as file:
        shape = file["X"].shape
        del file["X"]
        layout = h5py.VirtualLayout(shape, "f4")
        layout[:] = h5py.VirtualSource(str(path.parent / "other.h5"), "X", shape)
        file.create_virtual_dataset("X", layout)


def linked(target: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file["Z"]
            file["Z"] = target

    return change


def declared(name: str, **how: object) -> Callable[[Path], None]:
    """A data set that says that it has 10^11 rows."""

    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            shape, dtype = file[name].shape, file[name].dtype
            del file[name]
            file.create_dataset(name, (10**11, *shape[1:]), dtype, **how)

    return change


def chunks_of_a_gigabyte(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (N, T, 2), "f4", maxshape=(None, T, 2), chunks=(1 << 23, T, 2))


def a_group_for_x(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_group("X")


def text_for_z(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["Z"]
        file.create_dataset("Z", data=np.full((N, 1), b"10"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (outside, "X lies in other files, which are not read"),
        (virtual, "X lies in other files, which are not read"),
        (linked(h5py.SoftLink("/Z")), "Z is a link, which is not followed"),
        (linked(h5py.SoftLink("/Y")), "Z is a link, which is not followed"),
        (linked(h5py.ExternalLink("other.h5", "Z")), "Z is a link, which is not followed"),
        (declared("X", compression="gzip"), "X declares .* bytes and holds 0"),
        (declared("Z", chunks=(1000, 1)), "Z declares 800,000,000,000 bytes and holds 0"),
        (declared("Y"), "Y declares .* bytes and holds 0|cannot be read"),
        (chunks_of_a_gigabyte, "X comes in chunks of more than 256 MiB"),
        (a_group_for_x, "has no X"),
        (text_for_z, r"Z must hold numbers, not \|S2"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_not_in_the_file_is_not_read(
    made: tuple[Path, Any], change: Callable[[Path], None], message: str
) -> None:
    """Seen before: another file's bytes become samples; MemoryError."""
    path, _ = made
    change(path)
    with pytest.raises(DataError, match=message) as caught:
        RadioMlFile(path)
    assert "\n" not in str(caught.value)


def test_attributes_are_texts_and_numbers(made: tuple[Path, Any]) -> None:
    path, _ = made
    with h5py.File(path, "a") as file:
        file.attrs.update({"digest": "abc", "split": np.int64(2), "rates": np.arange(3), "none": h5py.Empty("f4")})
        file.attrs.create("long", np.bytes_(b"x" * 60000))
    with RadioMlFile(path) as file:
        assert {key: file.attributes.get(key) for key in ("digest", "split", "rates", "none")} == {
            "digest": "abc", "split": 2, "rates": None, "none": None,
        }  # fmt: skip
