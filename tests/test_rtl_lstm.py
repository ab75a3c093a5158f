"""The LSTM loop in Verilog against golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import Widths, lstm_graph, random_frames
from rtl_bench import check

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.cosim.simulators import lint
from hw_amc.graph import golden
from hw_amc.rtl import build_core
from hw_amc.rtl.lowering.network import lower
from hw_amc.rtl.lowering.options import Options

#: Widths and fraction bits of the states: one range for everything; a carry up to 4; a state finer than its tanh.
FORMATS = [(Widths(), 7), (Widths(8, 6, 8, 7, 8), 5), (Widths(6, 5, 10, 4, 5, 9), 8), (Widths(8, 4, 4, 3, 8), 3)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adders")


@pytest.mark.parametrize("formats", range(len(FORMATS)))
def test_block_models_the_layer(formats: Any, cache: Path) -> None:
    widths, frac = FORMATS[formats]
    graph = lstm_graph(np.random.default_rng(formats), 32, 5, widths, frac)
    chain = lower(graph, Options("t", cache=cache))
    frames = random_frames(np.random.default_rng(3), graph, 3)
    tensors = golden.run(graph, frames, keep=["input_quant", "lstm"])
    for x, states in zip(tensors["input_quant"], tensors["lstm"], strict=True):
        np.testing.assert_array_equal(chain.blocks[0].model(x), states)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("formats", "settings", "traffic"),
    [
        (0, RtlSettings(), {}),
        (1, RtlSettings(contexts=1), {}),
        (2, RtlSettings(contexts=3), {"busy": 0.5, "ready": 0.5}),
        (3, RtlSettings(mode="channels", contexts=2), {}),
        (0, RtlSettings(cycles_per_step=3), {"busy": 0.5}),
        (1, RtlSettings(cycles_per_step=5, contexts=2), {}),
        (2, RtlSettings(cycles_per_step=4, contexts=1), {}),
        (3, RtlSettings(contexts=2), {"reset_at": 111}),
    ],
)
def test_logits_equal_golden(formats: int, settings: Any, traffic: Any, cache: Path, tmp_path: Path) -> None:
    widths, frac = FORMATS[formats]
    graph = lstm_graph(np.random.default_rng(formats), 16, 4, widths, frac)
    core, run = check(graph, settings, tmp_path, cache=cache, **traffic)
    if traffic:
        return
    results = np.array(run.word_cycles[:: core.words_per_result])
    assert results[0] - run.frame_cycles[0] == core.latency_cycles
    K = core.contexts
    assert results[2 * K] - results[K] == K * core.cycles_per_frame


@pytest.mark.cosim
def test_lint_is_clean(cache: Path, tmp_path: Path) -> None:
    for index, (widths, frac) in enumerate(FORMATS):
        graph = lstm_graph(np.random.default_rng(index), 16, 4, widths, frac)
        core = build_core(graph, RtlSettings(cycles_per_step=1 + 2 * (index % 2)), cache=cache)
        core.sources.write(tmp_path / str(index))
        lint(tmp_path / str(index), core.name, sorted(core.sources.files))


def test_shared_cells_take_fewer_multipliers(cache: Path) -> None:
    graph = lstm_graph(np.random.default_rng(0), 16, 4)
    dsp = [build_core(graph, RtlSettings(cycles_per_step=R), cache=cache).costs["lstm"].dsp for R in (1, 2, 4)]
    assert dsp == [12, 6, 3]
    assert isinstance(graph["lstm"], ir.Lstm)
