"""The accelerator's stream words: frames into words, words into results (DESIGN: the accelerator's interface).

Needs numpy only: bench and driver share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.interface.registers import CHANNEL_LSB, CLASS_LSB, FLAGS_LSB, SEQUENCE_LSB

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Results:
    """Results of n frames, in order of arrival."""

    #: (n,) winner of the first head.
    labels: NDArray[np.int64]
    #: (n,) channel that the frame came on.
    channels: NDArray[np.int64]
    #: (n,) sequence number, modulo 256.
    sequence: NDArray[np.int64]
    #: (n,) error flags (`registers.FLAG_*`); 0 is a good frame.
    flags: NDArray[np.int64]
    #: (n, classes) raw logits, all heads one after another.
    logits: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)


def pack_frames(frames: NDArray[Any], n_channels: int = 1) -> Words:
    """Return the words of `frames`, I in the low and Q in the high half.

    Parameters
    ----------
    frames : int16 array (n, T, 2)
        Wire words. In channel mode frame i belongs to channel i mod n_channels.
    n_channels : int
        Frames whose samples take turns.

    Returns
    -------
    uint32 array (n * T,)

    Raises
    ------
    DataError
        Wrong shape or type, or frames that do not fill the last group of channels.
    """
    if frames.ndim != 3 or frames.shape[2] != 2 or frames.dtype != np.int16:
        raise DataError(f"frames must be an int16 array (n, T, 2), not {frames.dtype} {frames.shape}")
    samples = np.empty(frames.shape, "<i2")
    interleave(frames, n_channels, samples)
    return samples.reshape(-1).view("<u4").astype(np.uint32, copy=False)


def unpack_frames(words: Words, frame_len: int, n_channels: int = 1) -> NDArray[np.int16]:
    """Return the frames (n, T, 2) of a stream of words: the inverse of `pack_frames`.

    Parameters
    ----------
    words : uint32 array (n * T,)
    frame_len : int
        T.
    n_channels : int
        Frames whose samples take turns; they fill the stream.
    """
    samples = np.ascontiguousarray(words, dtype="<u4").view("<i2").reshape(-1, frame_len, n_channels, 2)
    return samples.swapaxes(1, 2).reshape(-1, frame_len, 2).astype(np.int16, copy=False)


def interleave(frames: NDArray[np.int16], n_channels: int, out: NDArray[np.int16]) -> None:
    """Copy frames to `out` in the order of the wire.

    Parameters
    ----------
    frames : int16 array (n, T, 2)
        In channel mode frame i belongs to channel i mod n_channels.
    n_channels : int
        Frames whose samples take turns.
    out : contiguous int16 array (n, T, 2)
        Device memory, say.

    Raises
    ------
    DataError
        The frames do not fill the last group of channels.
    """
    n, T, _ = frames.shape
    if n % n_channels:
        raise DataError(f"{n} frames do not fill {n_channels} channels")
    groups = frames.reshape(n // n_channels, n_channels, T, 2)
    out.reshape(n // n_channels, T, n_channels, 2)[...] = groups.swapaxes(1, 2)


def pack_results(results: Results) -> Words:
    """Return the words of results, uint32 (n * (1 + classes),): the inverse of `unpack_results`."""
    fields = (
        (results.labels, CLASS_LSB),
        (results.channels, CHANNEL_LSB),
        (results.sequence, SEQUENCE_LSB),
        (results.flags, FLAGS_LSB),
    )
    rows = np.empty((len(results), 1 + results.logits.shape[1]), np.uint32)
    rows[:, 0] = sum((np.asarray(values, np.int64) & 0xFF) << lsb for values, lsb in fields)
    rows[:, 1:] = np.ascontiguousarray(results.logits, np.int32).view(np.uint32)
    return rows.reshape(-1)


def unpack_results(words: Words, classes: int) -> Results:
    """Split result words.

    Parameters
    ----------
    words : uint32 array (n * (1 + classes),)
    classes : int
        Logits in a result, all heads together.

    Raises
    ------
    DataError
        The words are no whole number of results.
    """
    if len(words) % (1 + classes):
        raise DataError(f"{len(words)} words are no whole number of results of {1 + classes} words")
    rows = np.ascontiguousarray(words, dtype=np.uint32).reshape(-1, 1 + classes)
    head = rows[:, 0].astype(np.int64)
    byte = {lsb: (head >> lsb) & 0xFF for lsb in (CLASS_LSB, CHANNEL_LSB, SEQUENCE_LSB, FLAGS_LSB)}
    logits = np.ascontiguousarray(rows[:, 1:]).view(np.int32)
    return Results(byte[CLASS_LSB], byte[CHANNEL_LSB], byte[SEQUENCE_LSB], byte[FLAGS_LSB], logits)
