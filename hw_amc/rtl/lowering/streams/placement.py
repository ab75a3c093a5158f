"""Where the elements of a graph's tensor stand in a stream of vectors.

Every tensor of the graph lies in the vectors (time, lane) of one stream node. To reshape, turn or cut it is to write
its elements' places in another order; nothing moves until an operation asks for vectors of a certain form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph import Node

Places = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """A tensor whose one axis runs over the vectors of a stream, and whose others lie in the lanes."""

    axis: int
    #: Vector of index 0 of the axis; indices outside the stream are zeros.
    first: int
    #: Indices of the axis.
    count: int
    #: Lane of each position on the other axes, in their order; -1 is a zero.
    lanes: Places

    def is_whole(self, vectors: int) -> bool:
        """Whether the axis is the stream from its first vector to its last."""
        return self.first == 0 and self.count == vectors


@dataclass(frozen=True)
class Placed:
    """A tensor in a stream."""

    #: Shape (vectors, lanes).
    node: Node
    #: For each element of the tensor: vector times lanes, plus lane; -1 is a zero.
    where: Places

    @property
    def vectors(self) -> int:
        """Vectors of a frame."""
        return self.node.shape[0]

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.node.shape[1]

    def moved(self, where: Places) -> Placed:
        """Return another tensor of the same stream."""
        return replace(self, where=where)

    @property
    def is_plain(self) -> bool:
        """Whether the tensor is the stream, element by element."""
        return np.array_equal(self.where.ravel(), np.arange(self.vectors * self.lanes))

    @property
    def is_one_to_one(self) -> bool:
        """Whether each element of the stream is one of the tensor."""
        return np.array_equal(np.sort(self.where, axis=None), np.arange(self.vectors * self.lanes))

    def view(self, axis: int) -> View | None:
        """See the tensor with one axis over time; None where it does not run so."""
        where = np.moveaxis(self.where, axis, 0)
        time, lane, inside = where // self.lanes, where % self.lanes, where >= 0
        steps = np.arange(len(where)).reshape(-1, *(1,) * (where.ndim - 1))
        firsts = np.unique((time - steps)[inside])
        if len(firsts) != 1:
            return None
        first = int(firsts[0])
        exists = np.broadcast_to((first + steps >= 0) & (first + steps < self.vectors), where.shape)
        used = inside.any(axis=0)
        lanes = np.where(inside, lane, -1).max(axis=0, initial=-1)
        if not np.array_equal(inside, exists & used) or not np.array_equal(np.where(inside, lanes, lane), lane):
            return None
        return View(axis, first, len(where), lanes)

    def view_of_one(self) -> View | None:
        """See a tensor that lies in one vector, an axis of one element in front of its own."""
        return self.moved(self.where[np.newaxis]).view(0)

    def best_view(self, axes: Any) -> View | None:
        """Return the view along the first of these axes, of more than one element if possible, that there is."""
        ordered = sorted(axes, key=lambda axis: self.where.shape[axis] == 1)
        return next((view for view in map(self.view, ordered) if view is not None), None)


def plain(node: Node, shape: tuple[int, ...]) -> Placed:
    """Return the tensor that is the stream in its order."""
    return Placed(node, np.arange(int(np.prod(shape))).reshape(shape))


def over_time(node: Node, shape: tuple[int, ...], axis: int) -> Placed:
    """Return the tensor whose axis runs over the vectors, with its other axes in the lanes in their order."""
    others = [size for place, size in enumerate(shape) if place != axis]
    where = np.arange(int(np.prod(shape))).reshape(shape[axis], *others)
    return Placed(node, np.moveaxis(where, 0, axis))
