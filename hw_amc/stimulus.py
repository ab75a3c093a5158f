"""Held-out frames as wire words: what every proof and bench runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.config import InputSettings
from hw_amc.errors import DataError
from hw_amc.graph import Graph

#: Recipe and split that no training has seen.
RECIPE = "radioml2018-v1"
TEST_SPLIT = 2
SEED = 2018


@dataclass(frozen=True)
class Stimulus:
    """Frames with what they are."""

    #: (n, T, 2) int16
    wire: NDArray[np.int16]
    #: (n,) index into the classes
    labels: NDArray[np.int64]
    #: (n,)
    snrs_db: NDArray[np.int64]
    #: Where the frames come from, for the report.
    source: str

    def __len__(self) -> int:
        return len(self.wire)


def held_out(graph: Graph, settings: InputSettings, count: int, data: Path | None = None) -> Stimulus:
    """Take `count` frames of all classes in turn, each at a random SNR.

    Parameters
    ----------
    graph : Graph
        Says the frame length.
    settings : InputSettings
        Normalisation and wire format.
    count : int
    data : Path, optional
        A RadioML HDF5 file; generated frames otherwise.

    Raises
    ------
    DataError
        `count` is not positive, or the frames of the file do not fit the network.
    """
    if count < 1:
        raise DataError(f"the number of frames must be 1 or more, not {count}")
    frames, labels, snrs, source = _generated(graph, count) if data is None else _recorded(data, count)
    if frames.shape[1:] != graph.input.shape:
        raise DataError(f"{source}: frames of shape {frames.shape[1:]} do not fit the network's {graph.input.shape}")
    from hw_amc.radio import to_wire

    return Stimulus(to_wire(frames, settings.wire_frac, settings.normalise), labels, snrs, source)


def _generated(graph: Graph, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]:
    from dataclasses import replace

    from hw_amc.radio import CLASSES, SNRS_DB, generate_frames, load_recipe

    rng = np.random.default_rng(SEED)
    numbers = np.arange(count)
    labels, snrs = numbers % len(CLASSES), rng.choice(np.array(SNRS_DB), count)
    recipe = replace(load_recipe(RECIPE), frame_len=graph.frame_len)
    frames = generate_frames(recipe, labels, snrs, numbers, split=TEST_SPLIT)
    return frames, labels, snrs, f"{RECIPE}, split {TEST_SPLIT}, seed {SEED}"


def _recorded(data: Path, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]:
    from hw_amc.radio import RadioMlFile

    with RadioMlFile(data) as file:
        if len(file) < count:
            raise DataError(f"{data} holds {len(file)} frames, not {count}; give --frames {len(file)} or fewer")
        chosen = np.sort(np.random.default_rng(SEED).permutation(len(file))[:count])
        frames, labels, snrs = file.read(chosen)
    return frames, labels, snrs, data.name
