"""Frames of any origin as batches of wire words in device memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.interface.wire import Normalisation, to_wire

Frames = NDArray[Any]

#: Saturated share of a batch's words above which float frames count as out of range.
SATURATED_LIMIT = 0.01


#: Bytes that a DMA address must be a multiple of: the widest memory port of any board.
ALIGNMENT = 16


def is_device_buffer(frames: Frames) -> bool:
    """Say whether a transfer can read `frames` where they lie: a contiguous, aligned int16 PYNQ buffer, or part of one.

    What numpy computes from a buffer is a PynqBuffer too, with an address that means nothing: `freed` stands only in
    what was allocated. A remote buffer is a copy on this computer.
    """
    device = getattr(frames, "device", None)
    if device is None or device.has_capability("REMOTE"):
        return False
    owner: Any = frames
    while not hasattr(owner, "freed") and hasattr(owner.base, "device_address"):
        owner = owner.base
    if not hasattr(owner, "freed") or frames.device_address % ALIGNMENT:  # type: ignore[attr-defined]
        return False
    return frames.dtype == np.int16 and bool(frames.flags.c_contiguous)


def as_array(frames: Any) -> Frames:
    """Return nested lists of numbers as an array; DataError where they are none."""
    try:
        return np.asarray(frames)
    except ValueError as error:
        raise DataError(f"frames must be an array, or nested lists of equal lengths: {error}") from None


def is_nested(frames: Any) -> bool:
    """Whether these are lists of numbers, not a list of arrays."""
    while isinstance(frames, (list, tuple)) and len(frames):
        frames = frames[0]
    return isinstance(frames, (int, float, np.number))


def as_frames(frames: Frames, frame_len: int) -> tuple[Frames, bool]:
    """Return frames as (n, T, 2) and whether there was a single one, (T, 2).

    Raises
    ------
    DataError
        Another shape, or samples that are neither float nor int16.
    """
    array = frames if isinstance(frames, np.ndarray) else as_array(frames)
    shape, single = array.shape, array.ndim == 2
    if single:
        array = array[np.newaxis]
    if array.ndim != 3 or array.shape[1:] != (frame_len, 2):
        raise DataError(f"frames must have the shape (n, {frame_len}, 2) or ({frame_len}, 2), not {shape}")
    if array.dtype != np.int16 and not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"frames must be float samples or int16 wire words, not {array.dtype}")
    return array, single


def wire_words(frames: Frames, wire_frac: int, normalise: Normalisation, first: int = 0) -> NDArray[np.int16]:
    """Convert float frames to wire words; int16 frames pass as they are.

    Parameters
    ----------
    frames : (n, T, 2) float or int16
    first : int
        Number of the first frame, for messages.

    Raises
    ------
    DataError
        A sample is not finite, or more than 1 % of the words would saturate.
    """
    if frames.dtype == np.int16:
        return frames
    try:
        words = to_wire(frames, wire_frac, normalise)
    except DataError as error:
        raise DataError(f"{error} (counted from frame {first})" if first else str(error)) from None
    saturated = np.count_nonzero((words == 32767) | (words == -32768))
    if saturated > SATURATED_LIMIT * words.size:
        span = 2.0 ** (15 - wire_frac)
        raise DataError(
            f"{saturated / words.size:.0%} of the samples of frames {first} to {first + len(frames) - 1} are outside "
            f"-{span:g}..{span:g}; scale them as the training data were"
        )
    return words


def split(frames: Frames, batch: int) -> Iterator[Frames]:
    """Cut an array into batches, without copies."""
    for start in range(0, len(frames), batch):
        yield frames[start : start + batch]


def collect(source: Iterable[Frames], batch: int, frame_len: int) -> Iterator[Frames]:
    """Regroup an iterable of frames and blocks of frames into batches; the last may be short.

    Raises
    ------
    DataError
        An item has the wrong shape or type, or the items mix floats and integers.
    """
    held: list[Frames] = []
    count = 0
    for item in source:
        frames, _ = as_frames(item, frame_len)
        if held and frames.dtype != held[0].dtype:
            raise DataError(f"a stream must not mix {held[0].dtype} and {frames.dtype} frames")
        while len(frames):
            part = frames[: batch - count]
            frames = frames[len(part) :]
            held.append(part)
            count += len(part)
            if count == batch:
                yield np.concatenate(held) if len(held) > 1 else held[0]
                held, count = [], 0
    if held:
        yield np.concatenate(held) if len(held) > 1 else held[0]
