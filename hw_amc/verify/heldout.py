"""Held-out frames as wire words: what every proof and bench runs on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.config import InputSettings
from hw_amc.errors import DataError
from hw_amc.graph import Graph, Quantize

if TYPE_CHECKING:
    from hw_amc.radio.quality import InputPath

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
        Says the frame length and the classes.
    settings : InputSettings
        Normalisation and wire format.
    count : int
    data : Path, optional
        A file of labelled frames, of any format that `hw_amc.radio.open_frames` reads; generated frames otherwise.

    Raises
    ------
    DataError
        `count` is not positive, or the frames of the file do not fit the network or are of no class that it knows.

    Warns
    -----
    UserWarning
        Frames of the file saturate the network's input, are offset, clipped or silent, each with its number; or are of
        classes that the network does not know, and left out.
    """
    if count < 1:
        raise DataError(f"the number of frames must be 1 or more, not {count}")
    frames, labels, snrs, source = _generated(graph, count) if data is None else _recorded(graph, data, count)
    if frames.shape[1:] != graph.input.shape:
        raise DataError(f"{source}: frames of shape {frames.shape[1:]} do not fit the network's {graph.input.shape}")
    from hw_amc.radio import to_wire

    if data is not None:
        _warn_of(frames, graph, settings, data)
    return Stimulus(to_wire(frames, settings.wire_frac, settings.normalise), labels, snrs, source)


def input_path(graph: Graph, settings: InputSettings) -> InputPath:
    """Say how float frames reach a network: to the wire, and to the format of the one quantiser behind the input."""
    from hw_amc.radio.quality import InputPath

    readers = [node for node, sources in graph.walk() if graph.input in sources]
    fmt = readers[0].fmt if len(readers) == 1 and isinstance(readers[0], Quantize) else None
    return InputPath(settings.normalise, settings.wire_frac, settings.input_shift, fmt)


def _warn_of(frames: NDArray[Any], graph: Graph, settings: InputSettings, data: Path) -> None:
    from hw_amc.radio.quality import Quality

    quality = Quality(input_path(graph, settings))
    quality.add(frames)
    for line in quality.problems():
        warnings.warn(f"{data.name}: {line}", stacklevel=3)


def _generated(graph: Graph, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]:
    from dataclasses import replace

    from hw_amc.radio import CLASSES, SNRS_DB, generate_frames, load_recipe

    rng = np.random.default_rng(SEED)
    numbers = np.arange(count)
    labels, snrs = numbers % len(CLASSES), rng.choice(np.array(SNRS_DB), count)
    recipe = replace(load_recipe(RECIPE), frame_len=graph.frame_len)
    frames = generate_frames(recipe, labels, snrs, numbers, split=TEST_SPLIT)
    return frames, labels, snrs, f"{RECIPE}, split {TEST_SPLIT}, seed {SEED}"


def _recorded(graph: Graph, data: Path, count: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]:
    from hw_amc.radio import CaptureOptions, open_frames
    from hw_amc.radio.names import class_places

    with open_frames(data, CaptureOptions(frame_len=graph.frame_len)) as file:
        places = class_places(file.classes, graph.classes[0])
        known = np.flatnonzero(places[file.labels] >= 0)
        held = {name: int(n) for name, n in zip(file.classes, np.bincount(file.labels, minlength=256), strict=False)}
        unknown = [name for name, place in zip(file.classes, places, strict=True) if place < 0 and held[name]]
        if not len(known):
            wanted, got = ", ".join(graph.classes[0]), ", ".join(unknown) or "nothing"
            raise DataError(f"{data} holds {got}, of which the network knows none; it knows {wanted}")
        if unknown:
            warnings.warn(f"{data.name}: the network does not know {', '.join(unknown)}; left out", stacklevel=4)
        if len(known) < count:
            raise DataError(f"{data} holds {len(known)} frames, not {count}; give --frames {len(known)} or fewer")
        chosen = known[np.sort(np.random.default_rng(SEED).permutation(len(known))[:count])]
        frames, labels, snrs = file.read(chosen)
    return frames, places[labels], snrs, data.name
