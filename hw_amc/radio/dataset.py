"""Whole generated sets: RadioML-style HDF5 files, and wire words in memory for training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import atomic_path
from hw_amc.radio.classes import CLASSES, SNRS_DB, class_label
from hw_amc.radio.generate import generate_frames
from hw_amc.radio.parallel import map_blocks
from hw_amc.radio.radioml import RadioMlFile
from hw_amc.radio.recipes import Recipe
from hw_amc.radio.wire import Normalisation, to_wire

#: Most frames that a worker makes at a time.
_BLOCK = 512

#: Frames in a chunk of X: 128 kB at 1,024 samples.
_CHUNK = 16

#: Most frames that `describe` reads.
_EXAMINED = 16384


@dataclass(frozen=True)
class Block:
    """Consecutive frames of one class and SNR: a unit of work."""

    recipe: Recipe
    label: int
    snr_db: int
    first: int
    count: int
    split: int

    def frames(self) -> NDArray[np.float32]:
        """Generate the block: (count, T, 2) float32."""
        numbers = range(self.first, self.first + self.count)
        return generate_frames(
            self.recipe, [self.label] * self.count, [self.snr_db] * self.count, list(numbers), self.split
        )


def plan_blocks(
    recipe: Recipe, frames_per_cell: int, labels: Sequence[int], snrs_db: Sequence[int], split: int
) -> list[Block]:
    """Blocks of a set in RadioML's order: modulation, SNR, frame.

    Raises
    ------
    ConfigError
        No frames are asked for, a class or SNR is named twice, or an SNR is outside -20 to 30 dB.
    """
    if frames_per_cell < 1 or not labels or not snrs_db:
        raise ConfigError("a set needs at least one frame, one class and one SNR")
    if len(set(labels)) < len(labels) or len(set(snrs_db)) < len(snrs_db):
        raise ConfigError("a class or an SNR is named twice; name each once")
    low, high = SNRS_DB[0], SNRS_DB[-1]
    if not low <= min(snrs_db) <= max(snrs_db) <= high:
        raise ConfigError(f"SNRs must be {low} to {high} dB, not {min(snrs_db)} to {max(snrs_db)}")
    return [
        Block(recipe, label, snr_db, first, min(_BLOCK, frames_per_cell - first), split)
        for label in labels
        for snr_db in snrs_db
        for first in range(0, frames_per_cell, _BLOCK)
    ]


def generate_wire_set(
    recipe: Recipe,
    frames_per_cell: int,
    snrs_db: Sequence[int] = SNRS_DB,
    split: int = 0,
    workers: int | None = None,
    normalise: Normalisation = "none",
) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.int8]]:
    """Generate a balanced set of all classes as wire words in memory, in the order modulation, SNR, frame.

    Parameters
    ----------
    recipe : Recipe
    frames_per_cell : int
        Frames of each class at each SNR.
    snrs_db : sequence of int
    split : int
        0 training, 1 validation, 2 test.
    workers : int or None
        Processes; the result does not depend on it. None takes all processors.
    normalise : {"none", "rms"}
        See `hw_amc.radio.to_wire`.

    Returns
    -------
    wire : (n, T, 2) int16
    labels : (n,) uint8
    snr_db : (n,) int8

    Raises
    ------
    ConfigError
        Nothing is asked for, or `workers` is below 1.
    """
    blocks = plan_blocks(recipe, frames_per_cell, range(len(CLASSES)), snrs_db, split)
    counts = [block.count for block in blocks]
    wire = np.empty((sum(counts), recipe.frame_len, 2), np.int16)
    tasks = [(block, normalise) for block in blocks]
    row = 0
    for words in map_blocks(_wire_block, tasks, workers):
        wire[row : row + len(words)] = words
        row += len(words)
    labels = np.repeat([block.label for block in blocks], counts).astype(np.uint8)
    snrs = np.repeat([block.snr_db for block in blocks], counts).astype(np.int8)
    return wire, labels, snrs


def _wire_block(task: tuple[Block, Normalisation]) -> NDArray[np.int16]:
    block, normalise = task
    return to_wire(block.frames(), normalise=normalise)


def make_dataset(
    path: Path,
    recipe: Recipe,
    frames_per_cell: int,
    classes: Sequence[str] = CLASSES,
    snrs_db: Sequence[int] = SNRS_DB,
    *,
    split: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> None:
    """Write a generated set in RadioML 2018.01A's schema, in the order modulation, SNR, frame.

    X (N, T, 2) float32, Y (N, 24) int64 one-hot, Z (N, 1) int64 dB; the attributes hold the recipe, its digest and
    the split. The file appears when it is complete; memory use does not depend on its size.

    Parameters
    ----------
    path : Path
    recipe : Recipe
    frames_per_cell : int
        Frames of each class at each SNR.
    classes : sequence of str
        Names from `CLASSES`; Y always has its 24 columns.
    snrs_db : sequence of int
    split : int
        0 training, 1 validation, 2 test.
    workers : int or None
        Processes; the frames do not depend on it. None takes all processors.
    progress : bool
        Show a progress bar on stderr.

    Raises
    ------
    ConfigError
        Nothing is asked for, something twice, an SNR is out of range or `workers` is below 1.
    DataError
        A class name is unknown.
    HwAmcError
        The file cannot be written.
    """
    blocks = plan_blocks(recipe, frames_per_cell, [class_label(name) for name in classes], snrs_db, split)
    total = sum(block.count for block in blocks)
    with atomic_path(Path(path)) as temporary, h5py.File(temporary, "w") as file, _bar(progress) as bar:
        file.attrs.update(
            generator="hw_amc",
            recipe=json.dumps(recipe.to_dict()),
            recipe_name=recipe.name,
            digest=recipe.digest(),
            split=split,
        )
        X, Y, Z = _create(file, total, recipe.frame_len)
        task = bar.add_task("generating frames", total=total)
        row = 0
        for block, frames in zip(blocks, map_blocks(Block.frames, blocks, workers), strict=True):
            part = slice(row, row + block.count)
            X[part] = frames
            Y[part] = np.tile(np.eye(len(CLASSES), dtype=np.int64)[block.label], (block.count, 1))
            Z[part] = block.snr_db
            row = part.stop
            bar.update(task, completed=row)


def describe(path: Path) -> dict[str, Any]:
    """Summarise a RadioML 2018.01A file.

    Power and range come from at most 16,384 frames spread evenly over the file, the rest from all of it.

    Returns
    -------
    dict
        frames, frame_len, classes (name -> frames), snrs_db (list), frames_per_cell (fewest, most), frames_examined,
        mean_power (of I**2 + Q**2), fraction_outside_2 (of the I and Q values, beyond +-2), and recipe_name, digest
        and split where the file was generated.

    Raises
    ------
    DataError
        The file is damaged, empty or not of RadioML's schema.
    """
    with RadioMlFile(path) as file:
        if not len(file):
            raise DataError(f"{path} holds no frames; generate or fetch it again")
        counts = np.bincount(file.labels, minlength=len(CLASSES))
        cells = [len(rows) for _, _, rows in file.cells()]
        examined = np.unique(np.linspace(0, len(file) - 1, min(len(file), _EXAMINED)).astype(np.int64))
        power = outside = 0.0
        for frames, _, _ in file.batches(examined, 1024):
            power += float(np.square(frames, dtype=np.float64).sum())
            outside += np.count_nonzero(np.abs(frames) > 2)
        samples = len(examined) * file.frame_len
        made: dict[str, Any] = {
            key: file.attributes[key] for key in ("recipe_name", "digest", "split") if key in file.attributes
        }
        return {
            "frames": len(file),
            "frame_len": file.frame_len,
            "classes": {name: int(count) for name, count in zip(CLASSES, counts, strict=True) if count},
            "snrs_db": [int(snr) for snr in np.unique(file.snrs_db)],
            "frames_per_cell": (min(cells), max(cells)),
            "frames_examined": len(examined),
            "mean_power": power / samples,
            "fraction_outside_2": outside / (2 * samples),
            **made,
        }


def _create(file: h5py.File, total: int, frame_len: int) -> tuple[Any, Any, Any]:
    """Create X, Y and Z, chunked by frames since that is how they are read."""
    rows = min(total, _CHUNK)
    columns = len(CLASSES)
    return (
        file.create_dataset("X", (total, frame_len, 2), np.float32, chunks=(rows, frame_len, 2)),
        file.create_dataset("Y", (total, columns), np.int64, chunks=(min(total, 1024), columns)),
        file.create_dataset("Z", (total, 1), np.int64, chunks=(min(total, 1024), 1)),
    )


def _bar(shown: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
