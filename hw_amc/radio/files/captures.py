"""Recordings cut into frames: what every recording has in common."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, FrameFile, Index, Rows
from hw_amc.radio.names import label_columns

SampleFormat = Literal["int8", "uint8", "int16", "float32"]

#: Samples a frame where neither the user nor the file says.
FRAME_LEN = 1024

#: Endings of raw samples of any type.
RAW_ENDINGS = (".iq", ".raw", ".bin", ".dat")


@dataclass(frozen=True)
class CaptureOptions:
    """What a recording may not say of itself."""

    #: Samples a frame, T; None takes the file's own, or `FRAME_LEN`.
    frame_len: int | None = None
    #: Modulation of a recording without labels.
    label: str | None = None
    #: SNR where the recording does not give it, whole dB.
    snr_db: int | None = None
    #: Of raw files whose ending does not tell.
    samples: SampleFormat | None = None
    #: What to call frames that nobody has labelled, to look at them only; None refuses them.
    stand_in: str | None = None
    #: Cut all samples, whatever stretches are labelled.
    whole: bool = False

    def __post_init__(self) -> None:
        if self.frame_len is not None and self.frame_len < 1:
            raise DataError(f"a frame needs 1 sample or more, not {self.frame_len}")
        if self.snr_db is not None and abs(self.snr_db) >= -UNKNOWN_SNR_DB:
            raise DataError(f"an SNR must be within 127 dB of 0, not {self.snr_db}")


@dataclass(frozen=True)
class Segment:
    """Consecutive samples of one label; no frame crosses its ends."""

    start: int
    count: int
    label: str
    snr_db: int


class CaptureFile(FrameFile):
    """Frames cut one after another from the segments of a recording; what is left at a segment's end is dropped.

    Raises
    ------
    DataError
        No segment is as long as a frame.

    Warns
    -----
    UserWarning
        Some segments are shorter than a frame and are left out, or one class goes by two names.
    """

    def _cut(self, segments: Sequence[Segment], frame_len: int) -> None:
        """Take the frames of all segments, in order."""
        counts = [segment.count // frame_len for segment in segments]
        if not sum(counts):
            longest = max((segment.count for segment in segments), default=0)
            raise DataError(
                f"{self.path}: the longest stretch of one label has {longest} samples, shorter than a frame of"
                f" {frame_len}; record more, or give a shorter --frame-len"
            )
        if short := counts.count(0):
            warnings.warn(f"{self.path}: {short} stretches shorter than {frame_len} samples left out", stacklevel=3)
        ((self.classes, labels),) = label_columns([[segment.label for segment in segments]], self.path)
        starts = [s.start + frame_len * np.arange(n, dtype=np.int64) for s, n in zip(segments, counts, strict=True)]
        self._frame_len = frame_len
        self._starts: Rows = np.concatenate(starts)
        self._found = Index(
            np.repeat(labels, counts),
            np.repeat([segment.snr_db for segment in segments], counts).astype(np.int8),
        )

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def frame_len(self) -> int:
        """Samples a frame, T."""
        return self._frame_len

    @property
    def starts(self) -> Rows:
        """First sample of every frame, (N,) int64."""
        return self._starts

    def _load_index(self) -> Index:
        return self._found

    @abstractmethod
    def _samples(self, start: int, count: int) -> NDArray[Any]:
        """Consecutive samples of the recording: (count, 2) real."""

    def _read_span(self, first: int, stop: int) -> NDArray[Any]:
        starts, T = self._starts[first:stop], self._frame_len
        if starts[-1] - starts[0] == (len(starts) - 1) * T:
            return self._samples(int(starts[0]), len(starts) * T).reshape(-1, T, 2)
        return np.stack([self._samples(int(start), T) for start in starts])


def require_label(options: CaptureOptions, path: Path, where: str) -> str:
    """Label of a recording that carries none of its own.

    Raises
    ------
    DataError
        None was given.
    """
    label = options.label or options.stand_in
    if not label:
        raise DataError(
            f"{path} has no labels{where}; say what it holds with {conversion(path, options)}, and take that file"
        )
    return label


def conversion(path: Path, options: CaptureOptions, samples: str = "") -> str:
    """Give the command that says what a recording holds, for commands which have no options for it."""
    length = "" if options.frame_len in (None, FRAME_LEN) else f" --frame-len {options.frame_len}"
    return f"`hw-amc data convert {path.name} set.h5{samples}{length} --label QPSK --snr-db 10`"


def to_unit_range(samples: NDArray[Any]) -> NDArray[Any]:
    """Scale integers so that their full range is -1 to 1, unsigned ones about their middle; floats stay."""
    if samples.dtype.kind not in "iu":
        return samples
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    scaled: NDArray[Any] = ((samples - middle) / half).astype(np.float32)
    return scaled
