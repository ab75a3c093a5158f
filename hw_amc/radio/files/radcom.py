"""RadComDynamic, RadComOta and RadComAWGN (Jagannath and Jagannath 2021): HDF5 with one data set a frame.

As the authors' own scripts read them (github.com/ANDROComputationalSolutions/RadarCommDataset): the name of a data
set is a Python tuple as text, `('pulsed', 'Airborne-detection', 10, 0)`, of modulation, signal, SNR in dB and number;
its 256 values are 128 of I and then 128 of Q. The over-the-air files quote all four, and hold the transmit gain in
place of the SNR.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.hdf5 import ERRORS, SIGNATURE, first_name, open_dataset, open_hdf5
from hw_amc.radio.files.frames import SNR_LIMIT_DB, Index
from hw_amc.radio.files.hdf5 import Hdf5Frames
from hw_amc.radio.files.registry import Glimpse, reads
from hw_amc.radio.names import label_columns
from hw_amc.untrusted import brief

_TEXT = r"""u?['"]([^'"]{1,100})['"]"""
_NUMBER = r"""u?['"]?(-?\d{1,9})(?:\.0*)?['"]?"""
_KEY = re.compile(rf"\(\s*{_TEXT}\s*,\s*{_TEXT}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)")


#: Most values of a frame.
_MOST_VALUES = 1 << 24


@dataclass(frozen=True)
class _Contents:
    """What the names of the data sets say; they are kept as bytes, in half the memory of strings."""

    keys: NDArray[np.bytes_]
    classes: tuple[str, ...]
    signals: tuple[str, ...]
    index: Index


def is_radcom_key(name: str) -> bool:
    """Whether a data set's name is one of RadCom's."""
    return _KEY.fullmatch(name) is not None


class RadComFile(Hdf5Frames):
    """A RadCom file, opened for reading: two labels a frame, the modulation and what the signal is for.

    Classes are those of the set of that name (`bpsk` is `BPSK`, `pulsed` is `PCW`); the names of the data sets
    are read at the first use of a label or a frame. Of an over-the-air file, `snrs_db` is the transmit gain.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        The file is missing, damaged or not of RadCom's form.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        file = self._handle()
        first = first_name(file, self.path)
        self._count = len(file)
        if first is None or not is_radcom_key(first):
            raise DataError(f"{self.path}: data sets must be named ('bpsk', 'SATCOM', 10, 0), not {first!r}")
        self._size = self._values(first).size
        if self._size % 2 or not self._size:
            raise DataError(f"{self.path}: {first} has {self._size} values, which are not I and Q of one length")

    def __len__(self) -> int:
        return self._count

    @property
    def frame_len(self) -> int:
        """Samples a frame, T."""
        return self._size // 2

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the modulations."""
        return self._contents.classes

    @property
    def signals(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the signals."""
        return self._contents.signals

    @cached_property
    def _contents(self) -> _Contents:
        """Every frame's place and labels, read from the names of all data sets."""
        try:
            keys = [str(key) for key in self._handle()]
        except ERRORS as error:
            raise DataError(f"{self.path}: its names cannot be read ({brief(error)}); fetch it again") from error
        parsed = [_KEY.fullmatch(key) for key in keys]
        if None in parsed:
            raise DataError(f"{self.path}: {keys[parsed.index(None)]!r} is no RadCom frame beside others that are")
        fields = [match.groups() for match in parsed if match is not None]
        named = label_columns([[field[column] for field in fields] for column in (0, 1)], self.path)
        (classes, labels), (signals, signal_labels) = named
        levels = [int(field[2]) for field in fields]
        for key, level in zip(keys, levels, strict=True):
            if abs(level) > SNR_LIMIT_DB:
                raise DataError(f"{self.path}: {key} has an SNR beyond {SNR_LIMIT_DB} dB")
        index = Index(labels, np.array(levels, np.int8), signal_labels)
        return _Contents(np.array([key.encode() for key in keys]), classes, signals, index)

    def _load_index(self) -> Index:
        return self._contents.index

    def _read_span(self, first: int, stop: int) -> NDArray[Any]:
        block = np.empty((stop - first, self.frame_len, 2), np.float32)
        for row, key in enumerate(self._contents.keys[first:stop]):
            values = self._values(key.decode())
            if values.size != self._size:
                raise DataError(f"{self.path}: {key.decode()} has {values.size} values, others {self._size}")
            block[row] = values.reshape(2, -1).T
        return block

    def _values(self, key: str) -> NDArray[Any]:
        node = open_dataset(self._handle(), key, self.path)
        try:
            dtype = None if node is None else node.dtype
            if dtype is None or dtype.kind != "f" or dtype.itemsize > 8:
                raise DataError(f"{self.path}: {key} holds no floats")
            shape = node.shape
            if math.prod(shape) > _MOST_VALUES:
                raise DataError(f"{self.path}: {key} has {math.prod(shape):,} values, which is no frame")
            values: NDArray[Any] = np.empty(shape, dtype)
            node.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        except ERRORS as error:
            raise DataError(f"{self.path}: {key} cannot be read ({brief(error)}); fetch it again") from error
        return values


@reads(20, "RadCom (HDF5)")
def _open(file: Glimpse) -> RadComFile | None:
    if not file.start.startswith(SIGNATURE):
        return None
    with open_hdf5(file.path) as opened:
        first = first_name(opened, file.path)
    return RadComFile(file.path) if is_radcom_key(first or "") else None
