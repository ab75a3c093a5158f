"""HDF5 files that a stranger may have written: what of the format itself could hang or mislead a reader."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from hw_amc import hdf5
from hw_amc.errors import DataError
from hw_amc.hdf5 import open_dataset, open_hdf5, read_attribute


def write(path: Path, heads: str = "names") -> int:
    """A file with texts of variable length, and the place of its heap."""
    with h5py.File(path, "w") as file:
        file["X"] = np.frombuffer(b"GCOL\1\0\0\0" + bytes(56), np.uint8)  # numbers that look like a heap
        file.attrs[heads] = ["BPSK", "QPSK"]
        file.create_group("g").attrs[heads] = "other"
    data, place = path.read_bytes(), -1
    while (place := data.find(b"GCOL\1\0\0\0", place + 1)) >= 0:
        if struct.unpack_from("<Q", data, place + 8)[0] == 4096:
            return place
    raise AssertionError("no heap")


def objects(data: bytes, heap: int) -> list[tuple[int, int]]:
    """Place and index of every object of a heap."""
    found, place = [], heap + 16
    while heap + 4096 - place >= 16:
        index, size = struct.unpack_from("<H6xQ", data, place)
        found.append((place, index))
        place += size if index == 0 else 16 + (size + 7) // 8 * 8
    return found


@pytest.mark.parametrize("small", [True, False], ids=["small", "large"])
def test_texts_of_variable_length_are_read(tmp_path: Path, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "_SMALL", 1 << 20 if small else 0)
    write(tmp_path / "f.h5")
    with open_hdf5(tmp_path / "f.h5") as file:
        assert list(read_attribute(file, "names", tmp_path / "f.h5")) == ["BPSK", "QPSK"]
        assert read_attribute(file["g"], "names", tmp_path / "f.h5") == "other"


@pytest.mark.parametrize("small", [True, False], ids=["small", "large"])
@pytest.mark.parametrize("size", [0, 2**64 - 16, 1 << 40], ids=["no size", "no size by overflow", "beyond its end"])
def test_a_heap_without_end_is_refused(tmp_path: Path, size: int, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 2.0 would walk over it for ever, in C."""
    monkeypatch.setattr(hdf5, "_SMALL", 1 << 20 if small else 0)
    path = tmp_path / "f.h5"
    heap = write(path)
    data = bytearray(path.read_bytes())
    places = {index: place for place, index in objects(bytes(data), heap)}
    struct.pack_into("<Q", data, places[0 if size == 0 else 1] + 8, size)
    path.write_bytes(data)
    with pytest.raises(DataError, match="a heap of its texts is damaged"), open_hdf5(path) as file:
        read_attribute(file, "names", path)


@pytest.mark.parametrize("kind", ["list", "reference"])
def test_lists_and_references_are_refused(tmp_path: Path, kind: str) -> None:
    """HDF5 2.0 crashes on an attribute where damage has made a list of a text."""
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        own = h5py.vlen_dtype(np.uint8) if kind == "list" else h5py.ref_dtype
        value = np.empty(1, own)
        value[0] = np.array([1, 2], np.uint8) if kind == "list" else file.ref
        file.create_dataset("X", (1,), own)
        file.attrs.create("names", value, (1,), own)
    with open_hdf5(path) as file:
        with pytest.raises(DataError, match="attribute names holds lists or references"):
            read_attribute(file, "names", path)
        with pytest.raises(DataError, match="X holds lists or references"):
            open_dataset(file, "X", path)
