"""Held-out frames as wire words: what every proof and bench runs on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.config import InputSettings
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph import Graph

if TYPE_CHECKING:
    from hw_amc.radio.files.frames import FrameFile
    from hw_amc.radio.files.memory import Source
    from hw_amc.radio.generator.recipes import Recipe
    from hw_amc.radio.level import Level
    from hw_amc.radio.quality import InputPath

#: Recipes of held-out frames: the first one that has a network's classes is taken.
RECIPES = ("radioml2018-v2", "radioml2016-v1", "radcom-awgn-v1", "radcom-dynamic-v1")
#: Split that no training has seen.
TEST_SPLIT = 2
SEED = 2018
#: Shorter frames are the beginning of frames of so many samples: fewer hold no symbol, or no period of a message.
LEAST_SAMPLES = 64
#: Label of a frame that is of none of a head's classes.
NONE = -1

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Stimulus:
    """Frames with what they are."""

    #: (n, T, 2) int16
    wire: NDArray[np.int16]
    #: (n, heads) index into each head's classes, or `NONE`
    labels: Labels
    #: (n,)
    snrs_db: NDArray[np.int64]
    #: Where the frames come from, for the report.
    source: str

    def __len__(self) -> int:
        return len(self.wire)


def held_out(
    graph: Graph, settings: InputSettings, count: int, data: Source | None = None, level: Level | None = None
) -> Stimulus:
    """Take `count` frames of all classes in turn, each at a random SNR.

    Generated frames are those of the recipe that has the network's classes. Where none has them all, they are signals
    of the first recipe without a label, and `Stimulus.source` says so.

    Parameters
    ----------
    graph : Graph
        Says the frame length and the classes.
    settings : InputSettings
        Normalisation and wire format.
    count : int
    data : Path or Samples, optional
        A file of labelled frames, of any format that `hw_amc.radio.open_frames` reads, or frames in memory; generated
        frames otherwise.
    level : Level, optional
        Measures the frames of the file on their way into the network.

    Raises
    ------
    DataError
        `count` is not positive, or the frames of the file do not fit the network or are of no class that it knows.

    Warns
    -----
    UserWarning
        Frames of the file are of another level than those of training, saturate the network's input, are offset,
        clipped, silent, or all alike at the input, each with its number; or are of classes that the network does not
        know, and left out.
    """
    if count < 1:
        raise DataError(f"the number of frames must be 1 or more, not {count}")
    if data is None:
        frames, labels, snrs, source = generated(graph.classes, graph.frame_len, count)
    else:
        frames, labels, snrs, source = _recorded(graph, data, count)
    if frames.shape[1:] != graph.input.shape:
        raise DataError(f"{source}: frames of shape {frames.shape[1:]} do not fit the network's {graph.input.shape}")
    from hw_amc.radio import to_wire
    from hw_amc.radio.level import Level

    if data is not None:
        _warn_of(frames, Level(input_path(graph, settings)) if level is None else level, data)
    return Stimulus(to_wire(frames, settings.wire_frac, settings.normalise), labels, snrs, source)


def input_path(graph: Graph, settings: InputSettings) -> InputPath:
    """Say how float frames reach a network: to the wire, and to the format of the one quantiser behind the input."""
    from hw_amc.radio.quality import InputPath

    entry = graph.input_quantizer
    fmt = None if entry is None else entry.fmt
    return InputPath(settings.normalise, settings.wire_frac, settings.input_shift, fmt)


def _warn_of(frames: NDArray[Any], level: Level, data: Source) -> None:
    level.add(frames)
    alike = level.path.are_alike(frames)
    proves = ["all frames are alike at the network's input: they prove next to nothing"] if alike else []
    for line in (*level.problems(), *proves):
        warnings.warn(f"{data.name}: {line}", stacklevel=3)


def fitting_recipe(classes: Sequence[Sequence[str]]) -> tuple[Recipe, Labels] | None:
    """Return the first of `RECIPES` that makes signals of all these classes.

    Parameters
    ----------
    classes : one sequence of names a head

    Returns
    -------
    (recipe, labels), or None where no recipe has them all: labels (cells, heads) tell what each cell of the recipe's
    class set is among `classes`, `NONE` in every head for a cell that is left out.
    """
    from hw_amc.radio import load_recipe

    for recipe in map(load_recipe, RECIPES):
        known = recipe.classes
        columns = [(head.classes, known.labels[:, place]) for place, head in enumerate(known.heads)]
        labels = _translate(columns, classes)
        labels[(labels == NONE).any(axis=1)] = NONE
        if all(set(labels[:, head]) >= set(range(len(names))) for head, names in enumerate(classes)):
            return recipe, labels
    return None


def _translate(columns: Sequence[tuple[Sequence[str], NDArray[Any]]], classes: Sequence[Sequence[str]]) -> Labels:
    """Turn labels under other names into those of a network's heads, (n, heads).

    A head takes the column that has most of its names; `columns` are (names, (n,) index into them).
    """
    from hw_amc.radio.names import class_places

    labels = []
    for names in classes:
        places = [class_places(column, names) for column, _ in columns]
        best = max(range(len(columns)), key=lambda at: np.count_nonzero(places[at] >= 0))
        labels.append(places[best][columns[best][1]])
    stacked: Labels = np.stack(labels, axis=1).astype(np.int64)
    return stacked


def generated(
    classes: Sequence[Sequence[str]], frame_len: int, count: int, split: int = TEST_SPLIT
) -> tuple[NDArray[Any], Labels, NDArray[Any], str]:
    """Generate frames of all classes in turn, each at a random SNR, as `held_out` does.

    Parameters
    ----------
    classes : one sequence of names a head
    frame_len, count : int
    split : int
        0 training, 1 validation, 2 test.

    Returns
    -------
    frames (count, frame_len, 2), labels (count, heads), SNRs in dB (count,), and where they come from, in words
    """
    from hw_amc.radio import load_recipe

    found, why = fitting_recipe(classes), "no recipe has the network's classes"
    if found is not None:
        try:
            return _draw(frame_len, count, split, *found)
        except ConfigError as error:
            why = str(error)
    recipe = load_recipe(RECIPES[0])
    unlabelled = np.full((len(recipe.classes), len(classes)), NONE)
    *drawn, source = _draw(frame_len, count, split, recipe, unlabelled)
    return drawn[0], drawn[1], drawn[2], f"{source}; no labels: {why}"


def _draw(
    frame_len: int, count: int, split: int, recipe: Recipe, labels: Labels
) -> tuple[NDArray[Any], Labels, NDArray[Any], str]:
    """Generate frames of the cells that have labels, of all where none has."""
    from hw_amc.radio import generate_frames

    cells = np.flatnonzero(labels[:, 0] != NONE)
    cells = cells if len(cells) else np.arange(len(labels))
    rng, numbers = np.random.default_rng(SEED), np.arange(count)
    chosen, snrs = cells[numbers % len(cells)], rng.choice(np.array(recipe.classes.snrs_db), count)
    long = replace(recipe, frame_len=max(frame_len, LEAST_SAMPLES))
    frames = generate_frames(long, chosen, snrs, numbers, split=split)[:, :frame_len]
    return frames, labels[chosen], snrs, f"{recipe.name}, split {split}, seed {SEED}"


def _recorded(graph: Graph, data: Source, count: int) -> tuple[NDArray[Any], Labels, NDArray[Any], str]:
    from hw_amc.radio import CaptureOptions, open_frames
    from hw_amc.radio.files.memory import UNLABELLED

    with open_frames(data, CaptureOptions(frame_len=graph.frame_len)) as file:
        if tuple(file.classes) == (UNLABELLED,):  # frames in memory: a proof asks for no label
            labels, known = np.full((len(file), len(graph.classes)), NONE), np.arange(len(file))
        else:
            labels, known = known_labels(graph.classes, file)
        if len(known) < count:
            raise DataError(f"{data} holds {len(known)} frames, not {count}; give --frames {len(known)} or fewer")
        chosen = known[np.sort(np.random.default_rng(SEED).permutation(len(known))[:count])]
        frames, _, snrs = file.read(chosen)
    return frames, labels[chosen], snrs, data.name


def require_labelled(graph: Graph, data: Source) -> None:
    """Require that a file has frames of a network's length and classes, without reading them; errors as `held_out`."""
    from hw_amc.radio import CaptureOptions, open_frames

    with open_frames(data, CaptureOptions(frame_len=graph.frame_len)) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `held_out` warns
        if file.frame_len != graph.frame_len:
            raise DataError(f"{data} holds frames of {file.frame_len} samples, the network takes {graph.frame_len}")
        known_labels(graph.classes, file)


def known_labels(classes: Sequence[Sequence[str]], file: FrameFile) -> tuple[Labels, NDArray[np.int64]]:
    """Return the labels (N, heads) of a file's frames, and the rows whose classes the network's heads know.

    A head of which the file knows no class leaves its label open.

    Raises
    ------
    DataError
        The network knows no class of the file.
    """
    columns: list[tuple[Sequence[str], NDArray[Any]]] = [(file.classes, file.labels)]
    if file.signals:
        columns.append((file.signals, file.signal_labels))
    labels = _translate(columns, classes)
    told = labels[:, (labels != NONE).any(axis=0)]
    rows = np.flatnonzero((told != NONE).all(axis=1)) if told.size else np.zeros(0, np.int64)
    unknown = _unknown(columns, classes)
    if not len(rows):
        wanted = ", ".join(name for names in classes for name in names)
        got = ", ".join(unknown) or "nothing"
        raise DataError(f"{file.path} holds {got}, of which the network knows none; it knows {wanted}")
    if unknown:
        warnings.warn(f"{file.path.name}: the network does not know {', '.join(unknown)}; left out", stacklevel=5)
    return labels, rows


def _unknown(columns: Sequence[tuple[Sequence[str], NDArray[Any]]], classes: Sequence[Sequence[str]]) -> list[str]:
    """Names of a file that occur in its frames and that no head knows."""
    from hw_amc.radio.names import class_places

    found = []
    for names, labels in columns:
        known = np.max([class_places(names, head) for head in classes], axis=0) != NONE
        held = np.bincount(labels, minlength=len(names)) > 0
        if known.any() or len(columns) == 1:
            found += [name for name, lacks in zip(names, held[: len(names)] & ~known, strict=True) if lacks]
    return found
