"""Dense layers behind whole frames: from where a frame is flattened to the logits, one program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.rtl.blocks.dense import DenseProgram, DenseStage, choose_lanes, element_format
from hw_amc.rtl.blocks.join import JoinBlock
from hw_amc.rtl.lowering.options import Options
from hw_amc.rtl.lowering.registry import Feed


def tail_of(graph: Graph) -> set[str]:
    """Names of the nodes behind whole frames, from where a frame becomes a vector."""
    tail: set[str] = set()
    for node, sources in graph.walk():
        flat = isinstance(node, ir.Reshape) and len(node.shape) == 1
        if flat or any(source.name in tail for source in sources):
            tail.add(node.name)
    return tail


def dense_tail(graph: Graph, known: Mapping[str, Feed], options: Options) -> tuple[JoinBlock, DenseProgram]:
    """Make a program of the dense layers behind whole frames.

    Parameters
    ----------
    graph : Graph
    known
        Tensors over time, by the names of their nodes.
    options : Options

    Raises
    ------
    UnsupportedLayer
        A node behind a frame is neither a dense layer nor its quantiser, or logits are wider than 32 bits.
    """
    flats = [node for node, (source, *_) in graph.walk() if isinstance(node, ir.Reshape) and source.name in known]
    flats = [node for node in flats if len(node.shape) == 1]
    sources = {name: known[name] for name in dict.fromkeys(node.inputs[0] for node in flats)}
    feeds = tuple(feed.branch for feed in sources.values())
    if any(not np.array_equal(feed.slots, feeds[0].slots) for feed in feeds):
        raise UnsupportedLayer(f"rtl: {', '.join(sources)} do not come in the same slots; flatten them at one place")
    firsts = dict(zip(sources, np.cumsum([0, *(feed.wires.channels for feed in feeds)]).tolist(), strict=False))
    places = {node.name: _places(sources[node.inputs[0]], firsts[node.inputs[0]]) for node in flats}
    stages = _stages(graph, places)
    formats = [feed.node.fmt for feed in sources.values()]
    formats += [node.fmt for stage in stages for node in (stage.rounded, stage.table) if node is not None]
    join = JoinBlock(f"{flats[0].name}_frame", feeds, element_format(formats))
    vectors = 1 + max(place for of_frame in places.values() for place, _ in of_frame)
    vectors = max([vectors, *map(_vectors, sources.values())])
    # Half a frame's time: with two frames under way, one that comes in must not wait for one that is worked on.
    lanes = choose_lanes(stages, graph.frame_len * options.cycles // 2)
    return join, DenseProgram(f"{options.prefix}_dense", stages, join.channels, vectors, join.fmt.bits, lanes)


def _vectors(feed: Feed) -> int:
    """Vectors of a frame, those that hold no pixel included."""
    rows, columns = feed.node.shape[:2]
    return feed.node.shape[0] if feed.layout is None else feed.layout.at(rows - 1, columns - 1)[0] + 1


def _places(feed: Feed, first: int) -> tuple[tuple[int, int], ...]:
    """Vector and element of each input, in the order of a flattened frame."""
    source, layout, channels = feed.node, feed.layout, feed.node.shape[-1]
    if layout is None:
        return tuple((t, first + channel) for t in range(source.shape[0]) for channel in range(channels))
    pixels = (layout.at(row, column) for row, column in np.ndindex(*source.shape[:2]))
    return tuple((slot, first + phase * channels + channel) for slot, phase in pixels for channel in range(channels))


def _stages(graph: Graph, places: Mapping[str, tuple[tuple[int, int], ...]]) -> tuple[DenseStage, ...]:
    """Dense layers in order, heads last and in the order of the outputs."""
    known, hidden, open_ends = dict(places), list[DenseStage](), dict[str, DenseStage]()
    for node, (source, *_) in graph.walk():
        if isinstance(node, ir.Dense) and source.name in known:
            open_ends[node.name] = DenseStage(node, source, None, known[source.name])
        elif isinstance(node, ir.Quantize) and source.name in open_ends:
            hidden.append(replace(open_ends.pop(source.name), rounded=node))
            known[node.name] = tuple((unit, -1) for unit in range(node.shape[0]))
        elif isinstance(node, ir.Table) and hidden and hidden[-1].kept is source:
            # Nothing else reads what the function is of (`lowering.streams.vectors.program_of`).
            hidden[-1] = replace(hidden[-1], table=node)
            known[node.name] = known.pop(source.name)
        elif source.name in known or source.name in open_ends:
            raise UnsupportedLayer(f"rtl: {node.op!r} (node {node.name!r}) behind a whole frame has no hardware")
    lost = set(graph.outputs) ^ set(open_ends)
    if lost:
        raise UnsupportedLayer(f"rtl: {min(lost)!r} is not a dense layer behind a frame that gives logits")
    for stage in open_ends.values():
        _require_word(stage.node)
    return (*hidden, *(open_ends[name] for name in graph.outputs))


def _require_word(head: ir.Dense) -> None:
    bits = head.fmt.bits + (not head.fmt.signed)
    if bits > 32:
        raise UnsupportedLayer(f"rtl: logits of {bits} bits do not fit int32; requantise in front of {head.name!r}")
