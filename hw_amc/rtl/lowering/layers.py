"""From nodes to blocks: walk the layers over time, fuse each quantiser with the layer in front of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.rtl.adders import build_graph
from hw_amc.rtl.blocks.add import build_add
from hw_amc.rtl.blocks.affine import AffineBlock
from hw_amc.rtl.blocks.base import Block, Wires, naming
from hw_amc.rtl.blocks.dense import Dense
from hw_amc.rtl.blocks.gru import GruBlock, gru_matrix, gru_widths
from hw_amc.rtl.blocks.image import Layout, image_layout
from hw_amc.rtl.blocks.linear import LinearBlock, QuantizeBlock, Requantize, linear_matrix
from hw_amc.rtl.blocks.lstm import LstmBlock, lstm_matrix
from hw_amc.rtl.blocks.matrix import signed_width
from hw_amc.rtl.blocks.pool import PoolBlock
from hw_amc.rtl.blocks.results import Results, build_results
from hw_amc.rtl.blocks.route import Route
from hw_amc.rtl.lowering.images import dense_tail, image_block, layout_behind, tail_of
from hw_amc.rtl.lowering.options import Options
from hw_amc.rtl.lowering.walk import walk

__all__ = ["Chain", "Layer", "Options", "integers", "lower"]

_Linear = ir.Dense | ir.Affine | ir.Conv1d


@dataclass(frozen=True)
class Layer:
    """A block in its place."""

    block: Block
    #: The way to its input; of two, to the later one.
    route: Route


@dataclass(frozen=True)
class Chain:
    """The network as blocks, from the quantised input to the logits."""

    #: The core's input: output of the input quantiser.
    entry: Node
    #: In the order in which they depend on each other.
    layers: tuple[Layer, ...]
    #: The way to the results.
    route: Route
    results: Results | Dense

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks without their places."""
        return tuple(layer.block for layer in self.layers)


def lower(graph: Graph, options: Options) -> Chain:
    """Translate every node.

    Raises
    ------
    UnsupportedLayer
        A node, or the way nodes are connected, has no hardware.
    """
    for name in (graph.name, *(node.name for node in graph.nodes)):
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise UnsupportedLayer(f"rtl: the name {name!r} is no Verilog identifier; rename the layer")
    entry = graph.nodes[1] if len(graph.nodes) > 1 else graph.input
    if not isinstance(entry, ir.Quantize) or graph.input.shape[1:] != (2,):
        raise UnsupportedLayer(f"rtl: {graph.name!r} must begin with frames of I and Q and their quantiser")
    return _walk(graph, entry, options)


def _walk(graph: Graph, entry: ir.Quantize, options: Options) -> Chain:
    """Make blocks of the nodes behind the entry, up to the results."""
    routes = {entry.name: Route(Wires("entry_flags", "entry_data", 2, entry.fmt))}
    layouts = dict[str, Layout]()
    layers = list[Layer]()
    tail = tail_of(graph)
    for node, fused in walk(graph, lambda node: isinstance(node, ir.Conv2d) or _fuses(node)):
        if node.name in tail:
            continue
        source = graph.sources(node)[0]
        for name in node.inputs:
            if name not in routes or name in graph.outputs:
                raise UnsupportedLayer(f"rtl: node {node.name!r} ({node.op}) cannot follow {name!r}")
        feeds = [routes[name] for name in node.inputs]
        if isinstance(node, ir.GlobalAvgPool1d):
            return Chain(entry, tuple(layers), feeds[0], build_results(graph, node))
        if isinstance(node, ir.Reshape) and source is entry and len(node.shape) == 3:
            layouts[node.name], routes[node.name] = image_layout(node, *source.shape), feeds[0]
            continue
        if node.inputs[0] in layouts:
            layout = layouts[node.inputs[0]]
            with naming(node.name):
                layer = Layer(image_block(node, source, fused, layout, options), feeds[0])
            layouts[fused.name] = layout_behind(node, layout)
        else:
            layer = _layer(graph, node, fused, feeds, options)
        layers.append(layer)
        routes[fused.name] = layer.route.then(layer.block)
        if isinstance(node, ir.GlobalMaxPool1d):
            return Chain(entry, tuple(layers), routes[node.name], build_results(graph, node))
    if not tail:
        raise UnsupportedLayer(
            f"rtl: {graph.name!r} has no global pool in front of its outputs, nor dense layers on a frame"
        )
    join, dense = dense_tail(graph, routes, layouts, options)
    layers.append(Layer(join, join.feeds[0]))
    return Chain(entry, tuple(layers), join.feeds[0].then(join), dense)


def _fuses(node: Node) -> bool:
    return type(node) in _RULES and _RULES[type(node)].fuses


def _layer(graph: Graph, node: Node, fused: Node, feeds: list[Route], options: Options) -> Layer:
    if isinstance(node, ir.Add):
        joined = build_add(node, *feeds)
        return Layer(joined, joined.late)
    rule = _RULES.get(type(node))
    if rule is None:
        raise UnsupportedLayer(f"rtl: {node.op!r} (node {node.name!r}) has no hardware")
    with naming(node.name):
        return Layer(rule.build(node, graph.sources(node)[0], fused, options), feeds[0])


def _gru(node: ir.Gru, source: Node, fused: Node, options: Options) -> GruBlock:
    inputs = [integers(source.fmt)] * source.shape[-1] + [integers(node.fmt)] * node.units
    adders = build_graph(gru_matrix(node, source.fmt), inputs, cache=options.cache)
    return GruBlock(node, source.fmt, options.matrix(node.name, adders, gru_widths(adders, node.units)))


def _lstm(node: ir.Lstm, source: Node, fused: Node, options: Options) -> LstmBlock:
    inputs = [integers(source.fmt)] * source.shape[-1] + [integers(node.fmt)] * node.units
    adders = build_graph(lstm_matrix(node, source.fmt), inputs, cache=options.cache)
    width = signed_width(adders, range(4 * node.units))
    return LstmBlock(node, source.fmt, options.matrix(node.name, adders, (width,) * (4 * node.units)))


def _pool(node: ir.AvgPool1d | ir.MaxPool1d, source: Node, fused: Node, options: Options) -> PoolBlock:
    return PoolBlock(node, source.fmt)


def _global_max_pool(node: ir.GlobalMaxPool1d, source: Node, fused: Node, options: Options) -> PoolBlock:
    whole = ir.MaxPool1d(node.name, node.inputs, (1, *node.shape), node.fmt, source.shape[0])
    return PoolBlock(whole, source.fmt)


def _quantize(node: ir.Quantize, source: Node, fused: Node, options: Options) -> QuantizeBlock:
    channels = node.shape[-1]
    requantize = Requantize(source.fmt, np.zeros(channels, np.int64), source.fmt, node.fmt)
    return QuantizeBlock(node.name, channels, requantize)


def _affine(node: ir.Affine, source: Node, fused: Node, options: Options) -> Block:
    cycles = options.cycles_of(node.name)
    if cycles == 1:
        return _linear(node, source, fused, options)
    product = FixedFormat(source.fmt.bits + node.kernel_fmt.bits + 1, node.acc_frac(source.fmt))
    bias = node.scaled_bias(source.fmt)
    requantize = Requantize(product, bias, node.fmt, fused.fmt if fused is not node else None)
    kernel = node.kernel.astype(np.int64)
    bits = node.kernel_fmt.bits + 1
    return AffineBlock(fused.name, node.shape[-1], source.fmt, kernel, bits, requantize, cycles, node.name)


def _linear(node: _Linear, source: Node, fused: Node, options: Options) -> LinearBlock:
    channels = node.shape[-1]
    taps = node.kernel.shape[0] if isinstance(node, ir.Conv1d) else 1
    if taps > 1 and taps // 2 >= node.shape[0]:
        raise UnsupportedLayer(
            f"rtl: node {node.name!r} waits for {taps // 2} samples; the frame has {node.shape[0]} there"
        )
    adders = build_graph(linear_matrix(node), [integers(source.fmt)] * source.shape[-1], cache=options.cache)
    bits = signed_width(adders, range(channels * taps))
    frac = node.acc_frac(source.fmt)
    # Without the bias, and with any subset of the taps: between the least and the largest sum, zero included.
    low, high = ir.linear_range(node.matrix(), np.zeros(channels, np.int64), source.fmt, pad=True)
    total = format_for(min(int(low.min()), -1), max(int(high.max()), 0), frac)
    total = FixedFormat(max(total.bits, bits + 1), frac) if taps > 1 else FixedFormat(bits, frac)
    requantize = Requantize(total, node.scaled_bias(source.fmt), node.fmt, fused.fmt if fused is not node else None)
    matrix = options.matrix(node.name, adders, (bits,) * (channels * taps))
    return LinearBlock(fused.name, channels, taps, matrix, FixedFormat(bits, frac), requantize, node.name)


@dataclass(frozen=True)
class _Rule:
    """How nodes of one type become blocks."""

    #: (node, its source, the last node that goes into the block, options) -> block
    build: Callable[[Any, Node, Node, Options], Block]
    #: A quantiser that follows becomes part of the block.
    fuses: bool = False


_RULES: dict[type[Node], _Rule] = {
    ir.Gru: _Rule(_gru),
    ir.Lstm: _Rule(_lstm),
    ir.Affine: _Rule(_affine, fuses=True),
    ir.Dense: _Rule(_linear, fuses=True),
    ir.Conv1d: _Rule(_linear, fuses=True),
    ir.AvgPool1d: _Rule(_pool),
    ir.MaxPool1d: _Rule(_pool),
    ir.GlobalMaxPool1d: _Rule(_global_max_pool),
    ir.Quantize: _Rule(_quantize),
}


def integers(fmt: FixedFormat) -> FixedFormat:
    """Return the format's integers without its binary point, for adder graphs."""
    return FixedFormat(fmt.bits, 0, fmt.signed)
