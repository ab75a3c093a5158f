"""Graphs that are no chains: branches that join, and a global maximum, simulated against golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import add, avg_pool, global_pool, linear, max_pool, quantize, random_frames, residual_graph
from rtl_bench import check

from hw_amc import graph as ir
from hw_amc.config import LayerRtl, RtlSettings
from hw_amc.cosim.simulators import lint
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl import build_core
from hw_amc.rtl.blocks.add import AddBlock
from hw_amc.rtl.lowering.network import lower
from hw_amc.rtl.lowering.options import Options


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("taps", "settings", "traffic"),
    [
        ((3, 3, 1), RtlSettings(), {}),
        ((3, 3, 3), RtlSettings(contexts=1), {}),
        ((1, 5, 4), RtlSettings(contexts=2), {}),
        ((1, 5, 4), RtlSettings(contexts=3), {"busy": 0.4, "ready": 0.6}),
        ((5, 1, 1), RtlSettings(mode="channels", contexts=2), {}),
        ((3, 4, 3), RtlSettings(cycles_per_step=3, contexts=2), {}),
        ((2, 2, 3), RtlSettings(cycles_per_step=5, contexts=1), {"reset_at": 211}),
    ],
)
def test_branches_equal_golden(taps: Any, settings: Any, traffic: Any, cache: Path, tmp_path: Path) -> None:
    graph = residual_graph(np.random.default_rng(sum(taps)), taps=taps)
    core, run = check(graph, settings, tmp_path, cache=cache, **traffic)
    if traffic:
        return
    results = np.array(run.word_cycles[:: core.words_per_result])
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    K = core.contexts
    assert results[2 * K] - results[K] == K * core.cycles_per_frame


@pytest.mark.cosim
def test_slots_slow_down_behind_a_pool_that_all_branches_pass(cache: Path, tmp_path: Path) -> None:
    """The first pool may be followed by slower layers; the pools inside the branches may not."""
    rng, act = np.random.default_rng(4), FixedFormat(5, 4)
    graph = _chain_with(
        lambda net: max_pool("half", net[1]),
        lambda net: linear(rng, ir.Conv1d, "slow", net[2], 2, 3),
        lambda net: quantize("slow_q", net[3], act),
        lambda net: add("sum", net[2], net[4]),
        lambda net: quantize("sum_q", net[5], act),
        lambda net: avg_pool("left", net[6]),
        lambda net: max_pool("right", net[6]),
        lambda net: add("both", net[7], net[8]),
        lambda net: quantize("both_q", net[9], act),
        lambda net: linear(rng, ir.Dense, "last", net[10], 2),
        lambda net: quantize("last_q", net[11], act),
    )
    layers = {name: LayerRtl(cycles_per_step=4) for name in ("slow", "last")}
    core, _ = check(graph, RtlSettings(layers=layers), tmp_path, frames=5, cache=cache)
    assert core.cycles_per_step == 2
    assert "half_slow_unit" in core.sources.files["net_core.v"]
    assert "left_slow" not in core.sources.files["net_core.v"]


@pytest.mark.cosim
def test_lint_is_clean(cache: Path, tmp_path: Path) -> None:
    graph = residual_graph(np.random.default_rng(3))
    for cycles in (1, 4):
        core = build_core(graph, RtlSettings(cycles_per_step=cycles), cache=cache)
        core.sources.write(tmp_path / str(cycles))
        lint(tmp_path / str(cycles), core.name, sorted(core.sources.files))


def test_blocks_model_the_layers(cache: Path) -> None:
    """Each block's integer model equals golden's tensor, whichever branch of a sum is the later one."""
    graph = residual_graph(np.random.default_rng(8), taps=(3, 3, 1))
    chain = lower(graph, Options("t", cache=cache))
    (frame,) = random_frames(np.random.default_rng(3), graph, 1)
    tensors = golden.run(graph, frame[None], keep=[node.name for node in graph.nodes])
    known = {layer.block.name: layer.block for layer in chain.links}

    def tensor(branch: Any) -> Any:
        return tensors[branch.blocks[-1].name if branch.blocks else chain.entry.name][0]

    for layer in chain.links:
        block, x = layer.block, tensor(layer.branch)
        if isinstance(block, AddBlock):
            x = np.concatenate([tensor(block.early), x], axis=-1)
            assert block.late == layer.branch
        np.testing.assert_array_equal(block.model(x).reshape(tensors[block.name][0].shape), tensors[block.name][0])
    assert {"sum1", "sum2", "sum3", "twice"} <= set(known)
    # Around convolutions the short way waits; behind different pools the one that waits for more samples is late.
    assert known["sum1"].late.blocks[-1].name == "two_q"
    assert known["sum3"].late.blocks[-1].name == "late_q"


def _chain_with(*nodes_of: Any, largest: bool = False) -> Any:
    """A graph of input, quantiser and what `nodes_of` append, closed by a mean or a maximum."""
    net = [ir.Input("input", (), (16, 2), FixedFormat(16, 14))]
    net.append(quantize("input_quant", net[0], FixedFormat(7, 5)))
    for make in nodes_of:
        net.append(make(net))
    net.append(global_pool("gap", net[-1], largest))
    return ir.Graph("net", tuple(net), ("gap",), (tuple("abcdef")[: net[-1].shape[0]],))


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("early", "late"),
    [
        (FixedFormat(5, 3), FixedFormat(6, 4)),
        (FixedFormat(5, 4, signed=False), FixedFormat(6, 3)),
        (FixedFormat(5, 4), FixedFormat(6, 4, signed=False)),
        (FixedFormat(4, 2, signed=False), FixedFormat(5, 4)),
    ],
)
def test_sums_of_any_binary_points(early: FixedFormat, late: FixedFormat, cache: Path, tmp_path: Path) -> None:
    """Either branch is the coarser one, by a bit and by two; either is unsigned, and reaches its highest bit."""
    rng = np.random.default_rng(7)
    graph = _chain_with(
        lambda net: quantize("early", net[1], early),
        lambda net: linear(rng, ir.Conv1d, "conv", net[1], 2, 3),
        lambda net: quantize("late", net[3], late),
        lambda net: add("sum", net[2], net[4]),
    )
    frames = random_frames(np.random.default_rng(5), graph, 4)
    tensors = golden.run(graph, frames, keep=["early", "late"])
    assert all(
        tensors[name].max() >= 1 << (fmt.bits - 1 - fmt.signed) for name, fmt in (("early", early), ("late", late))
    )
    check(graph, RtlSettings(), tmp_path, frames=4, cache=cache)


def test_branches_that_overtake_each_other_are_refused(cache: Path) -> None:
    """One waits for six samples in mid-frame, but two slots at the end; the other for three and three."""
    rng, act = np.random.default_rng(1), FixedFormat(5, 4)
    graph = _chain_with(
        lambda net: max_pool("half", net[1]),
        lambda net: linear(rng, ir.Conv1d, "slow", net[2], 2, 5),
        lambda net: quantize("slow_q", net[3], act),
        lambda net: linear(rng, ir.Conv1d, "wide", net[1], 2, 7),
        lambda net: quantize("wide_q", net[5], act),
        lambda net: max_pool("wide_half", net[6]),
        lambda net: add("sum", net[4], net[7]),
    )
    with pytest.raises(UnsupportedLayer, match=r"'sum' \(add\) joins overtake"):
        build_core(graph, RtlSettings(), cache=cache)


def test_what_nothing_reads_is_refused(cache: Path) -> None:
    graph = _chain_with(lambda net: avg_pool("lost", net[1]), lambda net: max_pool("half", net[1]))
    with pytest.raises(UnsupportedLayer, match="nothing reads node 'lost'"):
        build_core(graph, RtlSettings(), cache=cache)


@pytest.mark.cosim
@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("kind", [max_pool, avg_pool])
@pytest.mark.parametrize("pools", [(1, 1), (4, 1), (16, 1), (2, 8)])
def test_windows_and_frames_of_one_sample(pools: Any, kind: Any, largest: bool, cache: Path, tmp_path: Path) -> None:
    """Pools over one sample, and a global pool over what a pool left of a frame: one sample."""
    rng, act = np.random.default_rng(6), FixedFormat(6, 4)
    graph = _chain_with(
        lambda net: kind("first", net[1], pools[0]),
        lambda net: linear(rng, ir.Dense, "dense", net[2], 3),
        lambda net: quantize("dense_q", net[3], act),
        lambda net: kind("second", net[4], pools[1]),
        largest=largest,
    )
    core, run = check(graph, RtlSettings(), tmp_path, frames=5, cache=cache)
    assert run.word_cycles[0] - run.frame_cycles[0] == core.latency_cycles
    check(graph, RtlSettings(cycles_per_step=3), tmp_path, frames=5, cache=cache, busy=0.6, ready=0.6)
