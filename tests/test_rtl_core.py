from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import gru_cnn_graph, random_frames
from rtl_bench import check_rhythm, core_samples, simulate

from hw_amc import graph as ir
from hw_amc.config import LayerRtl, RtlSettings
from hw_amc.cosim.simulators import lint
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.rtl import build_core
from hw_amc.rtl.lowering.network import lower
from hw_amc.rtl.lowering.options import Options


@pytest.fixture(scope="module")
def graph() -> Any:
    return gru_cnn_graph(np.random.default_rng(0))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


def _run(graph: Graph, settings: Any, cache: Path, folder: Path, frames: np.ndarray, **traffic: Any) -> Any:
    core = build_core(graph, settings, cache=cache)
    raw = random_frames(np.random.default_rng(5), graph, frames)
    logits = golden.run(graph, raw)
    want = np.concatenate([logits[name] for name in graph.outputs], axis=1)
    words = core_samples(graph, raw, core)
    if settings.mode == "channels":
        words = words.reshape(-1, core.n_channels, core.frame_len).swapaxes(1, 2)
    run = simulate(core, words.reshape(-1), want.size, folder, **traffic)
    np.testing.assert_array_equal(run.words, want.reshape(-1))
    if not traffic:
        check_rhythm(core, run)
    return core, run


def test_blocks_model_the_layers(graph: Graph, cache: Path) -> None:
    """Each block's integer model equals golden's tensor."""
    chain = lower(graph, Options("t", cache=cache))
    frames = random_frames(np.random.default_rng(3), graph, 2)
    tensors = golden.run(graph, frames, keep=[node.name for node in graph.nodes])
    for index in range(len(frames)):
        x = tensors[chain.entry.name][index]
        for block in chain.blocks:
            x = block.model(x)
            np.testing.assert_array_equal(x, tensors[block.name][index], err_msg=block.name)
        np.testing.assert_array_equal(chain.results.model(x), tensors["head"][index])


@pytest.mark.cosim
@pytest.mark.parametrize("contexts", [0, 1, 4])
@pytest.mark.parametrize("mode", ["frames", "channels"])
@pytest.mark.parametrize(("busy", "ready"), [(1.0, 1.0), (0.3, 1.0), (1.0, 0.2), (0.5, 0.5)])
def test_logits_equal_golden(
    graph: Graph, cache: Path, tmp_path: Path, contexts: int, mode: str, busy: float, ready: float
) -> None:
    settings = RtlSettings(contexts=contexts, mode=mode)
    count = {0: 2 * build_core(graph, settings, cache=cache).contexts, 1: 4, 4: 12}[contexts]
    _run(graph, settings, cache, tmp_path, count, busy=busy, ready=ready)


@pytest.mark.cosim
@pytest.mark.parametrize("contexts", [0, 1, 5])
@pytest.mark.parametrize("mode", ["frames", "channels"])
def test_cycles_are_predicted(graph: Graph, cache: Path, tmp_path: Path, contexts: int, mode: str) -> None:
    settings = RtlSettings(contexts=contexts, mode=mode)
    core = build_core(graph, settings, cache=cache)
    K = core.contexts
    core, run = _run(graph, settings, cache, tmp_path, 3 * K)
    results = np.array(run.word_cycles[:: core.words_per_result])
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    assert results[2 * K] - results[K] == K * core.cycles_per_frame


@pytest.mark.cosim
@pytest.mark.parametrize(("cycles", "contexts", "mode"), [(2, 0, "frames"), (5, 1, "frames"), (16, 0, "channels")])
def test_several_cycles_a_step(
    graph: Graph, cache: Path, tmp_path: Path, cycles: int, contexts: int, mode: str
) -> None:
    settings = RtlSettings(cycles_per_step=cycles, contexts=contexts, mode=mode)
    K = build_core(graph, settings, cache=cache).contexts
    core, run = _run(graph, settings, cache, tmp_path, 2 * K + 1 if mode == "frames" else 2 * K)
    results = np.array(run.word_cycles[:: core.words_per_result])
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    if mode == "frames":
        assert results[2 * K] - results[K] == K * core.cycles_per_frame


def _settings(layers: Any = None, **rtl: Any) -> Any:
    return RtlSettings(layers={name: LayerRtl(cycles_per_step=R) for name, R in (layers or {}).items()}, **rtl)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("settings", "R", "slot_cycles", "slow"),
    [
        # Twice the cycles behind the pool: slower slots there.
        (_settings({"conv2": 10}, cycles_per_step=5), 5, 5, True),
        (_settings({"conv2": 2}), 1, 1, True),
        (_settings({"conv2": 7}, cycles_per_step=4, mode="channels", contexts=3, n_channels=2), 4, 7, False),
        # Layers that are faster than the slowest, and slots that are long for the loop's sake.
        (_settings({"gru": 2, "gru_affine": 1}, cycles_per_step=6, contexts=2), 6, 9, False),
        (_settings({"conv1": 10, "conv2": 18}, contexts=1), 10, 13, True),
    ],
)
def test_layers_with_cycles_of_their_own(
    graph: Graph, cache: Path, tmp_path: Path, settings: Any, R: int, slot_cycles: int, slow: bool
) -> None:
    rounds = build_core(graph, settings, cache=cache)
    K = rounds.n_channels if settings.mode == "channels" else rounds.contexts
    core, run = _run(graph, settings, cache, tmp_path, 2 * K + 2 if settings.mode == "frames" else 3 * K)
    assert (core.cycles_per_step, core.slot_cycles, "pool_slow" in core.costs) == (R, slot_cycles, slow)
    results = np.array(run.word_cycles[:: core.words_per_result])
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    assert results[2 * K] - results[K] == K * core.cycles_per_frame
    _run(graph, settings, cache, tmp_path, 4, busy=0.4, ready=0.4)


@pytest.mark.cosim
@pytest.mark.parametrize(("contexts", "n_channels", "cycles"), [(0, 5, 1), (9, 2, 1), (3, 1, 4)])
def test_fewer_channels_than_contexts(
    graph: Graph, cache: Path, tmp_path: Path, contexts: int, n_channels: int, cycles: int
) -> None:
    settings = RtlSettings(cycles_per_step=cycles, contexts=contexts, mode="channels", n_channels=n_channels)
    core, run = _run(graph, settings, cache, tmp_path, 3 * n_channels)
    assert (core.contexts, core.n_channels) == (contexts or n_channels, n_channels)
    results = np.array(run.word_cycles[:: core.words_per_result])
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    assert results[2 * n_channels] - results[n_channels] == n_channels * core.cycles_per_frame
    _run(graph, settings, cache, tmp_path, n_channels, busy=0.4, ready=0.4)


@pytest.mark.cosim
def test_reset_in_mid_frame(graph: Graph, cache: Path, tmp_path: Path) -> None:
    """The core starts afresh: the bench sends all frames again after the second reset."""
    _run(graph, RtlSettings(contexts=3), cache, tmp_path, 4, reset_at=211)
    _run(graph, _settings({"conv2": 10}, cycles_per_step=5), cache, tmp_path, 7, reset_at=311)


@pytest.mark.cosim
def test_lint_is_clean(graph: Graph, cache: Path, tmp_path: Path) -> None:
    several = (
        RtlSettings(),
        RtlSettings(mode="channels"),
        RtlSettings(cycles_per_step=6),
        RtlSettings(mode="channels", contexts=5, n_channels=3),
        _settings({"conv2": 10}, cycles_per_step=5),
        RtlSettings(mode="channels", contexts=5, n_channels=1),
    )
    for index, settings in enumerate(several):
        core = build_core(graph, settings, cache=cache)
        folder = tmp_path / str(index)
        core.sources.write(folder)
        lint(folder, core.name, sorted(core.sources.files))


@pytest.mark.cosim
@pytest.mark.slow
def test_verilator_equals_golden(graph: Graph, cache: Path, tmp_path: Path) -> None:
    _run(graph, RtlSettings(), cache, tmp_path, 40, simulator="verilator", busy=0.8, ready=0.7)


def test_impossible_settings_list_the_legal_ones(graph: Graph, cache: Path) -> None:
    with pytest.raises(ConfigError, match=r"contexts = 200 .* legal: 1\.\."):
        build_core(graph, RtlSettings(contexts=200), cache=cache)
    with pytest.raises(ConfigError, match=r"cycles_per_step = 99 .* legal: 1\.\."):
        build_core(graph, RtlSettings(cycles_per_step=99), cache=cache)
    with pytest.raises(ConfigError, match=r"n_channels = 16 is not possible at cycles_per_step = 1; legal: 1\.\.13"):
        build_core(graph, RtlSettings(mode="channels", n_channels=16), cache=cache)
    with pytest.raises(ConfigError, match=r"n_channels = 5 is not possible with 3 contexts; legal: 1\.\.3"):
        build_core(graph, RtlSettings(mode="channels", n_channels=5, contexts=3), cache=cache)
    with pytest.raises(
        ConfigError, match=r"rtl.layers.conv1.cycles_per_step = 30 .* legal: 1\.\.\d+, of which 1, 2, 3"
    ):
        build_core(graph, _settings({"conv1": 30}), cache=cache)
    with pytest.raises(
        ConfigError, match=r"gru_affine.cycles_per_step = 7 .* legal: 1\.\.6, of which 1, 2, 3, 6 differ"
    ):
        build_core(graph, _settings({"gru_affine": 7}), cache=cache)


def test_unknown_layers_are_named(graph: Graph, cache: Path) -> None:
    with pytest.raises(ConfigError, match=r"rtl.layers.conv3: no layer .*; did you mean conv"):
        build_core(graph, _settings({"conv3": 2}), cache=cache)
    # The heads take a product a cycle, whatever R; a pool has nothing to share.
    for name in ("head", "pool"):
        with pytest.raises(ConfigError, match=rf"rtl.layers.{name}: .* known: gru, gru_affine, conv1, conv2"):
            build_core(graph, _settings({name: 2}), cache=cache)


def test_unsupported_nodes_are_named(graph: Graph, cache: Path) -> None:
    pool = graph["pool"]
    branch = ir.Quantize("branch", (pool.inputs[0],), graph["conv1_relu"].shape, graph["conv1_relu"].fmt)
    with pytest.raises(UnsupportedLayer, match="branch"):
        build_core(replace(graph, nodes=(*graph.nodes[:8], branch, *graph.nodes[8:])), RtlSettings(), cache=cache)


def test_names_must_be_identifiers(graph: Graph, cache: Path) -> None:
    with pytest.raises(UnsupportedLayer, match="'my-net' is no Verilog identifier"):
        build_core(replace(graph, name="my-net"), RtlSettings(), cache=cache)


def test_an_operation_that_no_file_lowers_is_named(graph: Graph, cache: Path) -> None:
    class Mystery(ir.Quantize):
        op = "mystery"

    odd = Mystery("odd", ("conv1_relu",), graph["conv1_relu"].shape, graph["conv1_relu"].fmt)
    pool = replace(graph["pool"], inputs=("odd",))
    nodes = tuple(part for node in graph.nodes for part in ((odd, pool) if node.name == "pool" else (node,)))
    with pytest.raises(UnsupportedLayer, match=r"rtl: 'mystery' \(node 'odd'\) has no hardware$"):
        lower(replace(graph, nodes=nodes), Options("t", cache=cache))
