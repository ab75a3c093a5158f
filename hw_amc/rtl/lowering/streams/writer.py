"""Writes the nodes of a stream, and brings tensors into the vectors that an operation needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.lowering.streams.nodes import Lanes, Repeat, Taps
from hw_amc.rtl.lowering.streams.placement import Placed, Places, View, over_time

#: Of kernels of zeros and ones, and of biases that are none.
ONE = FixedFormat(2, 0)


@dataclass
class Writer:
    """The stream's nodes so far, and where each tensor of the graph stands."""

    graph: Graph
    nodes: list[Node]
    placed: dict[str, Placed]
    #: Whether successive vectors may stand side by side where an image's rows are made of them.
    folds: bool = False
    #: Dense layers, and their quantisers, that a program behind whole frames works off.
    program: frozenset[str] = frozenset()
    #: Flattened streams that the program reads: the stream's name -> the flat one's.
    flats: dict[str, Node] = field(default_factory=dict)
    #: Numbers of the nodes that were made beside those of the graph.
    made: dict[str, int] = field(default_factory=dict)

    def add(self, node: Any) -> Any:
        """Append a node that has been made, and check it."""
        known = {other.name: other for other in self.nodes}
        node.verify([known[name] for name in node.inputs])
        self.nodes.append(node)
        return node

    def name(self, base: str, what: str) -> str:
        """Name of a node that stands in front of or behind another one."""
        taken = {node.name for node in (*self.graph.nodes, *self.nodes)}
        wanted = f"{base}_{what}"
        while wanted in taken:
            self.made[wanted] = self.made.get(wanted, 1) + 1
            wanted = f"{base}_{what}{self.made[wanted]}"
        return wanted

    def refuse(self, node: Node, reason: str) -> UnsupportedLayer:
        """Error that names the node and says why it is no stream."""
        return UnsupportedLayer(f"rtl: {node.op!r} (node {node.name!r}) has no hardware {reason}".rstrip())

    # Tensors as streams.

    def taps(self, base: str, source: Node, taps: tuple[int, ...], first: int, stride: int, count: int,
             fill: int = 0) -> Node:  # fmt: skip
        """Windows of a stream; the stream itself where they are its vectors."""
        vectors, lanes = source.shape
        if taps == (0,) and (first, stride, count) == (0, 1, vectors):
            return source
        # The last window leaves with the last sample, or later.
        late = max(vectors - 1 - (first + (count - 1) * stride), 0)
        taps, first = tuple(tap + late for tap in taps), first + late
        shape, name = (count, len(taps) * lanes), self.name(base, "taps")
        found: Node = self.add(Taps(name, (source.name,), shape, source.fmt, taps, first, stride, fill))
        return found

    def lanes(self, base: str, source: Node, lanes: Any) -> Node:
        """Lanes of a stream in another order; the stream itself where they are its own."""
        chosen = tuple(int(lane) for lane in np.ravel(lanes))
        if chosen == tuple(range(source.shape[1])):
            return source
        shape, name = (source.shape[0], len(chosen)), self.name(base, "lanes")
        found: Node = self.add(Lanes(name, (source.name,), shape, source.fmt, chosen))
        return found

    def stream(self, base: str, placed: Placed, axis: int | None) -> Node:
        """Vectors over one axis, the others in the lanes in their order; with None, one vector of all.

        Raises
        ------
        UnsupportedLayer
            The tensor's elements do not come in such an order.
        """
        if axis is None:
            return self.vector(base, placed)
        view = placed.view(axis)
        if view is None and placed.where.ndim == 2:
            view, placed = self._other(base, placed, axis)
        if view is None:
            raise UnsupportedLayer(
                f"rtl: the tensor that {base!r} reads, {placed.node.name!r} turned or reshaped, is no stream over time"
            )
        return self.lanes(base, self._cut(base, placed.node, view), view.lanes)

    def _other(self, base: str, placed: Placed, axis: int) -> tuple[View | None, Placed]:
        """A frame from its end, or one vector many times."""
        flipped = placed.moved(np.flip(placed.where, axis)).view(axis)
        if flipped is not None:
            whole = self._cut(base, placed.node, flipped)
            turned = self.add(ir.Reverse(self.name(base, "reverse"), (whole.name,), whole.shape, whole.fmt))
            lanes = np.broadcast_to(flipped.lanes, (flipped.count, len(flipped.lanes)))
            where = np.arange(flipped.count)[:, None] * turned.shape[1] + lanes
            found = Placed(turned, np.moveaxis(np.where(lanes < 0, -1, where), 0, axis))
            return found.view(axis), found
        where = np.moveaxis(placed.where, axis, 0)
        if (where == where[0]).all() and placed.vectors == 1:
            count = len(where)
            again = self.add(
                Repeat(self.name(base, "repeat"), (placed.node.name,), (count, placed.lanes), placed.node.fmt)
            )
            later = np.arange(count)[:, None] * placed.lanes
            found = Placed(again, np.moveaxis(np.where(where < 0, -1, where + later), 0, axis))
            return found.view(axis), found
        return None, placed

    def _cut(self, base: str, source: Node, view: View) -> Node:
        """The vectors of a view alone, zeros among them."""
        # Vector t of the result is vector t + first: behind it where first is negative.
        tap = max(-view.first, 0)
        return self.taps(base, source, (tap,), max(view.first, 0), 1, view.count)

    def vector(self, base: str, placed: Placed) -> Node:
        """All elements in one vector."""
        flat = placed.moved(placed.where.reshape(1, -1))
        view = flat.view(0)
        if view is None:
            flat = self.collected(base, flat)
            view = flat.view(0)
        assert view is not None  # it is one vector now
        return self.lanes(base, self._cut(base, flat.node, view), view.lanes)

    def collected(self, base: str, placed: Placed) -> Placed:
        """The tensor in a stream of one vector that holds the whole frame."""
        vectors = placed.vectors
        every = self.taps(base, placed.node, tuple(reversed(range(vectors))), vectors - 1, 1, 1)
        return Placed(every, placed.where)

    def dense(self, node: Any, source: Node, matrix: Any, bias: Any, fmts: tuple[FixedFormat, FixedFormat]) -> Node:
        """A constant matrix on every vector; the output has the format of `node`."""
        shape = (source.shape[0], matrix.shape[1])
        kernel, added = np.asarray(matrix, np.int32), np.asarray(bias, np.int32)
        found: Node = self.add(
            ir.Dense(node.name, (source.name,), shape, node.fmt, kernel, added, *fmts, layer=node.layer)
        )
        return found

    def again(self, node: Any, *sources: Node, **changes: Any) -> Node:
        """The graph's node on other inputs."""
        changes |= {"inputs": tuple(source.name for source in sources)}
        new = {key: value for key, value in changes.items() if not np.array_equal(getattr(node, key), value)}
        return self.add(replace(node, **new) if new else node)  # type: ignore[no-any-return]

    def put(self, node: Node, placed: Placed) -> None:
        """Say where the node's tensor stands."""
        self.placed[node.name] = placed.moved(placed.where.reshape(node.shape))

    def put_over_time(self, node: Node, stream: Node, shape: tuple[int, ...], axis: int) -> None:
        """The same, of a stream of vectors over one axis."""
        self.put(node, over_time(stream, shape, axis))


def lane_rows(lanes: Places, count: int, values: Any) -> Any:
    """Rows of a matrix for the lanes of a vector, from values for each position; positions that are zeros have none."""
    rows = np.zeros((count, *np.shape(values)[1:]), np.int64)
    used = lanes.ravel() >= 0
    np.add.at(rows, lanes.ravel()[used], np.asarray(values)[used])
    return rows
