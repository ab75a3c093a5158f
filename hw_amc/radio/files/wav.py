"""WAV files of I and Q, as SDR programs record them: RIFF, and RF64 for files beyond 4 GB."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hw_amc.errors import DataError

#: Formats of the `fmt ` chunk: integers, floats, and one that says which of them behind.
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE

_DTYPES = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}

#: Sizes that programs write when they do not know how long a recording becomes.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)

#: Most chunks before the samples.
_CHUNKS = 1000


@dataclass(frozen=True)
class WavSamples:
    """Where the samples of a WAV file lie."""

    dtype: np.dtype[np.generic]
    #: Bytes before them.
    offset: int
    #: Samples of I and Q.
    count: int
    sample_rate_hz: int


def is_wav(start: bytes) -> bool:
    """Whether a file that begins like this (12 bytes) is a WAV file."""
    return start[:4] in (b"RIFF", b"RF64") and start[8:12] == b"WAVE"


def find_samples(stream: BinaryIO, path: Path) -> WavSamples:
    """Find the samples of an open WAV file, of which the first 12 bytes are known.

    Raises
    ------
    DataError
        The file has not two channels, has samples of another kind, or is cut short before them.
    """
    size = os.fstat(stream.fileno()).st_size
    place, kind, long_size = 12, None, 0
    for _ in range(_CHUNKS):
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head)
        if name == b"ds64":
            long_size = struct.unpack("<Q", stream.read(16)[8:].ljust(8, b"\0"))[0]
        elif name == b"fmt ":
            kind = _parse_format(stream.read(min(length, 40)), path)
        elif name == b"data":
            if kind is None:
                break
            dtype, rate = kind
            length = long_size if long_size and length in _UNKNOWN_SIZES else length
            length = size - place - 8 if length in _UNKNOWN_SIZES else length
            if length > size - place - 8:
                raise DataError(
                    f"{path} is cut short: its samples take {length:,} bytes, {size - place - 8:,} are there"
                )
            return WavSamples(dtype, place + 8, length // (2 * dtype.itemsize), rate)
        place += 8 + length + length % 2
    raise DataError(f"{path} is a WAV file without samples; record it again")


def _parse_format(raw: bytes, path: Path) -> tuple[np.dtype[np.generic], int]:
    if len(raw) < 16:
        raise DataError(f"{path}: its fmt chunk is cut short; record it again")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", raw[:16])
    if code == _EXTENSIBLE and len(raw) >= 26:
        code = struct.unpack("<H", raw[24:26])[0]
    if channels != 2:
        raise DataError(f"{path} has {channels} channel{'s' * (channels != 1)}; frames need two, I and Q")
    if (code, bits) not in _DTYPES:
        said = "float" if code == _FLOAT else "integer" if code == _PCM else f"format {code}"
        raise DataError(
            f"{path} holds {said} samples of {bits} bits; convert it: sox {path.name} -b 16 -e signed-integer new.wav"
        )
    return np.dtype(_DTYPES[code, bits]), rate
