"""Recordings cut into frames: plain files of samples, and what every recording has in common."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, FrameFile, Index
from hw_amc.radio.files.hdf5 import brief
from hw_amc.radio.names import label_columns

SampleFormat = Literal["int8", "int16", "float32"]

#: Samples a frame where neither the user nor the file says.
FRAME_LEN = 1024

#: Sample format by the ending of a raw file.
RAW_FORMATS: dict[str, SampleFormat] = {
    **dict.fromkeys((".cf32", ".fc32", ".cfile"), "float32"),
    **dict.fromkeys((".cs16", ".sc16", ".ci16"), "int16"),
    **dict.fromkeys((".cs8", ".sc8", ".ci8"), "int8"),
}  # type: ignore[arg-type]


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
        self._starts = np.concatenate(starts)
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
            f"{path} has no labels{where}; say what it holds with {_conversion(path, options)}, and take that file"
        )
    return label


def _conversion(path: Path, options: CaptureOptions, samples: str = "") -> str:
    """Give the command that says what a recording holds, for commands which have no options for it."""
    length = "" if options.frame_len in (None, FRAME_LEN) else f" --frame-len {options.frame_len}"
    return f"`hw-amc data convert {path.name} set.h5{samples}{length} --label QPSK --snr-db 10`"


class PlainFile(CaptureFile):
    """Samples in a plain file, mapped into memory: `.npy`, or raw interleaved I and Q, little-endian.

    An array may be complex (n,) or real (n, 2), a recording; complex (m, T), real (m, T, 2) or (m, 2, T) are frames.
    Integers are scaled so that their full range is -1 to 1.

    Parameters
    ----------
    path : Path
    options : CaptureOptions
        `label` is required.

    Raises
    ------
    DataError
        The file is missing or damaged, of an unknown form, without label, or shorter than a frame.
    """

    def __init__(self, path: Path, options: CaptureOptions) -> None:
        super().__init__(path)
        self._options = options
        self._map: NDArray[Any] | None = None
        samples = self._mapped()
        if samples.ndim == 3:
            pieces, length = samples.shape[0], samples.shape[1]
        else:
            pieces, length = 1, samples.shape[0]
        label = require_label(options, self.path, "")
        snr_db = UNKNOWN_SNR_DB if options.snr_db is None else options.snr_db
        whole = Segment(0, length, label, snr_db)
        own = length if samples.ndim == 3 else FRAME_LEN
        self._cut([replace(whole, start=piece * length) for piece in range(pieces)], options.frame_len or own)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}

    def close(self) -> None:
        """Forget the mapping; the next read makes it again."""
        self._map = None

    def _mapped(self) -> NDArray[Any]:
        """Real samples (n, 2) or (m, T, 2), not yet read."""
        if self._map is None:
            try:
                self._map = self._map_npy() if self.path.suffix == ".npy" else self._map_raw()
            except FileNotFoundError:
                raise DataError(f"{self.path} does not exist") from None
            except (OSError, ValueError, EOFError) as error:
                raise DataError(f"{self.path} cannot be read ({brief(error)}); record or fetch it again") from error
        return self._map

    def _map_npy(self) -> NDArray[Any]:
        array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "cfiu":
            raise DataError(f"{self.path} must hold an array of numbers, not {getattr(array, 'dtype', 'an archive')}")
        shape = array.shape
        if array.dtype.kind == "c" and array.ndim in (1, 2):
            return array.view(array.real.dtype).reshape(*shape, 2)
        if array.dtype.kind != "c" and array.ndim in (2, 3):
            if shape[-1] == 2:
                return array
            if array.ndim == 3 and shape[1] == 2:
                return array.transpose(0, 2, 1)
        raise DataError(
            f"{self.path}: {array.dtype} of shape {shape} is neither samples, complex (n,) or real (n, 2), nor frames,"
            " complex (m, T), real (m, T, 2) or (m, 2, T)"
        )

    def _map_raw(self) -> NDArray[Any]:
        kind = self._options.samples or RAW_FORMATS.get(self.path.suffix.lower())
        if kind is None:
            raise DataError(
                f"{self.path} does not say what its samples are; give --samples int16, int8 or float32,"
                f" or take the file of {_conversion(self.path, self._options, ' --samples int16')}"
            )
        dtype = np.dtype(kind).newbyteorder("<")
        size = self.path.stat().st_size
        if not size or size % (2 * dtype.itemsize):
            raise DataError(f"{self.path}: {size} bytes are not whole {kind} samples of I and Q; is it cut short?")
        return np.memmap(self.path, dtype, "r").reshape(-1, 2)

    def _samples(self, start: int, count: int) -> NDArray[Any]:
        samples = self._mapped()
        # A transposed map has no flat view: read whole pieces, which frames are.
        if samples.ndim == 3:
            length = samples.shape[1]
            first, last = start // length, -(-(start + count) // length)
            block = np.ascontiguousarray(samples[first:last]).reshape(-1, 2)
            part = block[start - first * length : start - first * length + count]
        else:
            part = samples[start : start + count]
        return to_unit_range(part)


def to_unit_range(samples: NDArray[Any]) -> NDArray[Any]:
    """Scale integers so that their full range is -1 to 1, unsigned ones about their middle; floats stay."""
    if samples.dtype.kind not in "iu":
        return samples
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    middle = half if samples.dtype.kind == "u" else 0.0
    scaled: NDArray[Any] = ((samples - middle) / half).astype(np.float32)
    return scaled
