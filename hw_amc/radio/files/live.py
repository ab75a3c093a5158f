"""Samples that are still being written: the standard input, or a recording that grows."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.interface.wire import require_finite
from hw_amc.radio.files import wav
from hw_amc.radio.files.captures import CaptureOptions, to_unit_range
from hw_amc.radio.files.frames import Frames
from hw_amc.radio.files.plain import RAW_FORMATS
from hw_amc.radio.files.sigmf_storage import DATA, META, find_recordings
from hw_amc.untrusted import open_regular

#: Name of the standard input.
STANDARD_INPUT = Path("-")

#: Seconds that a few more samples are waited for, and between two looks at a file.
_GRACE_S, _LOOK_S = 0.05, 0.2

#: Frames that make it worth while to stop waiting for more.
_FEW = 64

#: How files begin that hold no bare samples.
_HEADERS = {b"RIFF": "WAV", b"RF64": "WAV", b"\x93NUM": ".npy", b"\x89HDF": "HDF5"}


@dataclass(frozen=True)
class _Source:
    """Where samples come from."""

    #: An open file that stands at its first sample; it is read past Python's own buffer.
    handle: int
    dtype: np.dtype[Any]
    rate_hz: float | None = None


class LiveSamples:
    """Frames of samples that are still being written, one after another as they come.

    Parameters
    ----------
    path : Path
        `STANDARD_INPUT`, or a growing file: raw samples, WAV, or the two files of a SigMF recording of one capture.
    options : CaptureOptions
        `frame_len` is required; `samples` says the type of raw samples where the ending does not.
    idle_s : float, optional
        Seconds after which a file that does not grow counts as complete; by default none.

    Raises
    ------
    DataError
        The file is missing, of a form that does not grow, or does not say what its samples are.
    """

    def __init__(self, path: Path, options: CaptureOptions, idle_s: float | None = None) -> None:
        assert options.frame_len is not None
        self.path, self.frame_len = path, options.frame_len
        self._idle_s = idle_s
        self._source = _open(path, options)
        #: Bytes behind the last whole frame.
        self._rest = b""

    def __enter__(self) -> LiveSamples:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path != STANDARD_INPUT:
            os.close(self._source.handle)

    @property
    def rate_hz(self) -> float | None:
        """Samples a second, where they are known."""
        return self._source.rate_hz

    @property
    def rest(self) -> int:
        """Samples at the end that fill no frame."""
        return len(self._rest) // (2 * self._source.dtype.itemsize)

    def batches(self, most: int) -> Iterator[tuple[int, Frames]]:
        """Yield (number of the first frame, frames (n, T, 2)), up to `most` at a time, as soon as they are there.

        Raises
        ------
        DataError
            A sample is not finite, or the file has become shorter.
        """
        size, first = self.frame_len * 2 * self._source.dtype.itemsize, 0
        while self._fill(size, most * size):
            if first == 0 and self._rest[:4] in _HEADERS:
                name = _HEADERS[self._rest[:4]]
                raise DataError(
                    f"{self.path} begins as a {name} file, not with bare samples; give the file by its name"
                )
            whole = min(len(self._rest) // size, most) * size
            raw, self._rest = self._rest[:whole], self._rest[whole:]
            samples = np.frombuffer(raw, self._source.dtype).reshape(-1, self.frame_len, 2)
            frames = to_unit_range(samples).astype(np.float32)
            try:
                require_finite(frames, first + np.arange(len(frames)))
            except DataError as error:
                raise DataError(f"{self.path}: {error}") from None
            yield first, frames
            first += len(frames)

    def _fill(self, least: int, most: int) -> bool:
        """Read on, to `least` bytes or more; False where they will not come."""
        handle = self._source.handle
        parts, count = [self._rest], len(self._rest)
        while count < most:
            wait = None if count < least else _GRACE_S if count < _FEW * least else 0
            if self.path == STANDARD_INPUT and not select.select([handle], [], [], wait)[0]:
                break
            part = os.read(handle, most - count)
            if not part and (count >= least or self.path == STANDARD_INPUT or not self._grows(handle)):
                break
            parts.append(part)
            count += len(part)
        self._rest = b"".join(parts)
        return count >= least

    def _grows(self, handle: int) -> bool:
        """Wait until there is more in the file; False where it has not grown for `idle_s`."""
        place, started = os.lseek(handle, 0, os.SEEK_CUR), time.monotonic()
        while (size := os.fstat(handle).st_size) == place:
            if self._idle_s is not None and time.monotonic() - started >= self._idle_s:
                return False
            time.sleep(_LOOK_S)
        if size < place:
            raise DataError(f"{self.path} has become shorter while it was watched; start again")
        return True


def _open(path: Path, options: CaptureOptions) -> _Source:
    if path == STANDARD_INPUT:
        if options.samples is None:
            raise DataError("the standard input does not say what its samples are; give --samples int16, or another")
        return _Source(0, _little(options.samples))
    if path.name.lower().endswith((META, DATA)):
        (recording,) = find_recordings(path)
        metadata = recording.metadata
        if len(metadata.captures) > 1 or len(metadata.runs) > 1:
            raise DataError(f"{path} has several captures, and is complete; leave --watch out")
        found = metadata.dtype, metadata.runs[0].offset, metadata.attributes.get("sample_rate_hz")
        path = recording.stored.path
    else:
        found = _describe(path, options)
    dtype, offset, rate = found
    with open_regular(path) as stream:
        handle = os.dup(stream.fileno())
    os.lseek(handle, offset, os.SEEK_SET)
    return _Source(handle, dtype, float(rate) if isinstance(rate, (int, float)) and rate > 0 else None)


def _describe(path: Path, options: CaptureOptions) -> tuple[np.dtype[Any], int, Any]:
    """Type of the samples of a plain file, the bytes before them, and their rate."""
    with open_regular(path) as stream:
        start = stream.read(12)
        if wav.is_wav(start):
            found = wav.find_samples(stream, path)
            return found.dtype, found.offset, found.sample_rate_hz
    if start[:4] in _HEADERS:
        raise DataError(f"{path} is an {_HEADERS[start[:4]]} file, which does not grow; leave --watch out")
    kind = options.samples or RAW_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path} does not say what its samples are; give --samples int16, or another")
    return _little(kind), 0, None


def _little(kind: str) -> np.dtype[Any]:
    return np.dtype(kind).newbyteorder("<")
