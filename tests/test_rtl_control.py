"""A core's control under sinks that hardly ever take, sources that hardly ever give, and resets at any instant."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from networks import global_pool, gru_cnn_graph, linear, lstm_graph, max_pool, quantize, random_frames
from rtl_bench import CompiledBench, Traffic, compile_bench, core_samples
from test_rtl_streams import ALL

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.graph import Graph, Node, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl import RtlCore, build_core

pytestmark = pytest.mark.cosim


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


def _bench(
    graph: Graph, settings: RtlSettings, count: int, folder: Path, traffic: Traffic, cache: Path
) -> tuple[RtlCore, CompiledBench, list[int]]:
    """Core, compiled bench and the logits that must come."""
    core = build_core(graph, settings, cache=cache)
    raw = random_frames(np.random.default_rng(5), graph, count)
    logits = golden.run(graph, raw)
    want = np.concatenate([logits[name] for name in graph.outputs], axis=1).reshape(-1).tolist()
    words = core_samples(graph, raw, core)
    if settings.mode == "channels":
        words = words.reshape(-1, core.n_channels, core.frame_len).swapaxes(1, 2)
    return core, compile_bench(core, words.reshape(-1), len(want), folder, traffic), want


@pytest.mark.parametrize("mode", ["frames", "channels"])
@pytest.mark.parametrize("contexts", [1, 3])
@pytest.mark.parametrize("ready", [0.02, 0.06])
def test_short_frames_and_a_sink_that_hardly_takes(
    mode: Literal["frames", "channels"], contexts: int, ready: float, cache: Path, tmp_path: Path
) -> None:
    """Frames of four samples come faster than results leave: no more are let in than there are places."""
    graph = gru_cnn_graph(np.random.default_rng(2), frame_len=4, cells=2, filters=(2, 2))
    count = 40 - 40 % contexts
    _, bench, want = _bench(
        graph, RtlSettings(mode=mode, contexts=contexts), count, tmp_path, Traffic(ready=ready), cache
    )
    assert bench.run().words == want


def _convolutions() -> Graph:
    """Two convolutions that owe outputs when a frame ends, a pool between them, no loop."""
    rng, act = np.random.default_rng(3), FixedFormat(4, 3)
    net: list[Node] = [ir.Input("input", (), (8, 2), FixedFormat(16, 14))]
    net.append(quantize("input_quant", net[0], FixedFormat(5, 3)))
    for name, taps in (("wide", 4), ("late", 3)):
        net.append(linear(rng, ir.Conv1d, name, net[-1], 1, taps, bits=3))
        net.append(quantize(f"{name}_q", net[-1], act))
        if name == "wide":
            net.append(max_pool("half", net[-1]))
    net.append(global_pool("mean", net[-1], largest=False))
    return Graph("owing", tuple(net), ("mean",), (("a",),))


@pytest.mark.parametrize("cycles", [1, 3])
@pytest.mark.parametrize("mode", ["frames", "channels"])
def test_resets_at_every_instant(mode: Literal["frames", "channels"], cycles: int, cache: Path, tmp_path: Path) -> None:
    """A cycle of reset, whenever it comes in two frames and their way to the results, leaves nothing behind."""
    settings = RtlSettings(mode=mode, cycles_per_step=cycles)
    core, bench, want = _bench(_convolutions(), settings, 3, tmp_path, Traffic(), cache)
    for instant in range(1, core.latency_cycles + core.cycles_per_frame, cycles):
        assert bench.run(reset_at=instant).words == want, instant


@pytest.mark.parametrize("cycles", [1, 4])
def test_resets_of_a_loop(cycles: int, cache: Path, tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(3), frame_len=4, cells=2, filters=(1, 2))
    core, bench, want = _bench(graph, RtlSettings(contexts=2, cycles_per_step=cycles), 4, tmp_path, Traffic(), cache)
    for instant in range(2, core.latency_cycles + core.cycles_per_frame, core.latency_cycles // 12):
        assert bench.run(reset_at=instant).words == want, instant


@pytest.mark.parametrize("cycles", [1, 3])
def test_an_lstm_whose_source_hardly_gives(cycles: int, cache: Path, tmp_path: Path) -> None:
    """Between two samples of a frame lie dozens of idle slots: state and carry stay as they are."""
    graph = lstm_graph(np.random.default_rng(4), frame_len=8, cells=3)
    settings = RtlSettings(contexts=2, cycles_per_step=cycles)
    _, bench, want = _bench(graph, settings, 4, tmp_path, Traffic(busy=0.025), cache)
    assert bench.run().words == want


@pytest.mark.parametrize("name", ["shapes", "branches"])
def test_resets_of_streams(name: str, cache: Path, tmp_path: Path) -> None:
    """Frames that wait to be reversed, repeated or joined when the reset comes are forgotten."""
    core, bench, want = _bench(ALL[name](0), RtlSettings(), 3, tmp_path, Traffic(), cache)
    whole = core.latency_cycles + core.cycles_per_frame
    for instant in range(core.frame_len, whole, whole // 6):
        assert bench.run(reset_at=instant).words == want, instant
