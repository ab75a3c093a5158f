"""Small random networks in integers, for tests of every back end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hw_amc import graph as ir
from hw_amc.fixed import FixedFormat, format_for
from hw_amc.graph import Graph, Node


@dataclass(frozen=True)
class Widths:
    """Bit widths of a random network; the defaults are those of the deployed models."""

    input_bits: int = 8
    weight_bits: int = 8
    state_bits: int = 8
    gate_bits: int = 8
    activation_bits: int = 8
    bias_bits: int = 8


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], fmt: FixedFormat, sparsity: float = 0.0):
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


def random_frames(rng: np.random.Generator, graph: Graph, count: int):
    """Wire words over the whole input range."""
    fmt = graph.input.fmt
    return rng.integers(fmt.min_raw, fmt.max_raw + 1, (count, *graph.input.shape)).astype(np.int16)


def _affine(rng: np.random.Generator, name: str, source: Node, weight: FixedFormat) -> ir.Affine:
    channels = source.shape[-1]
    kernel = random_weights(rng, (channels,), weight)
    bias_fmt = FixedFormat(18, source.fmt.frac + weight.frac)
    bias = rng.integers(-(1 << 13), 1 << 13, channels).astype(np.int32)
    node = ir.Affine(name, (source.name,), source.shape, FixedFormat(48, bias_fmt.frac), kernel, bias, weight, bias_fmt)
    return _with_exact_format(node, source)


def _conv1d(
    rng: np.random.Generator, name: str, source: Node, filters: int, weight: FixedFormat, sparsity: float
) -> ir.Conv1d:
    T, channels = source.shape
    kernel = random_weights(rng, (3, channels, filters), weight, sparsity)
    bias_fmt = FixedFormat(12, source.fmt.frac + 2)
    bias = random_weights(rng, (filters,), bias_fmt)
    fmt = FixedFormat(48, source.fmt.frac + weight.frac)
    node = ir.Conv1d(name, (source.name,), (T, filters), fmt, kernel, bias, weight, bias_fmt)
    return _with_exact_format(node, source, pad=True)


def _with_exact_format(node, source: Node, pad: bool = False):
    low, high = node.acc_range(source.fmt, pad)
    values = {**vars(node), "fmt": format_for(min(low, -1), high, node.fmt.frac)}
    return type(node)(**values)
