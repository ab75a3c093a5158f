"""Weights and samples at the ends of their ranges: every sum in the RTL meets the widest value that it must hold.

Each width is made one bit too small once; the test that needs the bit must then see another logit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Net
from networks import Widths, global_pool, linear, quantize, random_gru, with_exact_format
from rtl_bench import check, core_samples, simulate

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.graph import Graph, Node, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl import build_core
from hw_amc.rtl.blocks.gru import GruBlock
from hw_amc.rtl.blocks.linear import Requantize
from hw_amc.rtl.lowering.ops import linear as linear_ops

pytestmark = pytest.mark.cosim
T = 8


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


def _chain(*layers: Callable[[Node], Node], input_frac: int = 7) -> Graph:
    """Layers behind the input's quantiser, then a mean: nothing hides a wrong state."""
    net: list[Node] = [ir.Input("input", (), (T, 2), FixedFormat(16, 14))]
    net.append(quantize("input_quant", net[0], FixedFormat(8, input_frac)))
    for layer in layers:
        net.append(layer(net[-1]))
    net.append(global_pool("mean", net[-1], largest=False))
    return Graph("ends", tuple(net), ("mean",), (tuple(map(str, range(net[-1].shape[-1]))),))


def _equal(graph: Graph, samples: list[int], cache: Path, folder: Path, cycles: int = 1) -> bool:
    """Whether the core answers frames that hold `samples`, I and Q alike, as golden does."""
    core = build_core(graph, RtlSettings(cycles_per_step=cycles, contexts=1), cache=cache)
    frame = np.repeat(np.array(samples, np.int16)[:, np.newaxis], 2, axis=1)
    frames = np.stack([frame, frame])
    want = golden.run(graph, frames)[graph.outputs[0]]
    run = simulate(core, core_samples(graph, frames, core).reshape(-1), want.size, folder)
    return run.words == want.reshape(-1).tolist()


def _ends(fmt: FixedFormat, signs: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The largest weights where a gate's sign is positive, the least where it is negative."""
    row = np.repeat([fmt.max_raw if sign > 0 else fmt.min_raw for sign in signs], shape[-1] // len(signs))
    return np.broadcast_to(row, shape).astype(np.int32)


@dataclass(frozen=True)
class Extreme:
    """A GRU whose weights are at their ends, with the samples that drive one sum to its end."""

    cells: int
    #: Signs of the gates z, r and the candidate.
    weights: tuple[int, int, int]
    bias: tuple[int, int, int]
    recurrent_bias: tuple[int, int, int]
    samples: tuple[int, ...]
    #: The input may have fewer fraction bits than the states.
    input_frac: int = 7

    def graph(self) -> Graph:
        def gru(source: Node) -> Node:
            node = random_gru(np.random.default_rng(0), "gru", source, self.cells, Widths())
            return replace(
                node,
                kernel=_ends(node.kernel_fmt, self.weights, node.kernel.shape),
                recurrent=_ends(node.recurrent_fmt, self.weights, node.recurrent.shape),
                bias=_ends(node.bias_fmt, self.bias, node.bias.shape),
                recurrent_bias=_ends(node.recurrent_bias_fmt, self.recurrent_bias, node.recurrent_bias.shape),
            )

        return _chain(gru, input_frac=self.input_frac)


HIGH, LOW = 32767, -32768
#: The sum that each drives to its end, by the name of its width in amc_gru_cell.
GRU = {
    # z stays open, and would be shut by a sum that wraps.
    "SUM": Extreme(1, (1, 1, 1), (1, 1, 1), (1, 1, 1), (HIGH,) * T),
    # A state at 1, then no input: the recurrent half alone, against a bias of the other sign.
    "HB": Extreme(1, (-1, 1, 1), (-1, 1, -1), (-1, 1, 1), (HIGH,) * 3 + (0,) * (T - 3)),
    "XB": Extreme(1, (-1, 1, 1), (-1, 1, 1), (-1, 1, 1), (HIGH,) * T),
    "PRODUCT": Extreme(4, (-1, 1, 1), (-1, 1, 1), (-1, 1, 1), (HIGH,) * T, input_frac=6),
}


@pytest.mark.parametrize("cycles", [1, 3])
@pytest.mark.parametrize("width", GRU)
def test_a_gru_at_its_ends(width: str, cycles: int, cache: Path, tmp_path: Path) -> None:
    assert _equal(GRU[width].graph(), list(GRU[width].samples), cache, tmp_path, cycles)


@pytest.mark.parametrize("width", GRU)
def test_a_gru_needs_every_bit(width: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = GruBlock.__dict__["widths"].func

    def narrow(block: GruBlock) -> dict[str, int]:
        return {key: bits - (key == width) for key, bits in widths(block).items()}

    short = cached_property(narrow)
    short.__set_name__(GruBlock, "widths")
    monkeypatch.setattr(GruBlock, "widths", short)
    assert not _equal(GRU[width].graph(), list(GRU[width].samples), cache, tmp_path)


def _convolution(source: Node) -> Node:
    """Five taps of the largest weights: the sum over time has three bits more than a product."""
    node = linear(np.random.default_rng(0), ir.Conv1d, "conv", source, 2, taps=5)
    kernel = np.full(node.kernel.shape, node.kernel_fmt.max_raw, np.int32)
    return with_exact_format(replace(node, kernel=kernel, bias=np.zeros_like(node.bias)), source)


def _biased(source: Node) -> Node:
    """A small product and a large bias: at the largest sample the sum is the largest of its bits, and is rounded up."""
    node = linear(np.random.default_rng(0), ir.Dense, "dense", source, 1)
    bias_fmt, most = FixedFormat(16, source.fmt.frac + node.kernel_fmt.frac), 2 * source.fmt.max_raw
    bias = np.array([(1 << 12) - 1 - most], np.int32)
    return with_exact_format(replace(node, kernel=np.ones_like(node.kernel), bias=bias, bias_fmt=bias_fmt), source)


def _rounded(source: Node) -> Node:
    return quantize(f"{source.name}_q", source, FixedFormat(source.fmt.bits, source.fmt.frac - 6))


@pytest.mark.parametrize("cycles", [1, 3])
@pytest.mark.parametrize("layer", [_convolution, _biased])
def test_sums_at_their_ends(layer: Callable[[Node], Node], cycles: int, cache: Path, tmp_path: Path) -> None:
    assert _equal(_chain(layer, _rounded), [HIGH] * T, cache, tmp_path, cycles)


def test_outputs_behind_the_last_sample_are_exact(cache: Path, tmp_path: Path) -> None:
    """Nothing is added to them, not an LSB: they are not rounded."""
    assert _equal(_chain(_convolution), list(range(0, T << 8, 1 << 8)), cache, tmp_path)


def test_a_convolution_needs_every_bit(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = linear_ops.format_for

    def narrow(low: int, high: int, frac: int) -> FixedFormat:
        fmt = wide(low, high, frac)
        return replace(fmt, bits=fmt.bits - 1)

    monkeypatch.setattr(linear_ops, "format_for", narrow)
    assert not _equal(_chain(_convolution, _rounded), [HIGH] * T, cache, tmp_path)


def test_a_requantiser_needs_every_bit(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bits = Requantize.sum_bits.fget
    assert bits is not None
    monkeypatch.setattr(Requantize, "sum_bits", property(lambda unit: bits(unit) - 1))
    assert not _equal(_chain(_biased, _rounded), [HIGH] * T, cache, tmp_path)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_an_affine_of_either_sign(cycles: int, signed: bool, cache: Path, tmp_path: Path) -> None:
    """Multipliers that channels share take unsigned activations whose highest bit is set."""

    def activation(source: Node) -> Node:
        return quantize("act", source, FixedFormat(6, 5 + (not signed), signed))

    def affine(source: Node) -> Node:
        node = linear(np.random.default_rng(1), ir.Affine, "affine", source, 3)
        return with_exact_format(replace(node, kernel=np.array([13, -16, 9], np.int32)), source)

    def dense(source: Node) -> Node:
        return linear(np.random.default_rng(5), ir.Dense, "dense", source, 3)

    samples = [HIGH, LOW, 0, HIGH // 2, LOW // 2, 1 << 12, -(1 << 11), HIGH]
    graph = _chain(dense, activation, affine)
    assert golden.run(graph, np.full((1, T, 2), HIGH, np.int16), keep=["act"])["act"].max() == 63 >> signed
    assert _equal(graph, samples, cache, tmp_path, cycles)


def test_a_product_of_streams_at_its_ends(cache: Path, tmp_path: Path) -> None:
    """The least value squared is the one product that takes all bits."""

    def square(source: Node) -> Node:
        fmt = ir.product_format(source.fmt, source.fmt)
        return ir.Multiply("square", (source.name, source.name), source.shape, fmt)

    assert _equal(_chain(square), [LOW] * T, cache, tmp_path)


def test_a_head_at_its_ends(cache: Path, tmp_path: Path) -> None:
    """The least mean times the least weight, in a network that has no layer over time."""
    graph = _chain()
    vector = quantize("vector", graph["mean"], FixedFormat(6, 5))
    head = linear(np.random.default_rng(0), ir.Dense, "head", vector, 2)
    kernel = np.full(head.kernel.shape, head.kernel_fmt.min_raw, np.int32)
    head = with_exact_format(replace(head, kernel=kernel, bias=np.zeros_like(head.bias)), vector)
    graph = Graph("ends", (*graph.nodes, vector, head), ("head",), (("0", "1"),))
    assert _equal(graph, [LOW] * T, cache, tmp_path)


def test_a_mean_that_loses_one_bit_is_rounded(cache: Path, tmp_path: Path) -> None:
    net = Net(0)
    mean = net(global_pool("mean", net.conv("conv", net.last, 3), largest=False))
    head = net.end("halved", net(quantize("mean_q", mean, FixedFormat(mean.fmt.bits - 1, mean.fmt.frac - 1))))
    check(head, RtlSettings(), tmp_path, frames=12, cache=cache)
