"""Whole generated sets: RadioML-style HDF5 files, and wire words in memory for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.radio.classes import CLASSES, SNRS_DB
from hw_amc.radio.generate import generate_frames
from hw_amc.radio.parallel import map_blocks
from hw_amc.radio.recipes import Recipe
from hw_amc.radio.wire import Normalisation, to_wire

#: Most frames that a worker makes at a time.
_BLOCK = 512


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
        No frames are asked for, or a class or SNR is named twice.
    """
    if frames_per_cell < 1 or not labels or not snrs_db:
        raise ConfigError("a set needs at least one frame, one class and one SNR")
    if len(set(labels)) < len(labels) or len(set(snrs_db)) < len(snrs_db):
        raise ConfigError("a class or an SNR is named twice")
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
