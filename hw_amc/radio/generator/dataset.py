"""Whole generated sets: RadioML-style HDF5 files, and wire words in memory for training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hw_amc.errors import ConfigError, DataError
from hw_amc.interface.wire import Normalisation, to_wire
from hw_amc.parallel import map_blocks
from hw_amc.radio.classes import CLASSES, SNRS_DB
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, FrameFile
from hw_amc.radio.generator.generate import generate_frames
from hw_amc.radio.generator.recipes import Recipe
from hw_amc.radio.generator.storage import Contents, write_set

#: Most frames that a worker makes at a time.
_BLOCK = 512


@dataclass(frozen=True)
class FrameBlock:
    """Consecutive frames of one cell (its class, or combination of classes) and SNR: a unit of work."""

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
) -> list[FrameBlock]:
    """Blocks of a set in RadioML's order: cell of the recipe's class set, SNR, frame.

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
        FrameBlock(recipe, label, snr_db, first, min(_BLOCK, frames_per_cell - first), split)
        for label in labels
        for snr_db in snrs_db
        for first in range(0, frames_per_cell, _BLOCK)
    ]


def generate_wire_set(
    recipe: Recipe,
    frames_per_cell: int,
    snrs_db: Sequence[int] | None = None,
    split: int = 0,
    workers: int | None = None,
    normalise: Normalisation = "none",
) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.int8]]:
    """Generate a balanced set of all classes as wire words in memory, in the order cell, SNR, frame.

    Parameters
    ----------
    recipe : Recipe
    frames_per_cell : int
        Frames of each cell of the recipe's class set (each class, where frames have one label) at each SNR.
    snrs_db : sequence of int, optional
        Those of the class set when left out.
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
        Cells; `recipe.classes.labels[labels]` gives one label a head.
    snr_db : (n,) int8

    Raises
    ------
    ConfigError
        Nothing is asked for, or `workers` is below 1.
    """
    chosen = recipe.classes.snrs_db if snrs_db is None else snrs_db
    blocks = plan_blocks(recipe, frames_per_cell, range(len(recipe.classes)), chosen, split)
    labels, snrs = _describe_rows(blocks)
    wire = np.empty((len(labels), recipe.frame_len, 2), np.int16)
    tasks = [(block, normalise) for block in blocks]
    row = 0
    for words in map_blocks(_wire_block, tasks, workers):
        wire[row : row + len(words)] = words
        row += len(words)
    return wire, labels, snrs


def _wire_block(task: tuple[FrameBlock, Normalisation]) -> NDArray[np.int16]:
    block, normalise = task
    return to_wire(block.frames(), normalise=normalise)


def _describe_rows(blocks: Sequence[FrameBlock]) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Cell and SNR of every frame of some blocks."""
    counts = [block.count for block in blocks]
    labels = np.repeat([block.label for block in blocks], counts).astype(np.uint8)
    return labels, np.repeat([block.snr_db for block in blocks], counts).astype(np.int8)


def make_dataset(
    path: Path,
    recipe: Recipe,
    frames_per_cell: int,
    classes: Sequence[str] | None = None,
    snrs_db: Sequence[int] | None = None,
    *,
    split: int = 0,
    workers: int | None = None,
    progress: bool = False,
    replace: bool = False,
) -> None:
    """Write a generated set in RadioML 2018.01A's schema, in the order modulation, SNR, frame.

    X (N, T, 2) float32, Y (N, classes) int64 one-hot, Z (N, 1) int64 dB, and S, one-hot as Y, where frames have a
    second label; the attributes hold the recipe, its digest and the split. The file appears when it is complete;
    memory use does not depend on its size. The same call goes on with a file that was interrupted.

    Parameters
    ----------
    path : Path
    recipe : Recipe
    frames_per_cell : int
        Frames of each cell of the recipe's class set (each class, where frames have one label) at each SNR.
    classes : sequence of str, optional
        All when left out. Y always has a column for every class of the set.
    snrs_db : sequence of int, optional
        Those of the class set when left out.
    split : int
        0 training, 1 validation, 2 test.
    workers : int or None
        Processes; the frames do not depend on it. None takes all processors.
    progress : bool
        Show a progress bar on stderr.
    replace : bool
        Replace a file at `path` that hw-amc did not make.

    Raises
    ------
    ConfigError
        Nothing is asked for, something twice, an SNR is out of range, `workers` is below 1, another set is unfinished
        at that path, or something else lies there.
    DataError
        A class name is unknown.
    HwAmcError
        The file cannot be written.
    """
    blocks = _plan_set(recipe, frames_per_cell, classes, snrs_db, split)
    contents = _describe_set(recipe, blocks, split)
    ends = np.cumsum([block.count for block in blocks])

    def make(row: int) -> Iterator[NDArray[np.float32]]:
        return map_blocks(FrameBlock.frames, blocks[int(np.searchsorted(ends, row, "right")) :], workers)

    with _bar("generating frames", len(contents.labels), progress) as advance:
        write_set(Path(path), contents, make, advance, replace)


def _plan_set(
    recipe: Recipe, frames_per_cell: int, classes: Sequence[str] | None, snrs_db: Sequence[int] | None, split: int
) -> list[FrameBlock]:
    """Blocks of the classes and SNRs asked for; None takes all of the recipe's class set."""
    known = recipe.classes
    cells = range(len(known)) if classes is None else [cell for name in classes for cell in known.find(name)]
    return plan_blocks(recipe, frames_per_cell, cells, known.snrs_db if snrs_db is None else snrs_db, split)


def _describe_set(recipe: Recipe, blocks: Sequence[FrameBlock], split: int) -> Contents:
    """Everything of a generated file but its samples."""
    labels, snrs = _describe_rows(blocks)
    known = recipe.classes
    columns = [(head.classes, known.labels[labels, place]) for place, head in enumerate(known.heads)]
    attributes: dict[str, str | int] = {
        "generator": "hw_amc",
        "recipe": json.dumps(recipe.to_dict()),
        "recipe_name": recipe.name,
        "digest": recipe.digest(),
        "split": split,
    }
    return _to_contents(recipe.frame_len, columns, snrs, attributes)


def convert(source: FrameFile, path: Path, progress: bool = False, replace: bool = False) -> None:
    """Write the frames of any file in RadioML 2018.01A's schema, in the order modulation, SNR, frame.

    Where the file's classes are RadioML 2018.01A's, so is the schema, to the column; otherwise the attribute `classes`
    names the columns of Y. A second label goes into S. The same call goes on with a file that was interrupted.

    Parameters
    ----------
    source : FrameFile
    path : Path
    progress : bool
        Show a progress bar on stderr.
    replace : bool
        Replace a file at `path` that hw-amc did not make.

    Raises
    ------
    ConfigError
        Another set is unfinished at that path, or something else lies there.
    DataError
        The source is damaged, empty, is the target itself, or does not know its SNRs.
    HwAmcError
        The file cannot be written.
    """
    if Path(path).exists() and Path(path).samefile(source.path):
        raise DataError(f"{path} cannot be converted into itself; give another name")
    rows = np.concatenate([part for _, _, part in source.cells()] or [np.empty(0, np.int64)])
    if not len(rows):
        raise DataError(f"{source.path} holds no frames")
    if (source.snrs_db == UNKNOWN_SNR_DB).any():
        raise DataError(f"{source.path} does not say its SNR; give --snr-db, an estimate if need be")
    columns = [(source.classes, source.labels[rows])]
    if source.signals:
        columns.append((source.signals, source.signal_labels[rows]))
    size = source.path.stat().st_size
    attributes: dict[str, str | int] = {"converter": "hw_amc", "source": source.path.name, "source_bytes": size}
    contents = _to_contents(source.frame_len, columns, source.snrs_db[rows], attributes)

    def read(row: int) -> Iterator[NDArray[np.float32]]:
        return (frames for frames, _, _ in source.batches(rows[row:], _BLOCK))

    with _bar("converting frames", len(rows), progress) as advance:
        write_set(Path(path), contents, read, advance, replace)


def _to_contents(
    frame_len: int,
    columns: Sequence[tuple[tuple[str, ...], NDArray[np.uint8]]],
    snrs_db: NDArray[np.int8],
    attributes: dict[str, str | int],
) -> Contents:
    """Put together what a file holds beside its samples; one or two (classes, labels)."""
    classes, labels = columns[0]
    signals, signal_labels = columns[1] if len(columns) > 1 else ((), None)
    named = {"classes": classes if classes != CLASSES else (), "signals": signals}
    told = {key: json.dumps(names) for key, names in named.items() if names}
    return Contents(frame_len, classes, labels, snrs_db, signals, signal_labels, {**attributes, **told})


@contextmanager
def _bar(task: str, total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the rows done and shows them."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        shown_task = progress.add_task(task, total=total)
        yield lambda row: progress.update(shown_task, completed=row)
