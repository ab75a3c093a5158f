"""The order in which nodes become blocks, and the quantisers that blocks take in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node


def walk(graph: Graph, entry: Node, fuses: Callable[[Node], bool]) -> Iterator[tuple[Node, Node]]:
    """Each node behind the input's quantiser, with the last node that goes into its block: itself or a quantiser.

    Parameters
    ----------
    graph : Graph
    entry : Node
        The input's quantiser.
    fuses : predicate
        Whether a node's block rounds too; it takes its quantiser in if nothing else reads the node.

    Raises
    ------
    UnsupportedLayer
        Nothing reads a node that is no output.
    """
    readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    taken = {graph.input.name, entry.name}
    for node in graph.nodes:
        if node.name in taken:
            continue
        behind = readers[node.name]
        if not behind and node.name not in graph.outputs:
            raise UnsupportedLayer(f"rtl: nothing reads node {node.name!r} ({node.op})")
        last = node
        if fuses(node) and len(behind) == 1 and isinstance(behind[0], ir.Quantize) and node.name not in graph.outputs:
            last = behind[0]
            taken.add(last.name)
        yield node, last
