"""From nodes on images, and dense layers over whole frames, to blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.adders import build_graph
from hw_amc.rtl.blocks.base import Block
from hw_amc.rtl.blocks.dense import Dense, Stage, choose_lanes, element_format
from hw_amc.rtl.blocks.image import (
    Conv2dBlock,
    Layout,
    MaxPool2dBlock,
    Window,
    conv2d_matrix,
)
from hw_amc.rtl.blocks.join import JoinBlock
from hw_amc.rtl.blocks.linear import LinearBlock, QuantizeBlock, Requantize
from hw_amc.rtl.blocks.matrix import signed_width
from hw_amc.rtl.blocks.route import Route
from hw_amc.rtl.lowering.options import Options


def image_block(node: Node, source: Node, fused: Node, layout: Layout, options: Options) -> Block:
    """Make a block of a node on an image.

    Raises
    ------
    UnsupportedLayer
        The node has no hardware.
    """
    if isinstance(node, ir.Conv2d) and not node.same:
        return _conv2d(node, source, fused, layout, options)
    if isinstance(node, ir.MaxPool2d) and node.stride == (1, 1):
        window = Window(node.name, *node.pool, layout, source.shape[-1], source.fmt)
        return MaxPool2dBlock(node.name, window)
    if isinstance(node, ir.Quantize):
        channels = layout.phases * node.shape[-1]
        return QuantizeBlock(
            node.name, channels, Requantize(source.fmt, np.zeros(channels, np.int64), source.fmt, node.fmt)
        )
    raise UnsupportedLayer(
        f"rtl: {node.op!r} (node {node.name!r}) has no hardware on images; conv2d without padding has, "
        "and max_pool2d of stride 1"
    )


def layout_behind(node: Node, layout: Layout) -> Layout:
    """Return where the pixels of a node's output stand."""
    if isinstance(node, ir.Conv2d):
        return layout.behind(*node.kernel.shape[:2])
    if isinstance(node, ir.MaxPool2d):
        return layout.behind(*node.pool)
    return layout


def _conv2d(node: ir.Conv2d, source: Node, fused: Node, layout: Layout, options: Options) -> Conv2dBlock:
    rows, columns, depth, _ = node.kernel.shape
    window = Window(fused.name, rows, columns, layout, depth, source.fmt)
    inputs = [FixedFormat(source.fmt.bits, 0, source.fmt.signed)] * window.values
    adders = build_graph(conv2d_matrix(node, window), inputs, cache=options.cache)
    channels = layout.phases * node.shape[-1]
    bits = signed_width(adders, range(channels))
    total = FixedFormat(bits, node.acc_frac(source.fmt))
    bias = np.tile(node.scaled_bias(source.fmt), layout.phases)
    # In front of the image a window holds more than zeros, but nobody reads what comes of it.
    requantize = Requantize(total, bias, node.fmt, fused.fmt if fused is not node else None)
    matrix = options.matrix(node.name, adders, (bits,) * channels)
    return Conv2dBlock(window, LinearBlock(fused.name, channels, 1, matrix, total, requantize, node.name))


def tail_of(graph: Graph) -> set[str]:
    """Names of the nodes behind whole frames, from where a frame becomes a vector."""
    tail: set[str] = set()
    for node, sources in graph.walk():
        flat = isinstance(node, ir.Reshape) and len(node.shape) == 1
        if flat or any(source.name in tail for source in sources):
            tail.add(node.name)
    return tail


def dense_tail(
    graph: Graph, routes: Mapping[str, Route], layouts: Mapping[str, Layout], options: Options
) -> tuple[JoinBlock, Dense]:
    """Make a program of the dense layers behind whole frames.

    Parameters
    ----------
    graph : Graph
    routes, layouts
        Of the nodes that blocks have been made of, by name.
    options : Options

    Raises
    ------
    UnsupportedLayer
        A node behind a frame is neither a dense layer nor its quantiser, or logits are wider than 32 bits.
    """
    flats = [node for node, (source, *_) in graph.walk() if isinstance(node, ir.Reshape) and source.name in routes]
    flats = [node for node in flats if len(node.shape) == 1]
    sources = {graph.sources(node)[0].name: graph.sources(node)[0] for node in flats}
    feeds = tuple(routes[name] for name in sources)
    if len({(feed.lag, feed.delay) for feed in feeds}) > 1:
        raise UnsupportedLayer(f"rtl: {', '.join(sources)} do not come in the same slots; flatten them at one place")
    formats = [source.fmt for source in sources.values()]
    firsts = dict(zip(sources, np.cumsum([0, *(feed.wires.channels for feed in feeds)]).tolist(), strict=False))
    places = {
        node.name: _places(sources[node.inputs[0]], layouts.get(node.inputs[0]), firsts[node.inputs[0]])
        for node in flats
    }
    stages = _stages(graph, places)
    formats += [stage.rounded.fmt for stage in stages if stage.rounded is not None]
    join = JoinBlock(f"{flats[0].name}_frame", feeds, element_format(formats))
    vectors = 1 + max(place for known in places.values() for place, _ in known)
    # Half a frame's time: with two frames under way, one that comes in must not wait for one that is worked on.
    lanes = choose_lanes(stages, graph.frame_len * options.cycles // 2)
    name = f"{options.prefix}_dense"
    return join, Dense(name, stages, join.channels, max(vectors, _vectors(sources, layouts)), join.fmt.bits, lanes)


def _vectors(sources: Mapping[str, Node], layouts: Mapping[str, Layout]) -> int:
    """Vectors of a frame, those that hold no pixel included."""
    return max(
        layouts[name].at(node.shape[0] - 1, node.shape[1] - 1)[0] + 1 if name in layouts else node.shape[0]
        for name, node in sources.items()
    )


def _places(source: Node, layout: Layout | None, first: int) -> tuple[tuple[int, int], ...]:
    """Vector and element of each input, in the order of a flattened frame."""
    channels = source.shape[-1]
    if layout is None:
        return tuple((t, first + channel) for t in range(source.shape[0]) for channel in range(channels))
    pixels = (layout.at(row, column) for row, column in np.ndindex(*source.shape[:2]))
    return tuple((slot, first + phase * channels + channel) for slot, phase in pixels for channel in range(channels))


def _stages(graph: Graph, places: Mapping[str, tuple[tuple[int, int], ...]]) -> tuple[Stage, ...]:
    """Dense layers in order, heads last and in the order of the outputs."""
    known, hidden, open_ends = dict(places), list[Stage](), dict[str, Stage]()
    for node, (source, *_) in graph.walk():
        if isinstance(node, ir.Dense) and source.name in known:
            open_ends[node.name] = Stage(node, source, None, known[source.name])
        elif isinstance(node, ir.Quantize) and source.name in open_ends:
            hidden.append(replace(open_ends.pop(source.name), rounded=node))
            known[node.name] = tuple((unit, -1) for unit in range(node.shape[0]))
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
