"""Small random networks of the operations that the HLS core has beside the lead model's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from networks import (
    Widths,
    add,
    conv2d,
    global_pool,
    linear,
    max_pool2d,
    quantize,
    random_gru,
    random_lstm,
    reshape,
    with_exact_format,
    with_tables,
)  # fmt: skip

from hw_amc import graph as ir
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.ops.windows import window_counts

ACT, RELU = FixedFormat(6, 5), FixedFormat(6, 4, signed=False)


class Net:
    """Nodes one after another; each call adds one and returns it."""

    def __init__(self, seed: int, frame_len: int = 16) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Node] = [ir.Input("input", (), (frame_len, 2), FixedFormat(16, 14))]
        self.last = self(quantize("input_quant", self.nodes[0], FixedFormat(7, 5)))

    def __call__(self, node: Any) -> Any:
        self.nodes.append(node)
        self.last = node
        return node

    def conv(self, name: str, source: Node, units: int, taps: int = 3, fmt: FixedFormat = ACT, **options: Any) -> Any:
        """A convolution and its quantiser."""
        return self(quantize(f"{name}_q", self(linear(self.rng, ir.Conv1d, name, source, units, taps)), fmt))

    def dense(self, name: str, source: Node, units: int, fmt: FixedFormat = ACT) -> Any:
        """A dense layer and its quantiser."""
        return self(quantize(f"{name}_q", self(linear(self.rng, ir.Dense, name, source, units)), fmt))

    def end(self, name: str, source: Node) -> Graph:
        """Give the graph, with a head behind `source`, a vector."""
        head = self(linear(self.rng, ir.Dense, "head", source, 3))
        return Graph(name, tuple(self.nodes), (head.name,), (("a", "b", "c"),))


def table(name: str, source: Node, function: Callable[[Any], Any], fmt: FixedFormat) -> ir.Table:
    return ir.Table(name, (source.name,), source.shape, fmt, ir.tabulate(function, source.fmt, fmt))


def mean(
    name: str, source: Node, pool: tuple[int, ...], stride: tuple[int, ...], bits: int = 7, pads: Any = ()
) -> ir.MeanPool:
    padding = pads or ((0, 0),) * len(pool)
    counts = window_counts(source.shape[:-1], pool, stride, padding)
    factor, fmt = ir.reciprocals(counts, bits)
    places = counts.shape if counts.size > 1 else ()
    shape = (*places, source.shape[-1])
    node = ir.MeanPool(name, (source.name,), shape, fmt, factor, fmt, pool, stride, pads=pads)
    return node.narrowest(source)


def concatenate(name: str, *sources: Node) -> ir.Concatenate:
    shape = (*sources[0].shape[:-1], sum(source.shape[-1] for source in sources))
    fmt = ir.common_format([source.fmt for source in sources])
    return ir.Concatenate(name, tuple(source.name for source in sources), shape, fmt)


def multiply(name: str, left: Node, right: Node) -> ir.Multiply:
    shape = tuple(map(max, zip(left.shape, right.shape, strict=True)))
    return ir.Multiply(name, (left.name, right.name), shape, ir.product_format(left.fmt, right.fmt))


def tables_and_means(seed: int) -> Graph:
    """A table in LUTs, one in block RAM; means of 3 that overlap, of 2, and of all that is left."""
    net = Net(seed, 18)
    x = net.conv("conv", net.last, 4)
    x = net(table("bend", x, np.sin, FixedFormat(7, 6)))
    x = net(mean("three", x, (3,), (2,), pads=((1, 0),)))
    x = net(quantize("three_q", x, FixedFormat(10, 9)))
    x = net(table("square", x, np.square, FixedFormat(9, 9, signed=False)))
    x = net(quantize("square_q", x, RELU))
    x = net(mean("two", x, (2,), (2,)))
    x = net(quantize("two_q", x, ACT))
    x = net(mean("all", x, x.shape[:1], x.shape[:1]))
    return net.end("tables", net(quantize("all_q", x, FixedFormat(8, 6))))


def branches(seed: int) -> Graph:
    """A join of three branches of other formats; a gate for each channel, one for each step, a product of streams."""
    net = Net(seed)
    x = net.conv("stem", net.last, 3)
    y = net.conv("left", x, 2, 5, RELU)
    z = net.conv("right", x, 3, 1, FixedFormat(5, 3))
    x = net(quantize("join_q", net(concatenate("join", x, y, z)), ACT))
    # What it is multiplied with comes when the frame has ended.
    squeezed = net(global_pool("squeeze", x, largest=False))
    gate = net.dense("gate", net(quantize("squeeze_q", squeezed, ACT)), x.shape[-1], FixedFormat(5, 5, False))
    gate = net(ir.Reshape("gate_row", (gate.name,), (1, x.shape[-1]), gate.fmt))
    x = net(quantize("gated_q", net(multiply("gated", x, gate)), ACT))
    step = net.conv("attention", x, 1, 3, FixedFormat(4, 4, False))
    y = net(quantize("weighed_q", net(multiply("weighed", step, x)), ACT))
    x = net(quantize("squared_q", net(multiply("squared", y, x)), ACT))
    x = net(concatenate("both", x, y))
    return net.end("branches", net(global_pool("most", x, largest=True)))


def lstms(seed: int) -> Graph:
    """Two of them, of formats in which the carry leaves +-1 and does not."""
    net = Net(seed, 8)
    x = net(random_lstm(net.rng, "wide", net.last, 4, Widths(state_bits=9, gate_bits=7, activation_bits=6), 6))
    x = net(random_lstm(net.rng, "narrow", x, 5))
    return net.end("lstms", net(global_pool("mean", x, largest=False)))


def reset_before(node: ir.Gru) -> ir.Gru:
    """A GRU whose reset gate multiplies the state, with the one bias that this form has."""
    return replace(node, reset_after=False, recurrent_bias=np.zeros_like(node.recurrent_bias))


def gates(seed: int) -> Graph:
    """Gates and candidates as tables in LUTs and in block RAM, one of them hard, in a GRU and an LSTM."""
    net = Net(seed, 8)
    small, large = FixedFormat(6, 3), FixedFormat(10, 6)
    gru = random_gru(net.rng, "gru", net.last, 5, Widths(state_bits=7, gate_bits=6))
    x = net(with_tables(net.rng, gru, small, large))
    lstm = random_lstm(net.rng, "lstm", x, 3, Widths(state_bits=9, gate_bits=7, activation_bits=6), 6)
    x = net(with_tables(net.rng, lstm, large, FixedFormat(5, 2)))
    x = net(with_tables(net.rng, random_gru(net.rng, "half", x, 3), candidate=small))
    x = net(with_tables(net.rng, random_lstm(net.rng, "other", x, 2), gate=small))
    return net.end("gates", net(global_pool("mean", x, largest=False)))


def reset(seed: int) -> Graph:
    """The reset gate before the recurrent product: hard gates, and tables."""
    net = Net(seed, 8)
    x = net(reset_before(random_gru(net.rng, "hard", net.last, 6, Widths(state_bits=9, gate_bits=7))))
    table = random_gru(net.rng, "table", x, 4)
    x = net(with_tables(net.rng, reset_before(table), FixedFormat(7, 4), FixedFormat(10, 7)))
    return net.end("reset", net(global_pool("mean", x, largest=False)))


def both_ways(seed: int) -> Graph:
    """Layers that read a frame from both ends: all states joined, then the last state alone of either half."""
    net = Net(seed, 8)
    x, halves = net.last, []
    for number, kind in enumerate((random_gru, random_lstm)):
        forward = net(kind(net.rng, f"forward{number}", x, 3))
        turned = net(ir.Reverse(f"turned{number}", (x.name,), x.shape, x.fmt))
        back = net(kind(net.rng, f"back{number}", turned, 3))
        back = net(ir.Reverse(f"order{number}", (back.name,), back.shape, back.fmt))
        x = net(concatenate(f"join{number}", forward, back))
    for way in ("ahead", "behind"):
        y = x if way == "ahead" else net(ir.Reverse("last", (x.name,), x.shape, x.fmt))
        y = net(random_gru(net.rng, way, y, 2))
        y = net(ir.Crop(f"{way}_last", (y.name,), (1, 2), y.fmt, ((7, 0),)))
        halves.append(net(reshape(f"{way}_state", y, (2,))))
    return net.end("both_ways", net(concatenate("states", *halves)))


def windowed(name: str, net: Net, source: Node, units: int, taps: int, **options: Any) -> Any:
    """A convolution over time with options, and its quantiser."""
    plain = linear(net.rng, ir.Conv1d, name, source, units, taps)
    groups = options.get("groups", 1)
    kernel = plain.kernel[:, : source.shape[-1] // groups]
    node = replace(plain, kernel=kernel, **options)
    spread = (taps - 1) * node.dilation + 1
    places = (sum(node.padding[0]) + source.shape[0] - spread) // node.stride + 1
    node = with_exact_format(replace(node, shape=(places, units)), source)
    return net(quantize(f"{name}_q", net(node), ACT))


def over_time(seed: int) -> Graph:
    """Strides, dilation, padding in front, valid, in groups and depthwise; a maximum with windows that overlap."""
    net = Net(seed, 37)
    x = windowed("strided", net, net.last, 4, 3, stride=2)
    x = windowed("dilated", net, x, 4, 3, dilation=2)
    x = windowed("causal", net, x, 6, 3, pads=(2, 0))
    x = windowed("valid", net, x, 4, 2, pads=(0, 0), stride=3, groups=2)
    x = windowed("depthwise", net, x, 4, 3, groups=4)
    y = net(ir.ZeroPad("padded", (x.name,), (x.shape[0] + 3, 4), x.fmt, ((1, 2),)))
    y = net(ir.Crop("cropped", (y.name,), x.shape, x.fmt, ((2, 1),)))
    x = net(quantize("joined_q", net(add("joined", x, y)), ACT))
    places = (x.shape[0] + 2 - 3) // 2 + 1
    x = net(ir.MaxPool1d("most", (x.name,), (places, 4), x.fmt, 3, stride=2, pads=(1, 1)))
    flat = net(reshape("flat", x, (places * 4,)))
    return net.end("over_time", flat)


def image(seed: int) -> Graph:
    """An image of I and Q by time: convolutions, a maximum, a mean; flattened into a dense layer."""
    net = Net(seed, 12)
    x = net(reshape("image", net.last, (12, 2, 1)))
    x = net(quantize("first_q", net(conv2d(net.rng, "first", x, 3, (3, 2), same=True)), ACT))
    x = net(quantize("second_q", net(conv2d(net.rng, "second", x, 4, (2, 2))), ACT))
    y = net(ir.Permute("turned", (x.name,), (1, 11, 4), x.fmt, (1, 0, 2)))
    y = net(ir.Permute("mixed", (y.name,), (4, 11, 1), x.fmt, (2, 1, 0)))
    y = net(max_pool2d("most", y, (2, 3), (1, 2)))
    y = net(quantize("mean_q", net(mean("mean", y, (2, 2), (1, 2))), ACT))
    y = net(reshape("flat", y, (int(np.prod(y.shape)),)))
    return net.end("image", net.dense("hidden", y, 4, RELU))


def wide(seed: int) -> Graph:
    """An image so wide that the elements between its rows lie in a memory."""
    net = Net(seed, 72)
    x = net(ir.Permute("turned", (net.last.name,), (2, 72), net.last.fmt, (1, 0)))
    x = net(reshape("image", x, (2, 72, 1)))
    x = net(quantize("conv_q", net(conv2d(net.rng, "conv", x, 2, (2, 3))), ACT))
    x = net(reshape("row", x, x.shape[1:]))
    return net.end("wide", net(global_pool("most", x, largest=True)))


def maps(seed: int) -> Graph:
    """Flattened maps in front of dense layers: an image, a table and two readers between."""
    net = Net(seed, 12)
    x = net(reshape("image", net.last, (12, 2, 1)))
    x = net(quantize("conv_q", net(conv2d(net.rng, "conv", x, 6, (3, 2))), ACT))
    flat = net(reshape("flat", x, (60,)))
    wide = net.dense("wide", net(quantize("flat_q", flat, RELU)), 8)
    other = net.dense("other", net(table("bend", flat, np.sin, FixedFormat(7, 6))), 4)
    few = net.dense("few", flat, 2)
    return net.end("maps", net(concatenate("joined", wide, other, few)))


NETWORKS: dict[str, Callable[[int], Graph]] = {
    "tables": tables_and_means, "branches": branches, "lstms": lstms, "over_time": over_time, "image": image,
    "wide": wide, "gates": gates, "reset": reset, "both_ways": both_ways, "maps": maps,
}  # fmt: skip
#: Network -> settings with shared multipliers.
SHARED: dict[str, dict[str, Any]] = {
    "tables": {"conv": {"reuse_factor": 3}},
    "branches": {"stem": {"reuse_factor": 6}, "gate": {"reuse_factor": 16}},
    "lstms": {
        "wide": {"reuse_factor": 8}, "narrow": {"reuse_factor": 4, "recurrent_reuse_factor": 5, "cells_reuse_factor": 2}
    },
    "over_time": {
        "strided": {"reuse_factor": 6}, "dilated": {"reuse_factor": 2}, "causal": {"reuse_factor": 24},
        "valid": {"reuse_factor": 3}, "depthwise": {"reuse_factor": 12}, "head": {"reuse_factor": 4},
    },
    "image": {"first": {"reuse_factor": 6}, "second": {"reuse_factor": 24}, "hidden": {"reuse_factor": 4}},
    "wide": {"conv": {"reuse_factor": 12}},
    "gates": {
        "gru": {"reuse_factor": 15, "cells_reuse_factor": 2},
        "lstm": {"reuse_factor": 5, "recurrent_reuse_factor": 6, "cells_reuse_factor": 2},
        "half": {"strategy": "latency", "cells_reuse_factor": 2}, "other": {"reuse_factor": 8, "dsp_multipliers": 1},
    },
    "reset": {
        "hard": {"reuse_factor": 6, "dsp_multipliers": 3}, "table": {"reuse_factor": 6, "recurrent_reuse_factor": 16},
    },
    "both_ways": {"forward0": {"reuse_factor": 9}, "back1": {"reuse_factor": 6}, "behind": {"reuse_factor": 6}},
    # Below, at and above the channels of a place.
    "maps": {
        "wide": {"reuse_factor": 2, "dsp_multipliers": 3}, "other": {"reuse_factor": 12}, "few": {"reuse_factor": 6},
    },
}  # fmt: skip


#: Ways to fill a weight array with the ends of its range.
FILLS: dict[str, Callable[[Any, FixedFormat], Any]] = {
    "largest": lambda array, fmt: np.full_like(array, fmt.max_raw),
    "smallest": lambda array, fmt: np.full_like(array, fmt.min_raw),
    "alternating": lambda array, fmt: np.where(np.indices(array.shape).sum(axis=0) % 2, fmt.max_raw, fmt.min_raw),
    "zero": lambda array, fmt: np.zeros_like(array),
}


def filled(graph: Graph, kind: str) -> Graph:
    """The graph with all trained weights at an end of their range; its quantisers take what comes."""
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        arrays = node.arrays() if node.trained else {}
        found: Any = replace(
            node, **{key: FILLS[kind](array, node.array_format(key)).astype(np.int32) for key, array in arrays.items()}
        )
        if isinstance(found, ir.Gru) and not found.reset_after:
            found = reset_before(found)
        if isinstance(found, ir.Linear):
            found = with_exact_format(found, nodes[found.inputs[0]])
        nodes[node.name] = found
    return Graph(graph.name, tuple(nodes.values()), graph.outputs, graph.classes)
