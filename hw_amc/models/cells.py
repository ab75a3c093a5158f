"""Weights of a GRU-CNN with another number of cells: those that count most, or new ones that hardly reach the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]

#: Places of a GRU-CNN's weights that have an axis of cells: the GRU, its batch normalisation, the convolution behind.
_KERNEL, _RECURRENT, _BIAS = range(3)
_GAMMA, _VARIANCE = 3, 6
_CONV = 7
_GATES = 3
#: What is left of the weights by which new cells reach the rest: not zero, which pruning would keep.
_FAINT = np.float32(2.0**-10)


def fit_cells(kept: Sequence[Floats], drawn: Sequence[Floats]) -> list[Floats]:
    """Weights of a GRU-CNN from those of one with more or fewer cells.

    Of more cells those stay that move the states and the maps behind most. Beside fewer, new cells have their drawn
    weights but reach the rest next to not at all, so that the network computes what it did; training lets them in.

    Parameters
    ----------
    kept : weights and statistics in the order of the Keras model
    drawn : the same of the network that is wanted, as it is born

    Returns
    -------
    Arrays of the shapes of `drawn`.

    Raises
    ------
    ValueError
        The networks differ in more than the cells.
    """
    if [each.ndim for each in kept] != [each.ndim for each in drawn]:
        raise ValueError("these are no weights of a GRU-CNN")
    chosen = _chosen(kept, len(drawn[_RECURRENT]))
    fitted = [np.array(each) for each in kept]
    for place, own in enumerate(drawn[: _CONV + 1]):
        fitted[place] = _grown(place, _taken(place, kept[place], chosen), own)
    if [each.shape for each in fitted] != [each.shape for each in drawn]:
        raise ValueError("the networks differ in more than the cells")
    return fitted


def _chosen(kept: Sequence[Floats], most: int) -> Any:
    """Cells that stay, at most `most`, in their order."""
    spread = np.sqrt(kept[_VARIANCE])
    reach = np.abs(kept[_RECURRENT]).sum(axis=1) / np.abs(kept[_RECURRENT]).sum() * spread / spread.mean()
    maps = np.abs(kept[_GAMMA]) * np.abs(kept[_CONV]).sum(axis=(0, 2))
    return np.sort(np.argsort(-(reach + maps / maps.sum()), kind="stable")[:most])


def _by_gate(array: Floats) -> Floats:
    """(rows, 3 C) as (rows, 3, C)."""
    return array.reshape(len(array), _GATES, -1)


def _taken(place: int, array: Floats, cells: Any) -> Floats:
    """The part of an array that belongs to some cells."""
    if place in (_KERNEL, _RECURRENT, _BIAS):
        columns = _by_gate(array)[..., cells]
        taken: Floats = (columns[cells] if place == _RECURRENT else columns).reshape(-1, _GATES * len(cells))
    else:
        taken = array[:, cells] if place == _CONV else array[cells]
    return taken


def _grown(place: int, part: Floats, own: Floats) -> Floats:
    """`part` in the place of the first cells of `own`, whose other cells hardly reach these."""
    grown = np.array(own)
    if place == _CONV:
        grown *= _FAINT
        grown[:, : part.shape[1]] = part
    elif place >= _GAMMA:
        grown[: len(part)] = part
    else:
        gates, parts = _by_gate(grown), _by_gate(part)
        cells = parts.shape[-1]
        gates[..., :cells] *= _FAINT
        gates[: len(parts), :, :cells] = parts
    return grown
