"""Frames of a file that hold the same samples: copies, and windows of one recording that overlap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

Words = NDArray[np.uint64]
Rows = NDArray[np.int64]
Places = NDArray[np.int32]

#: Reads consecutive frames: (first, stop) -> (stop - first, T, 2) real.
ReadSpan = Callable[[int, int], NDArray[Any]]

#: Consecutive samples that two frames must share to be compared, and about how many such windows a frame is found by.
_WINDOW, _ANCHORS = 8, 16

#: Frames read at once.
_BATCH = 512

#: Odd multipliers that spread a word's bits.
_SPREAD, _STEP, _LAST = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xBF58476D1CE4E5B9))


@dataclass(frozen=True)
class _Anchors:
    """Windows that frames are found by: their hash, the frame's row, and where in it the window begins."""

    keys: Words
    rows: Places
    places: Places

    def pairs(self) -> list[tuple[int, int, int]]:
        """Frames that may share samples: (row, later row, samples by which the later one's lie earlier in it)."""
        order = np.argsort(self.keys, kind="stable")  # rows ascend already
        keys, rows, places = self.keys[order], self.rows[order], self.places[order]
        near = np.flatnonzero((keys[1:] == keys[:-1]) & (rows[1:] != rows[:-1]))
        found = np.stack([rows[near], rows[near + 1], places[near] - places[near + 1]], axis=1)
        return [(int(a), int(b), int(shift)) for a, b, shift in np.unique(found, axis=0)]


def find_origins(read_span: ReadSpan, count: int) -> Rows:
    """Find which frames share samples.

    Of each frame a few windows are chosen by their content alone, so that a copy, or a frame that overlaps it by half,
    has one of them too; frames that share a window are then compared wherever they would overlap.

    Parameters
    ----------
    read_span : reads consecutive frames
    count : frames in the file

    Returns
    -------
    (count,) int64
        The first row of the group that a frame belongs to; its own row where it shares no sample.
    """
    parts = [_find_anchors(read_span(first, min(first + _BATCH, count)), first) for first in range(0, count, _BATCH)]
    if not parts:
        return np.empty(0, np.int64)
    anchors = _Anchors(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("keys", "rows", "places")))
    same = [(a, b) for a, b, shift in anchors.pairs() if _overlap(read_span, a, b, shift)]
    left, right = np.array(same, np.int64).reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(left), bool), (left, right)), shape=(count, count))
    _, group = csgraph.connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    origins: Rows = first[group].astype(np.int64)
    return origins


def _find_anchors(frames: NDArray[Any], first: int) -> _Anchors:
    """Hash frames as a whole, and the windows whose hash is a multiple of a number that leaves about `_ANCHORS`."""
    # Adding 0 makes -0 equal to 0.
    words = np.ascontiguousarray(frames.astype(np.float32) + np.float32(0)).view(np.uint64)[..., 0]
    length = words.shape[1]
    window = min(_WINDOW, length)
    mixed = words * _SPREAD
    mixed ^= mixed >> np.uint64(29)
    mixed *= _LAST
    steps = _STEP ** np.arange(length, dtype=np.uint64)
    whole = (mixed * steps).sum(axis=1, dtype=np.uint64)
    hashes = np.zeros((len(words), length - window + 1), np.uint64)
    for place in range(window):
        hashes += mixed[:, place : place + hashes.shape[1]] * steps[place]
    hashes ^= hashes >> np.uint64(32)
    hashes *= _LAST
    hashes ^= hashes >> np.uint64(29)
    rows, places = np.nonzero((hashes % np.uint64(max(1, hashes.shape[1] // _ANCHORS)) == 0) & _varied(words, window))
    every = np.arange(len(words))
    return _Anchors(
        np.concatenate([whole, hashes[rows, places]]),
        (np.concatenate([every, rows]) + first).astype(np.int32),
        np.concatenate([np.zeros(len(words)), places]).astype(np.int32),
    )


def _varied(words: Words, window: int) -> NDArray[np.bool_]:
    """Windows whose samples are not all alike: silence is no sign of a common origin."""
    changes = np.zeros(words.shape, np.int64)
    np.cumsum(words[:, 1:] != words[:, :-1], axis=1, out=changes[:, 1:])
    varied: NDArray[np.bool_] = changes[:, window - 1 :] != changes[:, : words.shape[1] - window + 1]
    return varied


def _overlap(read_span: ReadSpan, row: int, later: int, shift: int) -> bool:
    """Tell whether two frames are equal wherever they overlap at a shift."""
    one, two = read_span(row, row + 1)[0], read_span(later, later + 1)[0]
    length = len(one) - abs(shift)
    return bool(np.array_equal(one[max(shift, 0) :][:length], two[max(-shift, 0) :][:length]))
