"""Streamed reader of RadioML 2018.01A files: HDF5 with X (N, T, 2), Y (N, 24) and Z (N, 1).

Samples are read only when asked for, so that the 21 GB file needs no more memory than a batch. Nothing is taken
on trust: every frame is found through its own row of Y and Z, whatever the order of the file.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.hdf5 import ERRORS, SIGNATURE, open_dataset, read_attribute
from hw_amc.radio.classes import CLASSES, SNRS_DB, check_classes_file
from hw_amc.radio.files.frames import SNR_LIMIT_DB, Index, Labels
from hw_amc.radio.files.hdf5 import Hdf5Frames
from hw_amc.radio.files.registry import Glimpse, reads
from hw_amc.untrusted import brief, parse_json

#: Rows of Y and Z read at a time: 12 MB of the real file.
_INDEX_ROWS = 1 << 16


#: Most attributes that are shown.
_ATTRIBUTES = 100


class RadioMlFile(Hdf5Frames):
    """A RadioML 2018.01A file, or one of that schema with classes of its own, opened for reading.

    The attributes `classes` and `signals` (JSON lists of names), which `hw-amc data make` and `convert` write, name
    the columns of Y and of S, a one-hot second label; without them the classes are `CLASSES`.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        The file is missing, damaged or not of RadioML's schema.

    Warns
    -----
    UserWarning
        A `classes.txt` beside the file does not name the classes in the order of Y.
    """

    gap = 3

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        own = self._names("classes")
        self.classes = own or CLASSES
        self.signals = self._names("signals")
        self._snr_limits = (-SNR_LIMIT_DB, SNR_LIMIT_DB) if own else (SNRS_DB[0], SNRS_DB[-1])
        self._shape = self._checked_shape()
        names = self.path.parent / "classes.txt"
        if names.exists() and not own:
            check_classes_file(names)

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def frame_len(self) -> int:
        """Samples a frame, T."""
        return self._shape[1]

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the file that are texts or numbers; a generated one names its recipe."""
        file = self._handle()
        try:
            names = list(file.attrs)
        except ERRORS as error:
            raise DataError(f"{self.path}: its attributes cannot be read ({brief(error)})") from error
        found = {name: _plain(read_attribute(file, name, self.path)) for name in names[:_ATTRIBUTES]}
        return {name: value for name, value in found.items() if value is not None}

    def _names(self, attribute: str) -> tuple[str, ...]:
        """Names in an attribute; none where the file has no such attribute."""
        text = read_attribute(self._handle(), attribute, self.path)
        if text is None:
            return ()
        try:
            names = parse_json(text, "it") if isinstance(text, (str, bytes)) else None
        except DataError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{self.path}: attribute {attribute} must be a JSON list of names")
        if not 1 <= len(names) == len(set(names)) <= 256:
            raise DataError(f"{self.path}: attribute {attribute} must list 1 to 256 names, each once")
        return tuple(names)

    def _checked_shape(self) -> tuple[int, int]:
        """Check X, Y, Z and S, and give (N, T)."""
        needed = "XYZS" if self.signals else "XYZ"
        found = {name: open_dataset(self._handle(), name, self.path) for name in needed}
        missing = [name for name, dataset in found.items() if dataset is None]
        if missing:
            raise DataError(f"{self.path} has no {' and no '.join(missing)}; RadioML files hold X, Y and Z")
        types = {name: _dtype(dataset) for name, dataset in found.items()}
        X, Y, Z = (h5py.Dataset(found[name]) for name in "XYZ")
        if len(X.shape) != 3 or X.shape[1] < 1 or X.shape[2] != 2 or types["X"].kind != "f" or types["X"].itemsize > 8:
            raise DataError(f"{self.path}: X must be float (N, T, 2), not {types['X']} {X.shape}")
        for name in needed[1:]:
            if types[name].kind not in "iufb":
                raise DataError(f"{self.path}: {name} must hold numbers, not {types[name]}")
        if Y.shape != (len(X), len(self.classes)) or Z.shape != (len(X), 1):
            raise DataError(
                f"{self.path}: {len(X)} frames need Y ({len(X)}, {len(self.classes)}) and Z ({len(X)}, 1),"
                f" not {Y.shape} and {Z.shape}"
            )
        if self.signals and found["S"].shape != (len(X), len(self.signals)):
            raise DataError(
                f"{self.path}: {len(X)} frames need S ({len(X)}, {len(self.signals)}), not {found['S'].shape}"
            )
        return len(X), X.shape[1]

    def _load_index(self) -> Index:
        """Labels and SNRs of all frames, from Y, S and Z a piece at a time."""
        labels = np.empty(len(self), np.uint8)
        signals = np.empty(len(self), np.uint8) if self.signals else None
        snrs = np.empty(len(self), np.int8)
        for first in range(0, len(self), _INDEX_ROWS):
            part = slice(first, min(first + _INDEX_ROWS, len(self)))
            labels[part] = self._one_hot("Y", part)
            if signals is not None:
                signals[part] = self._one_hot("S", part)
            snrs[part] = self._whole_db(part)
        return Index(labels, snrs, signals)

    def _one_hot(self, name: str, part: slice) -> Labels:
        one_hot = self._read_block(name, part.start, part.stop)
        good = (np.count_nonzero(one_hot, axis=1) == 1) & (one_hot.max(axis=1) == 1)
        if not good.all():
            frame = part.start + int(np.argmin(good))
            raise DataError(f"{self.path}: {name} of frame {frame} is not one-hot; labels are lost")
        labels: Labels = one_hot.argmax(axis=1).astype(np.uint8)
        return labels

    def _whole_db(self, part: slice) -> NDArray[Any]:
        values: NDArray[Any] = self._read_block("Z", part.start, part.stop)[:, 0]
        low, high = self._snr_limits
        good = (values >= low) & (values <= high) & (values == np.rint(values))
        if not good.all():
            bad = int(np.argmin(good))
            raise DataError(
                f"{self.path}: Z of frame {part.start + bad} is {values[bad]}; SNRs are whole dB from {low} to {high}"
            )
        return values

    def _read_span(self, first: int, stop: int) -> NDArray[Any]:
        return self._read_block("X", first, stop)

    def _read_block(self, name: str, first: int, stop: int) -> NDArray[Any]:
        """Consecutive rows of a data set."""
        try:
            block: NDArray[Any] = self._handle()[name][first:stop]
        except ERRORS as error:
            raise DataError(
                f"{self.path}: rows {first} to {stop - 1} of {name} cannot be read ({brief(error)}); fetch it again"
            ) from error
        return block


def _dtype(dataset: Any) -> np.dtype[Any]:
    """Type of a data set's numbers; one that numpy does not have is an object's."""
    try:
        found: np.dtype[Any] = dataset.dtype
    except ERRORS:
        return np.dtype(object)
    return found


def _plain(value: Any) -> str | int | float | None:
    """An attribute that is one text or number; None for others."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, (str, int, float)) else None


@reads(21, "RadioML 2018 (HDF5)")
def _open(file: Glimpse) -> RadioMlFile | None:
    return RadioMlFile(file.path) if file.start.startswith(SIGNATURE) else None


@reads(70)
def _refuse(file: Glimpse) -> None:
    if file.ending in (".h5", ".hdf5"):
        began = repr(file.start[:8])
        raise DataError(f"{file.path} is not a whole HDF5 file (it begins {began}); fetch or generate it again")
