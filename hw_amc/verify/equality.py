"""Keras = golden = C-sim = RTL: every integer of every tensor, or a Mismatch that names the first that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph, Node

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """The first integer in which two back ends disagree, in the order of layers, frames, steps, channels."""

    layer: str
    frame: int
    #: Place in the tensor, and the names of its axes.
    index: tuple[int, ...]
    axes: tuple[str, ...]
    #: The integers of the two back ends.
    left: int
    right: int
    #: Integers of this layer that differ, and how many there are; the same of frames.
    differing: int
    total: int
    frames: int
    all_frames: int
    #: Name of the class whose logit this is.
    class_name: str = ""

    def describe(self, left: str, right: str) -> str:
        """Say it in one line, with the names of the two back ends."""
        where = ", ".join(f"{axis} {i}" for axis, i in zip(self.axes, self.index, strict=True))
        where += f" ({self.class_name})" if self.class_name else ""
        return (
            f"layer {self.layer}, frame {self.frame}, {where}: {left} {self.left}, {right} {self.right} "
            f"({self.differing} of {self.total} integers of this layer and {self.frames} of {self.all_frames} frames "
            "differ)"
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
            return _first_of(graph, node, a, b, wrong)
    return None


def _first_of(graph: Graph, node: Node, a: NDArray[Any], b: NDArray[Any], wrong: NDArray[Any]) -> Difference:
    """Describe the first of the places `wrong` (n, 1 + axes) in which two tensors of `node` differ."""
    frame, *index = map(int, wrong[0])
    is_head = node.name in graph.outputs
    return Difference(
        node.name,
        frame,
        tuple(index),
        ("class",) if is_head else node.axes,
        left=int(a[(frame, *index)]),
        right=int(b[(frame, *index)]),
        differing=len(wrong),
        total=a.size,
        frames=len(np.unique(wrong[:, 0])),
        all_frames=len(a),
        class_name=graph.classes[graph.outputs.index(node.name)][index[0]] if is_head else "",
    )


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
        absolute = replace(difference, frame=difference.frame + first_frame)
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
