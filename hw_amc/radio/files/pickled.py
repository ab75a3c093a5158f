"""RadioML 2016.10A: a pickle of a dict (modulation, SNR in dB) -> (n, 2, T) floats, as `unpickle` reads it."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.captures import RAW_ENDINGS
from hw_amc.radio.files.frames import SNR_LIMIT_DB, FrameFile, Index
from hw_amc.radio.files.registry import Glimpse, reads
from hw_amc.radio.files.unpickle import load_arrays
from hw_amc.radio.names import label_columns
from hw_amc.untrusted import open_regular

#: How a pickle of a dict begins: protocol 0 or 1 as Python 2 writes it, and protocols 2 up. The first is too short for
#: files whose ending says that they are raw samples: one in 256 of them begins so.
_PICKLE = re.compile(rb"\(d|\}|\x80[\x02-\x05]")
_PICKLE_OF_A_DICT = re.compile(rb"\(dp\d{1,3}\n|\}q[\x00\x01]|\x80[\x02-\x05](\x95.{8})?\}", re.DOTALL)


class PickledFrames(FrameFile):
    """A RadioML 2016 pickle. It has no index, so opening reads it whole; binary ones are mapped into memory.

    Frames come in the order modulation, SNR, number.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        The file is missing, damaged, not of RadioML 2016's form, or holds anything but numpy arrays.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._cells: list[tuple[int, int, NDArray[Any]]] = []
        self._load()
        self._firsts = np.cumsum([0, *(len(array) for _, _, array in self._cells)])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cells": []}

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def frame_len(self) -> int:
        """Samples a frame, T."""
        return int(self._load()[0][2].shape[2])

    def close(self) -> None:
        """Forget the samples; the next read loads them again."""
        self._cells = []

    def _load(self) -> list[tuple[int, int, NDArray[Any]]]:
        if not self._cells:
            arrays = load_arrays(self._map(), str(self.path))
            ((self.classes, labels),) = label_columns([[name for name, _ in arrays]], self.path)
            cells = [(int(n), snr_db, array) for n, ((_, snr_db), array) in zip(labels, arrays.items(), strict=True)]
            self._cells = sorted(cells, key=lambda cell: cell[:2])
            self._check()
        return self._cells

    def _map(self) -> mmap.mmap | bytes:
        with open_regular(self.path) as stream:
            try:
                return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # an empty file
                return b""
            except OSError as error:
                raise DataError(f"cannot read {self.path}: {error.strerror}") from error

    def _check(self) -> None:
        shape = self._cells[0][2].shape
        for label, snr_db, array in self._cells:
            name = self.classes[label]
            if array.ndim != 3 or array.shape[1] != 2 or array.shape[2] != shape[2]:
                raise DataError(
                    f"{self.path}: frames must be (n, 2, T) of one T; {name} at {snr_db} dB has {array.shape},"
                    f" {self.classes[self._cells[0][0]]} {shape}"
                )
            if abs(snr_db) > SNR_LIMIT_DB:
                raise DataError(f"{self.path}: {name} has an SNR of {snr_db} dB; {SNR_LIMIT_DB} dB is the most")

    def _load_index(self) -> Index:
        cells = self._load()
        counts = [len(array) for _, _, array in cells]
        labels = [label for label, _, _ in cells]
        return Index(
            np.repeat(labels, counts).astype(np.uint8), np.repeat([s for _, s, _ in cells], counts).astype(np.int8)
        )

    def _read_span(self, first: int, stop: int) -> NDArray[Any]:
        cells = self._load()
        parts = []
        for number in range(int(np.searchsorted(self._firsts, first, "right")) - 1, len(cells)):
            start = int(self._firsts[number])
            if start >= stop:
                break
            parts.append(cells[number][2][max(first - start, 0) : stop - start])
        block: NDArray[Any] = np.concatenate(parts).transpose(0, 2, 1)
        return block


@reads(60, "RadioML 2016 (pickle)")
def _open(file: Glimpse) -> PickledFrames | None:
    begins = (_PICKLE_OF_A_DICT if file.ending in RAW_ENDINGS else _PICKLE).match(file.start)
    return PickledFrames(file.path) if begins or file.ending in (".pkl", ".pickle") else None
