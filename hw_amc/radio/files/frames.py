"""Files of labelled frames: what every reader offers, whatever the format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw_amc.errors import DataError
from hw_amc.interface.wire import require_finite
from hw_amc.radio.files.overlaps import find_origins

Frames = NDArray[np.float32]
Labels = NDArray[np.uint8]
Snrs = NDArray[np.int8]
Rows = NDArray[np.int64]
Self = TypeVar("Self", bound="FrameFile")

#: What `snrs_db` holds where nobody knows the SNR.
UNKNOWN_SNR_DB = -128

#: SNRs, and gains that stand in their place, that a reader takes, dB.
SNR_LIMIT_DB = 127

#: Most rows of one read.
_RUN_ROWS = 4096


@dataclass(frozen=True)
class Index:
    """What each frame of a file is."""

    #: (N,) index into the classes
    labels: Labels
    #: (N,) dB, or `UNKNOWN_SNR_DB`
    snrs_db: Snrs
    #: (N,) index into the signals; None in a file of one label a frame
    signals: Labels | None = None


class FrameFile(ABC):
    """Labelled frames of one length in a file, read only when they are asked for.

    A reader may be used by several processes: a copy that is pickled or inherited opens the file for itself.
    """

    #: Unwanted rows that are read along rather than starting another read.
    gap = 0

    #: Names of the modulations, in the order of `labels`.
    classes: tuple[str, ...] = ()

    #: Names of the second label, what the signal is for; empty in a file of one label a frame.
    signals: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def __len__(self) -> int:
        """Frames in the file."""

    @property
    @abstractmethod
    def frame_len(self) -> int:
        """Samples a frame, T."""

    @property
    def attributes(self) -> dict[str, Any]:
        """What the file says of itself beside its frames: recipe, sample rate."""
        return {}

    @property
    def starts(self) -> Rows | None:
        """First sample of every frame, (N,) int64, in a recording that was cut; None in a file of frames."""
        return None

    def release(self) -> None:  # noqa: B027 - most readers mirror nothing
        """Give back memory that mirrors what was read of the file; the next read takes it again."""

    @property
    def labels(self) -> Labels:
        """Class of every frame, (N,) uint8 index into `classes`; found at first use."""
        return self.index.labels

    @property
    def snrs_db(self) -> Snrs:
        """SNR of every frame, (N,) int8 dB, `UNKNOWN_SNR_DB` where nobody knows it; found at first use."""
        return self.index.snrs_db

    @property
    def signal_labels(self) -> Labels:
        """Second label of every frame, (N,) uint8 index into `signals`.

        Raises
        ------
        DataError
            The file has one label a frame.
        """
        if self.index.signals is None:
            raise DataError(f"{self.path} names the modulation of a frame only, not what the signal is for")
        return self.index.signals

    @cached_property
    def index(self) -> Index:
        """What each frame is, found at first use."""
        return self._load_index()

    @cached_property
    def origins(self) -> Rows:
        """First row of the frames that a frame shares samples with, (N,) int64; its own row where it shares none.

        Copies are found all, frames that overlap by half or more nearly all. Found at first use, by reading the file.
        """
        return find_origins(self._read_span, len(self))

    @abstractmethod
    def close(self) -> None:
        """Close the file; the next read opens it again."""

    @abstractmethod
    def _load_index(self) -> Index:
        """Find what each frame is."""

    @abstractmethod
    def _read_span(self, first: int, stop: int) -> NDArray[Any]:
        """Read consecutive frames: (stop - first, T, 2) real."""

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
        for places in _runs(wanted[order], self.gap):
            at = order[places]
            first, last = int(wanted[at[0]]), int(wanted[at[-1]])
            block = self._read_span(first, last + 1).astype(np.float32)[wanted[at] - first]
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

        Frames that share samples (see `origins`) stay together, which may shift the proportions; the first split of a
        file therefore reads all of it.

        Parameters
        ----------
        seed : int
        fractions : sequence of float
            Shares, each above 0, together at most 1.

        Returns
        -------
        list of (n,) int64
            Ascending rows, one array a share; no row is in two, and no sample. With shares that sum to 1, none is left
            out.

        Raises
        ------
        DataError
            The shares are not positive or exceed 1, or the file cannot be read.
        """
        if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
            raise DataError(f"shares must be above 0 and sum to 1 at most, not {list(fractions)}")
        shares = np.cumsum(fractions)
        share = np.full(len(self), -1)
        for label, snr_db, rows in self.cells():
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, label, snr_db + 128])))
            cuts = np.rint(shares * len(rows)).astype(np.int64)
            for number, part in enumerate(np.split(rng.permutation(rows), cuts)[: len(fractions)]):
                share[part] = number
        share = share[self.origins]
        return [np.flatnonzero(share == number).astype(np.int64) for number in range(len(fractions))]

    def cells(self) -> Iterator[tuple[int, int, Rows]]:
        """Yield (label, SNR in dB, ascending rows) of every class and SNR that the file holds."""
        key = self.labels.astype(np.int64) * 256 + self.snrs_db + 128
        order = np.argsort(key, kind="stable").astype(np.int64)
        for rows in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            if len(rows):
                yield int(self.labels[rows[0]]), int(self.snrs_db[rows[0]]), rows


def _runs(rows: Rows, gap: int) -> list[slice]:
    """Cut ascending rows where the next one is far away, or a run gets long."""
    if not len(rows):
        return []
    cuts = [0]
    far = np.diff(rows) > gap + 1
    for place in range(1, len(rows)):
        if far[place - 1] or rows[place] - rows[cuts[-1]] >= _RUN_ROWS:
            cuts.append(place)
    return [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(rows)], strict=True)]
