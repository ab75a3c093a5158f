"""Small random networks in integers, for tests of every back end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat, format_for


@dataclass(frozen=True)
class Widths:
    """Bit widths of a random network; the defaults are those of the deployed models."""

    input_bits: int = 8
    weight_bits: int = 8
    state_bits: int = 8
    gate_bits: int = 8
    activation_bits: int = 8
    bias_bits: int = 8


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], fmt: FixedFormat, sparsity: float = 0.0) -> Any:
    """Integers over the whole range of `fmt`, a fraction `sparsity` of them zero."""
    weights = rng.integers(fmt.min_raw, fmt.max_raw + 1, shape)
    return np.where(rng.random(shape) < sparsity, 0, weights).astype(np.int32)


def gru_cnn_graph(
    rng: np.random.Generator,
    frame_len: int = 16,
    cells: int = 6,
    filters: tuple[int, int] = (4, 3),
    sparsity: float = 0.5,
    widths: Widths = Widths(),
) -> Graph:
    """A GRU-CNN of the lead model's form with random weights; `filters[1]` is the number of classes."""
    T, w = frame_len, widths
    weight = FixedFormat(w.weight_bits, w.weight_bits - 1)
    bias = FixedFormat(w.bias_bits, w.bias_bits - 1)
    state = FixedFormat(w.state_bits, w.state_bits - 1)
    act = FixedFormat(w.activation_bits, w.activation_bits, signed=False)
    nodes: list[Node] = [
        ir.Input("input", (), (T, 2), FixedFormat(16, 14)),
        ir.Quantize("input_quant", ("input",), (T, 2), FixedFormat(w.input_bits, w.input_bits - 2)),
    ]
    nodes.append(
        ir.Gru(
            "gru",
            ("input_quant",),
            (T, cells),
            state,
            random_weights(rng, (2, 3 * cells), weight, sparsity),
            # Smaller recurrent weights keep the state from sticking at its limits.
            random_weights(rng, (cells, 3 * cells), FixedFormat(w.weight_bits - 1, 0), sparsity),
            random_weights(rng, (3 * cells,), bias),
            random_weights(rng, (3 * cells,), bias),
            weight,
            weight,
            bias,
            bias,
            FixedFormat(w.gate_bits, w.gate_bits, signed=False),
            state,
        )
    )
    nodes.append(_affine(rng, "gru_affine", nodes[-1], weight))
    nodes.append(ir.Quantize("gru_relu", ("gru_affine",), (T, cells), act))
    nodes.append(_conv1d(rng, "conv1", nodes[-1], filters[0], weight, sparsity))
    nodes.append(ir.Quantize("conv1_relu", ("conv1",), (T, filters[0]), act))
    pooled = FixedFormat(act.bits + 1, act.frac + 1, signed=False)
    nodes.append(ir.AvgPool1d("pool", ("conv1_relu",), (T // 2, filters[0]), pooled, 2))
    nodes.append(_conv1d(rng, "conv2", nodes[-1], filters[1], weight, sparsity))
    nodes.append(ir.Quantize("conv2_relu", ("conv2",), (T // 2, filters[1]), act))
    shift = (T // 2).bit_length() - 1
    mean = FixedFormat(act.bits + shift, act.frac + shift, signed=False)
    nodes.append(ir.GlobalAvgPool1d("gap", ("conv2_relu",), (filters[1],), mean))
    nodes.append(ir.Quantize("gap_quant", ("gap",), (filters[1],), FixedFormat(12, 12, signed=False)))
    nodes.append(_affine(rng, "head", nodes[-1], weight))
    classes = tuple(f"class{i}" for i in range(filters[1]))
    return Graph("random_gru_cnn", tuple(nodes), ("head",), (classes,))


def random_frames(rng: np.random.Generator, graph: Graph, count: int) -> Any:
    """Wire words over the whole input range."""
    fmt = graph.input.fmt
    return rng.integers(fmt.min_raw, fmt.max_raw + 1, (count, *graph.input.shape)).astype(np.int16)


def _affine(rng: np.random.Generator, name: str, source: Node, weight: FixedFormat) -> ir.Affine:
    channels = source.shape[-1]
    kernel = random_weights(rng, (channels,), weight)
    bias_fmt = FixedFormat(18, source.fmt.frac + weight.frac)
    bias = rng.integers(-(1 << 13), 1 << 13, channels).astype(np.int32)
    node = ir.Affine(name, (source.name,), source.shape, FixedFormat(48, bias_fmt.frac), kernel, bias, weight, bias_fmt)
    return with_exact_format(node, source)


def _conv1d(
    rng: np.random.Generator, name: str, source: Node, filters: int, weight: FixedFormat, sparsity: float
) -> ir.Conv1d:
    T, channels = source.shape
    kernel = random_weights(rng, (3, channels, filters), weight, sparsity)
    bias_fmt = FixedFormat(12, source.fmt.frac + 2)
    bias = random_weights(rng, (filters,), bias_fmt)
    fmt = FixedFormat(48, source.fmt.frac + weight.frac)
    node = ir.Conv1d(name, (source.name,), (T, filters), fmt, kernel, bias, weight, bias_fmt)
    return with_exact_format(node, source)


def with_exact_format(node: Any, source: Node) -> Any:
    low, high = node.acc_range(source.fmt)
    values = {**vars(node), "fmt": format_for(min(low, -1), high, node.fmt.frac)}
    return type(node)(**values)


def linear(
    rng: np.random.Generator, kind: Any, name: str, source: Node, units: int, taps: int = 1, bits: int = 5
) -> Any:
    """A convolution, dense or affine node of random weights, its output the exact accumulator."""
    channels = source.shape[-1]
    shapes = {ir.Conv1d: (taps, channels, units), ir.Dense: (channels, units), ir.Affine: (units,)}
    weight, bias_fmt = FixedFormat(bits, bits - 1), FixedFormat(8, source.fmt.frac)
    kernel, bias = random_weights(rng, shapes[kind], weight, 0.3), random_weights(rng, (units,), bias_fmt)
    wide = FixedFormat(48, source.fmt.frac + weight.frac)
    node = kind(name, (source.name,), (*source.shape[:-1], units), wide, kernel, bias, weight, bias_fmt)
    return with_exact_format(node, source)


def quantize(name: str, source: Node, fmt: FixedFormat) -> ir.Quantize:
    return ir.Quantize(name, (source.name,), source.shape, fmt)


def add(name: str, left: Node, right: Node) -> ir.Add:
    return ir.Add(name, (left.name, right.name), left.shape, ir.sum_format(left.fmt, right.fmt))


def max_pool(name: str, source: Node, pool: int = 2) -> ir.MaxPool1d:
    return ir.MaxPool1d(name, (source.name,), (source.shape[0] // pool, source.shape[1]), source.fmt, pool)


def avg_pool(name: str, source: Node, pool: int = 2) -> ir.AvgPool1d:
    shift = pool.bit_length() - 1
    fmt = FixedFormat(source.fmt.bits + shift, source.fmt.frac + shift, source.fmt.signed)
    return ir.AvgPool1d(name, (source.name,), (source.shape[0] // pool, source.shape[1]), fmt, pool)


def global_pool(name: str, source: Node, largest: bool) -> Any:
    if largest:
        return ir.GlobalMaxPool1d(name, (source.name,), source.shape[1:], source.fmt)
    mean = avg_pool(name, source, source.shape[0])
    return ir.GlobalAvgPool1d(name, mean.inputs, source.shape[1:], mean.fmt)


def random_gru(rng: np.random.Generator, name: str, source: Node, cells: int, widths: Widths = Widths()) -> ir.Gru:
    w = widths
    weight, state = FixedFormat(w.weight_bits, w.weight_bits - 1), FixedFormat(w.state_bits, w.state_bits - 1)
    bias, gate = FixedFormat(w.bias_bits, w.bias_bits - 1), FixedFormat(w.gate_bits, w.gate_bits, signed=False)
    return ir.Gru(
        name,
        (source.name,),
        (source.shape[0], cells),
        state,
        random_weights(rng, (source.shape[-1], 3 * cells), weight, 0.3),
        random_weights(rng, (cells, 3 * cells), FixedFormat(w.weight_bits - 1, 0), 0.3),
        random_weights(rng, (3 * cells,), bias),
        random_weights(rng, (3 * cells,), bias),
        weight,
        weight,
        bias,
        bias,
        gate,
        state,
    )


def with_tables(
    rng: np.random.Generator, node: Any, gate: FixedFormat | None = None, candidate: FixedFormat | None = None
) -> Any:
    """A recurrent node whose gates, and whose candidate, are tables of random integers for sums in these formats."""
    fields: dict[str, Any] = {}
    for what, source in (("gate", gate), ("candidate", candidate)):
        if source is not None:
            table = random_weights(rng, (1 << source.bits,), getattr(node, f"{what}_fmt"))
            fields |= {f"{what}_in_fmt": source, f"{what}_table": table}
    return replace(node, **fields)


def residual_graph(
    rng: np.random.Generator, frame_len: int = 16, channels: int = 3, taps: tuple[int, int, int] = (3, 3, 1)
) -> Graph:
    """Branches of every sort: around convolutions, around a GRU, pooled at different places; a global maximum."""
    T, act = frame_len, FixedFormat(6, 5)
    net: list[Node] = [ir.Input("input", (), (T, 2), FixedFormat(16, 14))]

    def then(node: Any) -> Any:
        net.append(node)
        return node

    x = then(quantize("input_quant", net[0], FixedFormat(7, 5)))
    x = then(quantize("stem_q", then(linear(rng, ir.Conv1d, "stem", x, channels, taps[0])), act))
    y = then(quantize("one_q", then(linear(rng, ir.Conv1d, "one", x, channels, taps[1])), FixedFormat(5, 5, False)))
    y = then(quantize("two_q", then(linear(rng, ir.Conv1d, "two", y, channels, taps[2])), FixedFormat(5, 3)))
    x = then(quantize("sum1_q", then(add("sum1", x, y)), FixedFormat(6, 5, signed=False)))
    y = then(random_gru(rng, "gru", x, channels))
    z = then(quantize("short_q", then(linear(rng, ir.Dense, "short", x, channels)), FixedFormat(6, 3)))
    x = then(quantize("sum2_q", then(add("sum2", y, z)), act))
    y = then(quantize("late_q", then(linear(rng, ir.Conv1d, "late", then(max_pool("most", x)), channels, 3)), act))
    z = then(avg_pool("mean", then(quantize("soon_q", then(linear(rng, ir.Conv1d, "soon", x, channels, 2)), act))))
    x = then(quantize("sum3_q", then(add("sum3", y, z)), act))
    x = then(add("twice", x, x))
    x = then(global_pool("pooled", x, largest=bool(rng.integers(2))))
    then(linear(rng, ir.Dense, "head", x, 3))
    return Graph("residual", tuple(net), ("head",), (("a", "b", "c"),))


def random_lstm(
    rng: np.random.Generator, name: str, source: Node, cells: int, widths: Widths = Widths(), state_frac: int = 7
) -> ir.Lstm:
    """An LSTM; its carry may leave +-1 where `state_frac` is smaller than its bits allow."""
    w = widths
    weight, bias = FixedFormat(w.weight_bits, w.weight_bits - 1), FixedFormat(w.bias_bits, w.bias_bits - 1)
    return ir.Lstm(
        name,
        (source.name,),
        (source.shape[0], cells),
        FixedFormat(w.state_bits, state_frac),
        random_weights(rng, (source.shape[-1], 4 * cells), weight, 0.3),
        random_weights(rng, (cells, 4 * cells), weight, 0.3),
        random_weights(rng, (4 * cells,), bias),
        weight,
        weight,
        bias,
        FixedFormat(w.gate_bits, w.gate_bits, signed=False),
        FixedFormat(w.activation_bits, w.activation_bits - 1),
    )


def lstm_graph(
    rng: np.random.Generator, frame_len: int = 8, cells: int = 4, widths: Widths = Widths(), state_frac: int = 7
) -> Graph:
    """An LSTM between the input's quantiser and a mean."""
    T = frame_len
    net: list[Node] = [ir.Input("input", (), (T, 2), FixedFormat(16, 14))]
    net.append(quantize("input_quant", net[0], FixedFormat(widths.input_bits, widths.input_bits - 2)))
    net.append(random_lstm(rng, "lstm", net[1], cells, widths, state_frac))
    net.append(global_pool("gap", net[2], largest=False))
    net.append(linear(rng, ir.Dense, "head", net[3], 3))
    return Graph("lstm_net", tuple(net), ("head",), (("a", "b", "c"),))


def hakimi_graph(
    rng: np.random.Generator,
    frame_len: int = 32,
    filters: tuple[int, ...] = (3, 4, 3),
    taps: tuple[int, ...] = (8, 4, 2),
) -> Graph:
    """Wide and even kernels, a maximum after each but the last, a mean, a dense layer."""
    net: list[Node] = [ir.Input("input", (), (frame_len, 2), FixedFormat(16, 14))]
    net.append(quantize("input_quant", net[0], FixedFormat(7, 5)))
    for index, (count, width) in enumerate(zip(filters, taps, strict=True)):
        net.append(linear(rng, ir.Conv1d, f"conv{index}", net[-1], count, width))
        net.append(quantize(f"relu{index}", net[-1], FixedFormat(6, 4, signed=False)))
        if index < len(filters) - 1:
            net.append(max_pool(f"pool{index}", net[-1]))
    net.append(global_pool("mean", net[-1], largest=False))
    net.append(linear(rng, ir.Dense, "head", net[-1], 5))
    return Graph("hakimi", tuple(net), ("head",), (tuple("abcde"),))


def conv2d(
    rng: np.random.Generator, name: str, source: Node, filters: int, size: tuple[int, int], same: bool = False
) -> Any:
    """A convolution over an image, its output the exact accumulator."""
    height, width, depth = source.shape
    weight, bias_fmt = FixedFormat(5, 4), FixedFormat(8, source.fmt.frac)
    kernel, bias = random_weights(rng, (*size, depth, filters), weight, 0.3), random_weights(rng, (filters,), bias_fmt)
    shape = (height, width, filters) if same else (height - size[0] + 1, width - size[1] + 1, filters)
    wide = FixedFormat(48, source.fmt.frac + weight.frac)
    node = ir.Conv2d(name, (source.name,), shape, wide, kernel, bias, weight, bias_fmt, same)
    return with_exact_format(node, source)


def max_pool2d(name: str, source: Node, pool: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> ir.MaxPool2d:
    sizes = zip(source.shape[:2], pool, stride, strict=True)
    shape = (*((size - window) // step + 1 for size, window, step in sizes), source.shape[2])
    return ir.MaxPool2d(name, (source.name,), shape, source.fmt, pool, stride)


def reshape(name: str, source: Node, shape: tuple[int, ...]) -> ir.Reshape:
    return ir.Reshape(name, (source.name,), shape, source.fmt)


def mtl_graph(
    rng: np.random.Generator,
    image: tuple[int, int, int] = (8, 8, 1),
    size: tuple[int, int] = (3, 3),
    units: tuple[int, int] = (5, 4),
    signed: bool = False,
) -> Graph:
    """The multi-task learner's form: a trunk over an image, two heads of a convolution and two dense layers."""
    T = int(np.prod(image)) // 2
    net: list[Node] = [ir.Input("input", (), (T, 2), FixedFormat(16, 14))]

    def then(node: Any) -> Any:
        net.append(node)
        return node

    x = then(reshape("image", then(quantize("input_quant", net[0], FixedFormat(7, 5))), image))
    x = then(quantize("trunk_relu", then(conv2d(rng, "trunk", x, 3, size)), FixedFormat(6, 4, signed)))
    x = then(max_pool2d("trunk_pool", x, (2, 2)))
    outputs = []
    for index, count in enumerate(units):
        y = then(conv2d(rng, f"conv{index}", x, 2, (3, 2)))
        y = then(quantize(f"conv{index}_q", y, FixedFormat(5 + index, 2, signed)))
        y = then(reshape(f"flat{index}", y, (int(np.prod(y.shape)),)))
        y = then(linear(rng, ir.Dense, f"hidden{index}", y, count))
        y = then(quantize(f"hidden{index}_q", y, FixedFormat(6 + index, 2, False)))
        outputs.append(then(linear(rng, ir.Dense, f"head{index}", y, 3 + index)))
    names = tuple(node.name for node in outputs)
    return Graph("mtl", tuple(net), names, (("a", "b", "c"), ("d", "e", "f", "g")))
