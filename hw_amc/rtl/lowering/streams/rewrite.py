"""From a graph to its stream: every node as operations on vectors that hardware has."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from importlib import import_module

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.rtl.lowering import streams
from hw_amc.rtl.lowering.streams.placement import plain
from hw_amc.rtl.lowering.streams.registry import REWRITES, Rewrite
from hw_amc.rtl.lowering.streams.vectors import (
    are_heads,
    end_with_heads,
    end_with_logits,
    ends_with_results,
    program_of,
    takes_program,
)
from hw_amc.rtl.lowering.streams.writer import Writer

for _module in pkgutil.iter_modules(streams.__path__, f"{streams.__name__}."):
    if _module.name != __name__:
        import_module(_module.name)


def as_streams(graph: Graph) -> Graph:
    """Return the graph in operations on vectors; the graph itself where it is made of them, or cannot be.

    Every tensor of the result has the same integers as that of the graph, in the places that `Placed` says. What
    cannot be a stream is left to the lowerings, which refuse it by name or have hardware of another kind for it.
    """
    rows = has_rows(graph)
    try:
        found = rewritten(graph, folds=not rows)
    except UnsupportedLayer:
        if rows:
            return graph
        raise
    same = len(found.nodes) == len(graph.nodes) and all(a is b for a, b in zip(found.nodes, graph.nodes, strict=True))
    return graph if same else found


def has_rows(graph: Graph) -> bool:
    """Whether all that is done to images is what hardware does to them row by row, a pixel or two at a time."""
    images = [(node, sources) for node, sources in graph.walk() if 3 in (len(node.shape), len(sources[0].shape))]
    for node, _ in images:
        plain_conv = isinstance(node, ir.Conv2d) and not node.same and not node.options
        plain_pool = isinstance(node, ir.MaxPool2d) and node.stride == (1, 1) and not node.options
        if not (plain_conv or plain_pool or isinstance(node, ir.Quantize | ir.Reshape)):
            return False
    return bool(images)


def rewritten(graph: Graph, folds: bool = False) -> Graph:
    """Write every node.

    Parameters
    ----------
    graph : Graph
    folds : bool
        Whether vectors may stand side by side where an image's rows are made of several.

    Raises
    ------
    UnsupportedLayer
        A tensor runs over time in no order that an operation can take.
    """
    found = _written(graph, folds, program_of(graph))
    return found or _written(graph, folds, frozenset()) or graph


def _written(graph: Graph, folds: bool, program: frozenset[str]) -> Graph | None:
    """The stream, with a program of these layers; None where they shall be layers as all others."""
    pool, heads = ends_with_results(graph), are_heads(graph)
    inner = graph if pool is not None or program or heads else _logits_renamed(graph)
    entry = graph.nodes[1]
    writer = Writer(inner, [graph.nodes[0], entry], {entry.name: plain(entry, entry.shape)}, folds)
    for place, node in enumerate(inner.nodes[2:], 2):
        if node is pool:
            _end_with_results(writer, place)
            return replace(graph, nodes=tuple(writer.nodes))
        if node.name in program and not writer.program:
            if not takes_program(writer, program):
                return None
            writer.program = program
        if writer.program or not (heads and node.name in graph.outputs):
            rewrite_of(writer, node)(writer, node)
    if heads and not program:
        end_with_heads(writer)
    elif not program:
        end_with_logits(writer, graph)
    return replace(graph, nodes=tuple(writer.nodes))


def rewrite_of(writer: Writer, node: Node) -> Rewrite:
    """Return what writes a node; UnsupportedLayer where nothing does."""
    if type(node) not in REWRITES:
        raise writer.refuse(node, "")
    return REWRITES[type(node)]


def _end_with_results(writer: Writer, place: int) -> None:
    """The global pool and what is behind it, as they are."""
    pool, *behind = writer.graph.nodes[place:]
    writer.again(pool, writer.stream(pool.name, writer.placed[pool.inputs[0]], 0))
    for node in behind:
        writer.add(node)


def _logits_renamed(graph: Graph) -> Graph:
    """Give the outputs other names, so that their own are free for what ends the stream."""
    taken = {node.name for node in graph.nodes}
    names = {name: f"{name}_logits" for name in graph.outputs}
    while taken & set(names.values()):
        names = {name: f"{new}_" for name, new in names.items()}
    nodes = (
        replace(node, name=names.get(node.name, node.name), inputs=tuple(names.get(name, name) for name in node.inputs))
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes), outputs=tuple(names[name] for name in graph.outputs))
