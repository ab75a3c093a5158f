"""Streamed reader of RadioML 2018.01A files: HDF5 with X (N, T, 2), Y (N, 24) and Z (N, 1).

Samples are read only when asked for, so that the 21 GB file needs no more memory than a batch. Nothing is taken
on trust: every frame is found through its own row of Y and Z, whatever the order of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw_amc.errors import DataError
from hw_amc.radio.classes import CLASSES, SNRS_DB, check_classes_file
from hw_amc.radio.wire import require_finite

Frames = NDArray[np.float32]
Labels = NDArray[np.uint8]
Snrs = NDArray[np.int8]
Rows = NDArray[np.int64]

#: Rows of Y and Z read at a time: 12 MB of the real file.
_INDEX_ROWS = 1 << 16

#: Unwanted rows that are read along rather than starting another read.
_GAP = 4

#: Most rows of one read from X.
_RUN_ROWS = 4096


class RadioMlFile:
    """A RadioML 2018.01A file, opened for reading.

    It may be used by several processes: a copy that is pickled or inherited opens the file for itself.

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

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file: Any = None
        self._owner = 0
        self._shape = self._checked_shape()
        names = self.path.parent / "classes.txt"
        if names.exists():
            check_classes_file(names)

    def __enter__(self) -> RadioMlFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def frame_len(self) -> int:
        """Samples a frame, T."""
        return self._shape[1]

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the file; a generated one names its recipe."""
        return dict(self._handle().attrs)

    @property
    def labels(self) -> Labels:
        """Class of every frame, (N,) uint8 index into `CLASSES`; read from Y at first use."""
        return self._index[0]

    @property
    def snrs_db(self) -> Snrs:
        """SNR of every frame, (N,) int8 dB; read from Z at first use."""
        return self._index[1]

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def select(self, labels: Sequence[int] | None = None, snrs_db: Sequence[int] | None = None) -> Rows:
        """Find the frames of some classes and SNRs, in the file's order.

        Parameters
        ----------
        labels, snrs_db : sequence of int, optional
            None takes all.

        Returns
        -------
        (n,) int64
        """
        chosen = np.ones(len(self), bool)
        if labels is not None:
            chosen &= np.isin(self.labels, np.asarray(labels))
        if snrs_db is not None:
            chosen &= np.isin(self.snrs_db, np.asarray(snrs_db))
        return np.flatnonzero(chosen).astype(np.int64)

    def frames(self, label: int, snr_db: int, part: slice = slice(None)) -> Frames:
        """Read frames of one class and SNR: (n, T, 2) float32.

        Parameters
        ----------
        label, snr_db : int
        part : slice
            Which of them, in the file's order.

        Raises
        ------
        DataError
            As `read`.
        """
        return self.read(self.select([label], [snr_db])[part])[0]

    def read(self, rows: ArrayLike) -> tuple[Frames, Labels, Snrs]:
        """Read frames by their row, in the order asked for.

        Parameters
        ----------
        rows : (n,) int
            Any order; a row may come twice.

        Returns
        -------
        frames : (n, T, 2) float32
        labels : (n,) uint8
        snr_db : (n,) int8

        Raises
        ------
        DataError
            A row is out of range, cannot be read, or holds NaN or infinite samples.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.ndim != 1:
            raise DataError(f"rows must be a flat list, not of shape {wanted.shape}")
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise DataError(f"{self.path} has rows 0 to {len(self) - 1}, not {wanted.min()} to {wanted.max()}")
        frames = np.empty((len(wanted), self.frame_len, 2), np.float32)
        order = np.argsort(wanted, kind="stable")
        for places in _runs(wanted[order]):
            at = order[places]
            first, last = int(wanted[at[0]]), int(wanted[at[-1]])
            block = self._read_block("X", first, last + 1).astype(np.float32)[wanted[at] - first]
            try:
                require_finite(block, wanted[at])
            except DataError as error:
                raise DataError(f"{self.path}: {error}") from None
            frames[at] = block
        return frames, self.labels[wanted], self.snrs_db[wanted]

    def batches(self, rows: ArrayLike, batch: int) -> Iterator[tuple[Frames, Labels, Snrs]]:
        """Yield `read` of `batch` rows at a time, the last maybe fewer; arguments and errors as there."""
        if batch < 1:
            raise DataError(f"a batch needs 1 frame or more, not {batch}")
        wanted = np.asarray(rows, dtype=np.int64)
        for first in range(0, len(wanted), batch):
            yield self.read(wanted[first : first + batch])

    def split(self, seed: int, fractions: Sequence[float]) -> list[Rows]:
        """Divide the frames at random, each class at each SNR in the same proportions.

        Parameters
        ----------
        seed : int
        fractions : sequence of float
            Shares, each above 0, together at most 1.

        Returns
        -------
        list of (n,) int64
            Ascending rows, one array a share; no row is in two. With shares that sum to 1, none is left out.

        Raises
        ------
        DataError
            The shares are not positive or exceed 1.
        """
        if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
            raise DataError(f"shares must be above 0 and sum to 1 at most, not {list(fractions)}")
        shares = np.cumsum(fractions)
        parts: list[list[Rows]] = [[] for _ in fractions]
        for label, snr_db, rows in self.cells():
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, label, snr_db + 128])))
            cuts = np.rint(shares * len(rows)).astype(np.int64)
            for part, rows_of_part in zip(parts, np.split(rng.permutation(rows), cuts), strict=False):
                part.append(rows_of_part)
        return [np.sort(np.concatenate(part)) if part else np.empty(0, np.int64) for part in parts]

    def cells(self) -> Iterator[tuple[int, int, Rows]]:
        """Yield (label, SNR in dB, ascending rows) of every class and SNR that the file holds."""
        key = self.labels.astype(np.int64) * 256 + self.snrs_db + 128
        order = np.argsort(key, kind="stable").astype(np.int64)
        for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if len(rows):
                yield int(self.labels[rows[0]]), int(self.snrs_db[rows[0]]), rows

    def _handle(self) -> Any:
        """Open the file once in each process: HDF5 handles do not survive a fork."""
        if self._file is None or self._owner != os.getpid():
            try:
                self._file = h5py.File(self.path, "r")
            except FileNotFoundError:
                raise DataError(f"{self.path} does not exist") from None
            except OSError as error:
                raise DataError(
                    f"{self.path} is not a whole HDF5 file ({_brief(error)}); fetch or generate it again"
                ) from error
            self._owner = os.getpid()
        return self._file

    def _checked_shape(self) -> tuple[int, int]:
        """Check X, Y and Z, and give (N, T)."""
        file = self._handle()
        missing = [name for name in "XYZ" if not isinstance(file.get(name), h5py.Dataset)]
        if missing:
            raise DataError(f"{self.path} has no {' and no '.join(missing)}; RadioML files hold X, Y and Z")
        X, Y, Z = (file[name] for name in "XYZ")
        if X.ndim != 3 or X.shape[2] != 2 or X.dtype.kind != "f":
            raise DataError(f"{self.path}: X must be float (N, T, 2), not {X.dtype} {X.shape}")
        if Y.shape != (len(X), len(CLASSES)) or Z.shape != (len(X), 1):
            raise DataError(
                f"{self.path}: {len(X)} frames need Y ({len(X)}, {len(CLASSES)}) and Z ({len(X)}, 1),"
                f" not {Y.shape} and {Z.shape}"
            )
        return len(X), X.shape[1]

    @cached_property
    def _index(self) -> tuple[Labels, Snrs]:
        """Labels and SNRs of all frames, from Y and Z a piece at a time."""
        labels = np.empty(len(self), np.uint8)
        snrs = np.empty(len(self), np.int8)
        for first in range(0, len(self), _INDEX_ROWS):
            part = slice(first, min(first + _INDEX_ROWS, len(self)))
            one_hot = self._read_block("Y", part.start, part.stop)
            good = (np.count_nonzero(one_hot, axis=1) == 1) & (one_hot.max(axis=1) == 1)
            if not good.all():
                raise DataError(
                    f"{self.path}: Y of frame {first + int(np.argmin(good))} is not one-hot; labels are lost"
                )
            labels[part] = one_hot.argmax(axis=1)
            values = self._read_block("Z", part.start, part.stop)[:, 0]
            good = (values >= SNRS_DB[0]) & (values <= SNRS_DB[-1]) & (values == np.rint(values))
            if not good.all():
                bad = int(np.argmin(good))
                raise DataError(
                    f"{self.path}: Z of frame {first + bad} is {values[bad]}; SNRs are whole dB"
                    f" from {SNRS_DB[0]} to {SNRS_DB[-1]}"
                )
            snrs[part] = values
        return labels, snrs

    def _read_block(self, name: str, first: int, stop: int) -> NDArray[Any]:
        """Consecutive rows of a data set."""
        try:
            block: NDArray[Any] = self._handle()[name][first:stop]
        except OSError as error:
            raise DataError(
                f"{self.path}: rows {first} to {stop - 1} of {name} cannot be read ({_brief(error)}); fetch it again"
            ) from error
        return block


def _runs(rows: Rows) -> list[slice]:
    """Cut ascending rows where the next one is far away, or a run gets long."""
    if not len(rows):
        return []
    cuts = [0]
    far = np.diff(rows) > _GAP
    for place in range(1, len(rows)):
        if far[place - 1] or rows[place] - rows[cuts[-1]] >= _RUN_ROWS:
            cuts.append(place)
    return [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(rows)], strict=True)]


def _brief(error: OSError) -> str:
    """Keep an HDF5 error to one line."""
    return " ".join(str(error).split())[:120]
