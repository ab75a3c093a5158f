"""Operations as streams of vectors: every integer of the graph's, in Verilog that equals golden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hls_networks
import numpy as np
import pytest
from hls_networks import ACT, NETWORKS, Net, filled, table, windowed
from networks import (
    Widths,
    gru_cnn_graph,
    hakimi_graph,
    lstm_graph,
    mtl_graph,
    random_frames,
    random_gru,
    random_lstm,
    residual_graph,
    with_tables,
)  # fmt: skip
from rtl_bench import check

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.cosim.simulators import lint
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl import build_core
from hw_amc.rtl.blocks.dense import DenseProgram
from hw_amc.rtl.blocks.join import JoinBlock
from hw_amc.rtl.blocks.pair import PairBlock
from hw_amc.rtl.lowering.network import lower
from hw_amc.rtl.lowering.options import Options
from hw_amc.rtl.lowering.streams.nodes import SumPool
from hw_amc.rtl.lowering.streams.rewrite import as_streams


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


def shapes(seed: int) -> Graph:
    """A frame from its end and back, turned, cut and padded; a difference; one row of an image; two ways to end."""
    net = Net(seed, 12)
    x = net.conv("stem", net.last, 3)
    y = net(ir.Reverse("back", (x.name,), x.shape, x.fmt))
    y = net(random_gru(net.rng, "gru", y, 3, Widths(state_bits=6)))
    y = net(ir.Reverse("forth", (y.name,), y.shape, y.fmt))
    x = net(ir.Subtract("less", (x.name, y.name), x.shape, ir.difference_format(x.fmt, y.fmt)))
    x = net(hls_networks.quantize("less_q", x, ACT))
    x = net(ir.Crop("cut", (x.name,), (9, 3), x.fmt, ((2, 1),)))
    x = net(ir.ZeroPad("padded", (x.name,), (12, 3), x.fmt, ((1, 2),)))
    y = net(ir.Crop("some", (windowed("strided", net, x, 4, 3, stride=2).name,), (3, 4), ACT, ((1, 2),)))
    z = net(table("bent", x, np.cos, ACT))
    last = net(ir.Crop("last", (z.name,), (3,), z.fmt, ((11, 0),)))
    first = net(hls_networks.linear(net.rng, ir.Dense, "first", last, 2))
    second = net(ir.GlobalMaxPool1d("second", (y.name,), (4,), y.fmt))
    head = net(hls_networks.linear(net.rng, ir.Dense, "head", second, 3))
    second = net(replace(first, name="other", inputs=(last.name,)))
    return Graph(
        "shapes", tuple(net.nodes), (first.name, head.name, second.name), (("a", "b"), ("c", "d", "e"), ("f", "g"))
    )


def both_ways(seed: int) -> Graph:
    """A bidirectional LSTM of smooth gates, and the last states of a GRU with the reset before the product."""
    net = Net(seed, 8)
    x, wide = net.last, FixedFormat(6, 3)
    forward = net(with_tables(net.rng, random_lstm(net.rng, "forward", x, 3), wide, FixedFormat(5, 3)))
    y = net(ir.Reverse("from_end", (x.name,), x.shape, x.fmt))
    y = net(with_tables(net.rng, random_lstm(net.rng, "backward", y, 3), wide, FixedFormat(5, 3)))
    y = net(ir.Reverse("to_start", (y.name,), y.shape, y.fmt))
    x = net(hls_networks.concatenate("states", forward, y))
    x = net(hls_networks.quantize("states_q", x, ACT))
    states = net(before(net, x, FixedFormat(6, 3)))
    return net.end("both_ways", net(ir.Crop("last", (states.name,), (4,), states.fmt, ((7, 0),))))


def before(net: Net, source: Any, gate: FixedFormat | None) -> Any:
    """A GRU with reset_after = false."""
    node = random_gru(net.rng, "before", source, 4)
    node = replace(node, reset_after=False, recurrent_bias=np.zeros_like(node.recurrent_bias))
    return with_tables(net.rng, node, gate, None)


def gates(seed: int) -> Graph:
    """GRUs whose gates, whose candidates, and whose both are tables; one of hard gates with the reset before."""
    net = Net(seed, 8)
    x = net(with_tables(net.rng, random_gru(net.rng, "one", net.last, 2), FixedFormat(6, 3), None))
    x = net(with_tables(net.rng, random_gru(net.rng, "two", x, 3), None, FixedFormat(5, 3)))
    x = net(with_tables(net.rng, random_gru(net.rng, "both", x, 2), FixedFormat(5, 2), FixedFormat(6, 4)))
    x = net(with_tables(net.rng, random_lstm(net.rng, "lstm", x, 2), FixedFormat(6, 3), None))
    x = net(before(net, x, None))
    return net.end("gates", net(hls_networks.global_pool("mean", x, largest=False)))


def rows(seed: int) -> Graph:
    """An image whose rows are made of several samples, with padding: rows side by side in vectors."""
    net = Net(seed, 12)
    x = net(hls_networks.reshape("image", net.last, (4, 6, 1)))
    x = net(hls_networks.quantize("conv_q", net(hls_networks.conv2d(net.rng, "conv", x, 2, (3, 3), same=True)), ACT))
    x = net(hls_networks.max_pool2d("most", x, (2, 2), (2, 2)))
    x = net(hls_networks.reshape("flat", x, (12,)))
    return net.end("rows", net(hls_networks.quantize("bent_q", net(table("bent", x, np.tanh, FixedFormat(9, 7))), ACT)))


def selu(seed: int) -> Graph:
    """Dense layers behind a frame with functions of one variable between them, of signed and of unsigned integers."""
    net = Net(seed, 8)
    x = net(hls_networks.reshape("flat", net.conv("conv", net.last, 2), (16,)))
    x = net(table("bent1", net.dense("one", x, 5, FixedFormat(6, 4)), np.tanh, FixedFormat(5, 4)))
    x = net(table("bent2", net.dense("two", x, 4, FixedFormat(5, 3, False)), np.sqrt, FixedFormat(7, 5, False)))
    return net.end("selu", net.dense("three", x, 3, FixedFormat(6, 3)))


ALL = NETWORKS | {"shapes": shapes, "both_ways": both_ways, "gates": gates, "rows": rows, "selu": selu}
#: Those that hardware has as they are.
PLAIN = {"lstms", "gates", "reset"}
#: Those whose dense layers a program works off.
PROGRAMS = {"over_time", "image", "rows", "selu"}


def equal_outputs(graph: Graph, other: Graph, frames: Any) -> None:
    wanted, found = golden.run(graph, frames), golden.run(other, frames)
    for name in graph.outputs:
        np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("fill", [None, *hls_networks.FILLS])
@pytest.mark.parametrize("name", ALL)
def test_a_stream_has_the_graphs_integers(name: str, fill: str | None) -> None:
    graph = ALL[name](3)
    graph = graph if fill is None else filled(graph, fill)
    stream = as_streams(graph)
    assert (stream is graph) == (name in PLAIN)
    equal_outputs(graph, stream, random_frames(np.random.default_rng(2), graph, 9))


@pytest.mark.parametrize("build", [gru_cnn_graph, residual_graph, hakimi_graph, lstm_graph, mtl_graph])
def test_what_is_a_stream_stays_as_it_is(build: Any) -> None:
    graph = build(np.random.default_rng(1))
    assert as_streams(graph) is graph


def test_a_frame_from_its_end_keeps_what_stands_outside() -> None:
    """Columns of zeros beside an image, whose rows are read from the last one on."""
    net = Net(6, 12)
    x = net(hls_networks.reshape("image", net.last, (12, 2, 1)))
    x = net(ir.ZeroPad("padded", (x.name,), (12, 4, 1), x.fmt, ((0, 0), (1, 1))))
    x = net(hls_networks.reshape("rows", x, (12, 4)))
    x = net(ir.Reverse("back", (x.name,), x.shape, x.fmt))
    x = net(random_gru(net.rng, "gru", x, 2))
    graph = net.end("outside", net(hls_networks.global_pool("most", x, largest=True)))
    equal_outputs(graph, as_streams(graph), random_frames(np.random.default_rng(2), graph, 9))


@pytest.mark.parametrize("recurrent", [False, True])
def test_hidden_layers_behind_a_vector_are_a_program_where_no_loop_is(recurrent: bool, cache: Path) -> None:
    net = Net(2, 8)
    x = net(random_gru(net.rng, "gru", net.last, 2)) if recurrent else net.last
    x = net(hls_networks.quantize("mean_q", net(hls_networks.global_pool("mean", x, largest=False)), ACT))
    graph = net.end("hidden", net.dense("one", x, 3))
    chain = lower(graph, Options("t", cache=cache))
    assert isinstance(chain.results, DenseProgram) == (not recurrent)
    equal_outputs(graph, as_streams(graph), random_frames(np.random.default_rng(2), graph, 9))


@pytest.mark.parametrize("name", ALL)
def test_blocks_model_the_stream(name: str, cache: Path) -> None:
    """Every integer between blocks is golden's of the stream."""
    graph = ALL[name](1)
    stream = as_streams(graph)
    chain = lower(graph, Options("t", cache=cache))
    frames = random_frames(np.random.default_rng(3), graph, 3)
    tensors = golden.run(stream, frames, keep=[node.name for node in stream.nodes])
    for index in range(len(frames)):
        vectors = {"": tensors[chain.entry.name][index]}
        for link in chain.links:
            block, x = link.block, vectors[link.branch.last]
            if isinstance(block, JoinBlock):
                x = np.concatenate([vectors[feed.last] for feed in block.feeds], axis=1)
            elif isinstance(block, PairBlock) or hasattr(block, "early"):
                x = np.concatenate([vectors[block.early.last], x], axis=1)
            vectors[block.name] = block.model(x)
            if block.name in tensors:
                wanted = tensors[block.name][index]
                np.testing.assert_array_equal(vectors[block.name].reshape(wanted.shape), wanted)
            assert len(vectors[block.name]) == len(link.branch.then(block).slots)
        assert isinstance(chain.results, DenseProgram) == (name in PROGRAMS)
        logits = np.concatenate([tensors[output][index] for output in graph.outputs])
        np.testing.assert_array_equal(chain.results.model(vectors[chain.branch.last]), logits)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("name", "settings", "traffic"),
    [
        ("tables", RtlSettings(), {}),
        ("tables", RtlSettings(cycles_per_step=3), {"busy": 0.6, "ready": 0.4}),
        ("branches", RtlSettings(), {"busy": 0.7, "ready": 0.3}),
        ("branches", RtlSettings(cycles_per_step=4), {}),
        ("over_time", RtlSettings(), {}),
        ("over_time", RtlSettings(cycles_per_step=2), {"busy": 0.5, "reset_at": 150}),
        ("image", RtlSettings(), {"busy": 0.6, "ready": 0.6}),
        ("wide", RtlSettings(cycles_per_step=2), {}),
        ("shapes", RtlSettings(), {}),
        ("shapes", RtlSettings(cycles_per_step=3, contexts=2), {"busy": 0.6, "ready": 0.4}),
        ("both_ways", RtlSettings(), {"busy": 0.8, "ready": 0.5}),
        ("both_ways", RtlSettings(cycles_per_step=3), {}),
        ("gates", RtlSettings(cycles_per_step=2), {"busy": 0.5, "ready": 0.7}),
        ("gates", RtlSettings(contexts=2, mode="channels"), {}),
        ("rows", RtlSettings(), {}),
        ("selu", RtlSettings(), {}),
        ("selu", RtlSettings(cycles_per_step=2), {"busy": 0.7, "ready": 0.4}),
    ],
)
def test_streams_equal_golden(name: str, settings: Any, traffic: Any, cache: Path, tmp_path: Path) -> None:
    core, run = check(ALL[name](0), settings, tmp_path, cache=cache, frames=6, **traffic)
    if not traffic:
        assert run.word_cycles[0] - run.frame_cycles[0] == core.latency_cycles


def test_sums_of_successive_vectors() -> None:
    source = ir.Input("x", (), (6, 2), FixedFormat(4, 0))
    node = SumPool("sums", ("x",), (2, 2), FixedFormat(6, 0), 3)
    node.verify([source])
    vectors = np.array([[[1, 2], [3, 4], [5, 6], [7, 7], [-1, -2], [0, 1]]])
    assert node.execute([source], [vectors]).tolist() == [[[9, 12], [6, 6]]]


def test_weights_of_a_program_are_as_wide_as_the_widest(cache: Path) -> None:
    """-1, 0 and 1 have two bits."""
    net = Net(0)
    mean = net(hls_networks.global_pool("mean", net.conv("conv", net.last, 3), largest=False))
    graph = net.end("few", net.dense("hidden", net(hls_networks.quantize("mean_q", mean, ACT)), 4))
    nodes = [replace(node, kernel=np.sign(node.kernel)) if isinstance(node, ir.Dense) else node for node in graph.nodes]
    program = lower(replace(graph, nodes=tuple(nodes)), Options("few", cache=cache)).results
    assert isinstance(program, DenseProgram)
    assert program.widths["WEIGHT"] == 2


@pytest.mark.cosim
def test_a_head_of_one_element_gives_a_logit_a_cycle(cache: Path, tmp_path: Path) -> None:
    """Each takes its place while the one before it leaves."""
    net = Net(0)
    mean = net(hls_networks.global_pool("mean", net.conv("conv", net.last, 3), largest=False))
    graph = net.end("one", net.dense("hidden", net(hls_networks.quantize("mean_q", mean, ACT)), 1))
    core, run = check(graph, RtlSettings(cycles_per_step=3), tmp_path, cache=cache, frames=3)
    assert ".LANES(1)" in core.sources.files[f"{core.name}.v"]
    assert {words[-1] - words[0] for words in np.reshape(run.word_cycles, (3, -1))} == {core.words_per_result - 1}


@pytest.mark.cosim
@pytest.mark.parametrize(("name", "fill"), [("tables", "largest"), ("over_time", "smallest"), ("both_ways", "largest")])
def test_weights_at_their_ends(name: str, fill: str, cache: Path, tmp_path: Path) -> None:
    check(filled(ALL[name](0), fill), RtlSettings(), tmp_path, frames=4, cache=cache)


@pytest.mark.cosim
@pytest.mark.parametrize("name", ALL)
def test_lint_is_clean(name: str, cache: Path, tmp_path: Path) -> None:
    core = build_core(ALL[name](0), RtlSettings(), cache=cache)
    core.sources.write(tmp_path)
    lint(tmp_path, core.name, sorted(core.sources.files))
    assert all(cost.lut >= 0 for cost in core.costs.values())


@pytest.mark.cosim
def test_a_tensor_beside_itself_twice(cache: Path, tmp_path: Path) -> None:
    net = Net(4, 12)
    x = net(hls_networks.concatenate("thrice", *[net.last] * 3))
    x = net(hls_networks.quantize("thrice_q", x, ACT))
    graph = net.end("thrice", net(hls_networks.global_pool("largest", x, largest=True)))
    check(graph, RtlSettings(), tmp_path, cache=cache)


def test_what_runs_over_no_axis_is_refused_by_name(cache: Path) -> None:
    """Rows of an image turned into channels, and back in another order, come in no order over time."""
    net = Net(0, 12)
    x = net(ir.Permute("turned", (net.last.name,), (2, 12), net.last.fmt, (1, 0)))
    x = net(hls_networks.reshape("mixed", x, (8, 3)))
    x = net(random_gru(net.rng, "gru", x, 2))
    graph = net.end("mixed_up", net(hls_networks.global_pool("mean", x, largest=False)))
    with pytest.raises(UnsupportedLayer, match="the tensor that 'gru' reads, 'input_quant' turned or reshaped, is no"):
        build_core(graph, RtlSettings(), cache=cache)
