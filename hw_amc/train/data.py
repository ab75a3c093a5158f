"""Frames as wire words: generated or read once, kept under `data/`, cut into batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.files import atomic_path
from hw_amc.interface.wire import Normalisation
from hw_amc.radio import WIRE_FRAC, generate_wire_set, load_recipe
from hw_amc.untrusted import open_regular, read_npy_header

#: Sets of fewer frames are made without further processes.
SMALL = 4096

#: (SNRs in dB, frames of each class at each of these SNRs), ...
Cells = Sequence[tuple[Sequence[int], int]]

Words = np.ndarray[Any, np.dtype[np.int16]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class FrameSet:
    """Labelled frames as wire words.

    Attributes
    ----------
    wire : (n, T, 2) int16, raw words with 14 fraction bits
    labels : (n,) uint8, or (n, heads)
    snr_db : (n,) int8
    """

    wire: Words
    labels: np.ndarray[Any, np.dtype[np.uint8]]
    snr_db: np.ndarray[Any, np.dtype[np.int8]]

    def __len__(self) -> int:
        return len(self.labels)


def load_frames(
    recipe_name: str, cells: Cells, split: int, folder: Path, normalise: Normalisation = "none"
) -> FrameSet:
    """Generate a set, or map the one that an earlier run left in `folder`.

    Its labels are the cells of the recipe's class set.

    Parameters
    ----------
    recipe_name : see `hw_amc.radio.RECIPES`
    cells : (SNRs in dB, frames of each class at each of these SNRs), ...
    split : 0 training, 1 validation, 2 test
    folder : where the arrays are kept; the name holds the digest of all that decides them
    normalise : see `hw_amc.radio.to_wire`

    Raises
    ------
    ConfigError
        Unknown recipe or an empty set.
    DataError
        A kept array is damaged.
    """
    recipe = load_recipe(recipe_name)
    plan: list[Any] = [recipe.digest(), [[list(snrs), frames] for snrs, frames in cells], split]

    def make() -> FrameSet:
        count = sum(len(snrs) * frames for snrs, frames in cells) * len(recipe.classes)
        workers = 1 if count < SMALL else None  # starting processes would take longer
        parts = [generate_wire_set(recipe, frames, snrs, split, workers, normalise) for snrs, frames in cells]
        return FrameSet(*map(np.concatenate, zip(*parts, strict=True)))

    # Sets that were made before there was a choice keep their names.
    return keep_frames(recipe_name, plan if normalise == "none" else [*plan, normalise], folder, make)


def keep_frames(name: str, plan: Any, folder: Path, make: Callable[[], FrameSet]) -> FrameSet:
    """Map the set that an earlier run left in `folder`, or make it and keep it.

    Parameters
    ----------
    name : what the files' names begin with
    plan : all that decides the set, as JSON types
    folder : where the arrays are kept
    make : makes the set

    Raises
    ------
    DataError
        A kept array is damaged.
    """
    stem = f"{name}-{hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:16]}"
    paths = [folder / f"{stem}-{part}.npy" for part in ("wire", "labels", "snr")]
    if not all(path.exists() for path in paths):
        made = make()
        arrays: tuple[Any, ...] = (made.snr_db, made.labels, made.wire)
        for path, array in zip(paths[::-1], arrays, strict=True):
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, array)
    try:
        for path in paths:
            with open_regular(path) as stream:
                read_npy_header(stream, str(path))
        wire, labels, snrs = (np.load(path, mmap_mode="r" if i == 0 else None) for i, path in enumerate(paths))
    except (OSError, ValueError, EOFError, OverflowError, DataError) as error:
        raise DataError(f"a kept set in {folder} is damaged; delete {stem}-*.npy") from error
    shaped = wire.ndim == 3 and labels.ndim in (1, 2) and snrs.ndim == 1
    typed = (wire.dtype, labels.dtype, snrs.dtype) == (np.int16, np.uint8, np.int8)
    if not (shaped and typed and len(wire) == len(labels) == len(snrs)):
        raise DataError(f"a kept set in {folder} is incomplete; delete {stem}-*.npy")
    return FrameSet(wire, labels, snrs)


@dataclass(frozen=True)
class Cut:
    """Which window is cut out of each frame, and by what it is turned and scaled.

    Attributes
    ----------
    starts : (n,) first samples
    cosines, sines : (n, 1) or (n, length) float32, gain included
    """

    starts: np.ndarray[Any, np.dtype[np.int64]]
    cosines: Floats
    sines: Floats


@dataclass(frozen=True)
class Varied:
    """What varies from step to step beside the carrier's phase.

    Attributes
    ----------
    carrier_offset : largest offset of the carrier, cycles per sample, either way
    gain_db : largest gain, dB, either way
    gain_share : share of the frames that get a random gain
    """

    carrier_offset: float = 0.0
    gain_db: float = 0.0
    gain_share: float = 1.0


#: Frames as they are, but for the carrier's phase.
STILL = Varied()


def draw_cut(count: int, room: int, length: int, generator: np.random.Generator, varied: Varied) -> Cut:
    """Draw the windows of `count` frames, which may begin at samples 0..`room`; the rest is as in `crop`."""
    starts = generator.integers(0, room + 1, count)
    angles = generator.uniform(0, 2 * np.pi, (count, 1)).astype(np.float32)
    if varied.carrier_offset:
        offsets = generator.uniform(-varied.carrier_offset, varied.carrier_offset, (count, 1))
        angles = (angles + 2 * np.pi * offsets * np.arange(length)).astype(np.float32)
    c, s = np.cos(angles), np.sin(angles)
    if varied.gain_db:
        gains = 10 ** (generator.uniform(-varied.gain_db, varied.gain_db, (count, 1)) / 20)
        if varied.gain_share < 1:
            gains[generator.uniform(size=count) >= varied.gain_share] = 1.0
        c, s = (gains * c).astype(np.float32), (gains * s).astype(np.float32)
    return Cut(starts, c, s)


def crop(
    frames: FrameSet, rows: Any, length: int, generator: np.random.Generator, varied: Varied = STILL
) -> tuple[Floats, Any]:
    """Cut one window of `length` samples out of each chosen frame, turned by a random carrier phase.

    As `varied` says, the phase also moves over the frame, and the frame is scaled. The values go back onto the wire's
    grid.

    Returns
    -------
    (n, length, 2) float32 values raw / 2^14, and int32 labels, (n,) or (n, heads).
    """
    cut = draw_cut(len(rows), frames.wire.shape[1] - length, length, generator, varied)
    words = np.stack([frames.wire[row, s : s + length] for row, s in zip(rows, cut.starts, strict=True)])
    c, s = cut.cosines, cut.sines
    i, q = words[..., 0].astype(np.float32), words[..., 1].astype(np.float32)
    turned = np.stack([np.rint(c * i - s * q), np.rint(s * i + c * q)], axis=-1)
    return np.clip(turned, -(2.0**15), 2.0**15 - 1) / np.float32(1 << WIRE_FRAC), frames.labels[rows].astype(np.int32)


def whole(frames: FrameSet, rows: Any) -> tuple[Floats, Any]:
    """Give the chosen frames as they are: (n, T, 2) float32 values raw / 2^14, and their int32 labels."""
    return frames.wire[rows].astype(np.float32) / np.float32(1 << WIRE_FRAC), frames.labels[rows].astype(np.int32)
