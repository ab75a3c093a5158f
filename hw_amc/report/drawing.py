"""The network drawn: boxes from input to heads, as SVG text of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

import numpy as np

from hw_amc.graph import Graph, Node
from hw_amc.style import BLUE, GRID, INK, MUTED, TEAL, dark_rules
from hw_amc.text import plain

#: Size of a box, and what is between boxes, in pixels.
WIDTH, HEIGHT, GAP = 134, 96, 24
#: Boxes in a row of the wide drawing.
PER_ROW = 8
#: Letters of a line.
_LETTERS = 21

#: Of our own drawings.
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass
class Box:
    """A node with the quantisers behind it; without nodes, a place where a connection passes by."""

    nodes: list[Node] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    rank: int = 0
    #: Place among the boxes of its rank.
    lane: int = 0


def draw_network(graph: Graph) -> tuple[str, str]:
    """Draw the network from left to right for a wide page, and from top to bottom for a narrow one.

    A quantiser stands in the box of the node whose sums it rounds. The bar of a box is the part of its weights that
    is not zero.
    """
    boxes = _lay_out(_boxes(graph))
    ranks = 1 + max(box.rank for box in boxes)
    rows = -(-ranks // PER_ROW)
    outputs = {graph[name].name for name in graph.outputs}
    wide = _Drawing(boxes, per_row=-(-ranks // rows), across=True, outputs=outputs)
    return wide.svg(), _Drawing(boxes, per_row=ranks, across=False, outputs=outputs).svg()


def _boxes(graph: Graph) -> list[Box]:
    """Put each quantiser into the box of the node that it alone reads."""
    readers = {node.name: [other for other in graph.nodes if node.name in other.inputs] for node in graph.nodes}
    places: dict[str, int] = {}
    boxes: list[Box] = []
    for node in graph.nodes:
        only = node.inputs[0] if len(node.inputs) == 1 else ""
        if node.op == "quantize" and len(readers.get(only, [])) == 1:
            places[node.name] = places[only]
            boxes[places[only]].nodes.append(node)
        else:
            sources = [places[name] for name in node.inputs]
            rank = 1 + max((boxes[place].rank for place in sources), default=-1)
            places[node.name] = len(boxes)
            boxes.append(Box([node], sources, rank))
    return boxes


def _lay_out(boxes: list[Box]) -> list[Box]:
    """Cut connections over several ranks by boxes without nodes, and give each rank an order that crosses little."""
    for box in list(boxes):
        for at, source in enumerate(box.sources):
            for rank in range(boxes[source].rank + 1, box.rank):
                boxes.append(Box([], [source], rank))
                source = len(boxes) - 1
            box.sources[at] = source
    for rank in range(1 + max(box.rank for box in boxes)):
        level = [box for box in boxes if box.rank == rank]
        level.sort(key=lambda box: float(np.mean([boxes[source].lane for source in box.sources] or [0])))
        for lane, box in enumerate(level):
            box.lane = lane
    return boxes


class _Drawing:
    """Places and lines of one drawing."""

    def __init__(self, boxes: Sequence[Box], per_row: int, across: bool, outputs: set[str]) -> None:
        self._boxes, self._per_row, self._across, self._outputs = boxes, per_row, across, outputs
        counts: dict[int, int] = {}
        for box in boxes:
            counts[box.rank] = counts.get(box.rank, 0) + 1
        self._counts = counts
        rows = range(-(-len(counts) // per_row))
        #: Boxes side by side in each row.
        self._lanes = [max(counts[rank] for rank in counts if rank // per_row == row) for row in rows]

    def svg(self) -> str:
        """Give the SVG text."""
        long, lanes = min(self._per_row, len(self._counts)), sum(self._lanes)
        width, height = (long, lanes) if self._across else (lanes, long)
        size = (width * (WIDTH + GAP) - GAP + 4, height * (HEIGHT + GAP) - GAP + 4)
        lines = [line for box in self._boxes for source in box.sources for line in self._line(self._boxes[source], box)]
        shapes = [shape for box in self._boxes if box.nodes for shape in self._box(box)]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {size[0]} {size[1]}" width="{size[0]}" '
            f'height="{size[1]}" font-family="{FONT}"><style>{dark_rules()}</style>'
            + "".join([*lines, *shapes])
            + "</svg>\n"
        )

    def _place(self, box: Box) -> tuple[float, float]:
        """Upper left corner."""
        row, at = divmod(box.rank, self._per_row)
        lane = sum(self._lanes[:row]) + box.lane + (self._lanes[row] - self._counts[box.rank]) / 2
        x, y = (at, lane) if self._across else (lane, at)
        return x * (WIDTH + GAP), y * (HEIGHT + GAP)

    def _line(self, source: Box, box: Box) -> list[str]:
        """A connection between neighbouring ranks, with an arrow where it ends at a box."""
        (x, y), (u, v) = self._place(source), self._place(box)
        if self._across:
            start, end = (x + (WIDTH if source.nodes else 0), y + HEIGHT / 2), (u, v + HEIGHT / 2)
            through = (end[0] - GAP / 2, start[1]), (end[0] - GAP / 2, end[1])
            if end[0] < start[0]:  # the next row
                turn = y + HEIGHT + GAP / 2
                through = (start[0] + GAP / 3, start[1]), (start[0] + GAP / 3, turn)
                through = (*through, (end[0] - GAP / 3, turn), (end[0] - GAP / 3, end[1]))  # type: ignore[assignment]
        else:
            start, end = (x + WIDTH / 2, y + (HEIGHT if source.nodes else 0)), (u + WIDTH / 2, v)
            through = (start[0], end[1] - GAP / 2), (end[0], end[1] - GAP / 2)
        points = [start, *through, end]
        if not box.nodes:  # the line goes on through the empty place
            points.append((u + WIDTH, end[1]) if self._across else (end[0], v + HEIGHT))
        path = " ".join(f"{a:g},{b:g}" for a, b in (p for p, q in pairwise([*points, (None, None)]) if p != q))
        line = f'<polyline points="{path}" style="fill: none; stroke: {MUTED}" stroke-width="1.2"/>'
        return [line, _arrow(end, self._across)] if box.nodes else [line]

    def _box(self, box: Box) -> list[str]:
        x, y = self._place(box)
        first, last = box.nodes[0], box.nodes[-1]
        weights = sum(array.size for node in box.nodes for array in node.kernels().values())
        nonzeros = sum(int(np.count_nonzero(array)) for node in box.nodes for array in node.kernels().values())
        ends = not first.inputs or any(node.name in self._outputs for node in box.nodes)
        color = TEAL if ends else BLUE if weights else MUTED
        formats = " → ".join(dict.fromkeys(str(node.fmt) for node in box.nodes))
        texts = [
            (first.name, INK, 'font-weight="650" font-size="12.5"'),
            (first.op.replace("_", " "), INK, 'font-size="10.5"'),
            (" x ".join(map(str, last.shape)), MUTED, 'font-size="10.5"'),
            (formats, MUTED, 'font-size="10.5"'),
            (f"{nonzeros:,} of {weights:,}" if weights else "", MUTED, 'font-size="10.5"'),
        ]
        shapes = [
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="7" style="fill: none; stroke: {color}" '
            'stroke-width="1.4"/>'
        ]
        for number, (text, fill, look) in enumerate(texts):
            line = escape(plain(text, limit=_LETTERS)) if text else ""
            at = f'x="{x + 9:g}" y="{y + 19 + 15 * number + (1 if number else 0):g}"'
            shapes.append(f'<text {at} {look} style="fill: {fill}">{line}</text>' if line else "")
        if weights:
            for part, shade in ((1.0, GRID), (nonzeros / weights, color)):
                where = f'x="{x + 9:g}" y="{y + HEIGHT - 10:g}" width="{part * (WIDTH - 18):.1f}" height="3"'
                shapes.append(f'<rect {where} rx="1.5" style="fill: {shade}"/>')
        return shapes


def _arrow(end: tuple[float, float], across: bool) -> str:
    x, y = end
    points = ((x, y), (x - 6, y - 3.5), (x - 6, y + 3.5)) if across else ((x, y), (x - 3.5, y - 6), (x + 3.5, y - 6))
    return f'<polygon points="{" ".join(f"{a:g},{b:g}" for a, b in points)}" style="fill: {MUTED}"/>'
