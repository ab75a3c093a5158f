"""Keras = golden = C-sim = RTL: every integer of every tensor, or a Mismatch that names the first that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """The first integer in which two back ends disagree, in the order of layers, frames, steps, channels."""

    layer: str
    frame: int
    #: (step, channel), or (channel,) behind the global pooling.
    index: tuple[int, ...]
    #: The integers of the two back ends.
    left: int
    right: int
    #: Integers of this layer that differ, and how many there are.
    differing: int
    total: int

    def describe(self, left: str, right: str) -> str:
        """Say it in one line, with the names of the two back ends."""
        axes = ("step", "channel")[-len(self.index) :]
        where = ", ".join(f"{axis} {i}" for axis, i in zip(axes, self.index, strict=True))
        return (
            f"layer {self.layer}, frame {self.frame}, {where}: {left} {self.left}, {right} {self.right} "
            f"({self.differing} of {self.total} integers of this layer differ)"
        )


def first_difference(graph: Graph, left: Tensors, right: Tensors) -> Difference | None:
    """Return the first difference in graph order, or None; both sides must hold the same layers.

    Raises
    ------
    Mismatch
        The sides hold different layers or shapes.
    """
    if set(left) != set(right):
        raise Mismatch(f"layers to compare differ: {sorted(set(left) ^ set(right))} are on one side only")
    for node in graph.nodes:
        if node.name not in left:
            continue
        a, b = left[node.name], right[node.name]
        if a.shape != b.shape:
            raise Mismatch(f"layer {node.name}: shapes {a.shape} and {b.shape} differ")
        wrong = np.argwhere(a != b)
        if len(wrong):
            frame, *index = map(int, wrong[0])
            where = (frame, *index)
            return Difference(node.name, frame, tuple(index), int(a[where]), int(b[where]), len(wrong), a.size)
    return None


def require_equal(graph: Graph, names: tuple[str, str], left: Tensors, right: Tensors, first_frame: int = 0) -> int:
    """Return the number of integers compared.

    Parameters
    ----------
    graph : Graph
    names : what to call the two sides in the message
    left, right : layer name -> integers (n, *shape)
    first_frame : number of the first frame, for the message

    Raises
    ------
    Mismatch
        At least one integer differs; the message names the first.
    """
    difference = first_difference(graph, left, right)
    if difference is not None:
        absolute = Difference(**{**vars(difference), "frame": difference.frame + first_frame})
        raise Mismatch(absolute.describe(*names))
    return sum(int(tensor.size) for tensor in left.values())


def to_integers(graph: Graph, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.int64]]:
    """Turn a back end's real values into raw integers.

    Raises
    ------
    Mismatch
        A value does not lie on its layer's grid.
    """
    raw = {}
    for name, tensor in values.items():
        scaled = np.ldexp(np.asarray(tensor, np.float64), graph[name].fmt.frac)
        rounded = np.rint(scaled)
        off = np.argwhere(scaled != rounded)
        if len(off):
            where = tuple(map(int, off[0]))
            raise Mismatch(f"layer {name} at {where}: {scaled[where]} is not an integer at {graph[name].fmt}")
        raw[name] = rounded.astype(np.int64)
    return raw
