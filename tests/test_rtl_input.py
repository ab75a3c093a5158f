"""Odd networks that work, and impossible ones that are refused in a line that says what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import Widths, gru_cnn_graph, random_frames
from rtl_bench import core_samples, simulate

from hw_amc.adders import build_graph, integers
from hw_amc.config import BoardSettings, Budget, RtlSettings
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.rtl import build_core, estimate_rates
from hw_amc.rtl.clock import Cut, choose_cut
from hw_amc.rtl.schedule import build_schedule
from hw_amc.rtl.sums import sums_of
from hw_amc.rtl.verilog import library


def _board(part: str = "xc7z020clg400-1", clock_mhz: float = 125.0) -> Any:
    budget = Budget(lut=10**6, ff=10**6, dsp=1000, bram36=100)
    return BoardSettings(name="b", part=part, ps="zynq7", clock_mhz=clock_mhz, budget=budget)


def _check(graph: Graph, settings: Any, folder: Path, board: Any = None, frames: int = 4) -> Any:
    """Simulate; logits and the first frame's latency must be as golden and the plan say."""
    core = build_core(graph, settings, board, cache=folder / "cache")
    raw = random_frames(np.random.default_rng(5), graph, frames)
    logits = golden.run(graph, raw)
    want = np.concatenate([logits[name] for name in graph.outputs], axis=1)
    run = simulate(core, core_samples(graph, raw, core).reshape(-1), want.size, folder)
    np.testing.assert_array_equal(run.words, want.reshape(-1))
    assert run.word_cycles[0] - run.frame_cycles[0] == core.latency_cycles
    return core


def _with_holes(node: Any) -> Any:
    """The same layer, some of whose inputs feed nothing, and some of whose outputs are fed by nothing."""
    arrays = {}
    for name, array in node.arrays().items():
        if name in ("kernel", "recurrent"):
            arrays[name] = array.copy()
            arrays[name][..., 0, :] = 0
            arrays[name][..., 1] = 0
    return replace(node, **arrays)


@pytest.mark.cosim
@pytest.mark.parametrize("cycles", [1, 4])
def test_rows_and_columns_of_zeros(cycles: int, tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(1), 8, 3, (3, 2), sparsity=0.0)
    for name in ("gru", "conv1", "conv2"):
        graph = graph.replace_node(_with_holes(graph[name]))
    _check(graph, RtlSettings(cycles_per_step=cycles, contexts=2), tmp_path)


@pytest.mark.cosim
@pytest.mark.parametrize("cycles", [1, 5])
def test_one_class_one_cell(cycles: int, tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(1), 8, 1, (1, 1))
    core = _check(graph, RtlSettings(cycles_per_step=cycles, contexts=1), tmp_path)
    assert core.words_per_result == 1


@pytest.mark.parametrize("cycles", [1, 7])
def test_formats_too_wide_are_named(cycles: int, tmp_path: Path) -> None:
    wide = gru_cnn_graph(np.random.default_rng(1), 4, 2, (2, 2), 0.2, Widths(16, 16, 16, 16, 16, 16))
    with pytest.raises(ConfigError, match=r"rtl: layer 'gru': bits must be 2\.\.48, not 49; use narrower formats"):
        build_core(wide, RtlSettings(cycles_per_step=cycles), cache=tmp_path)
    with pytest.raises(ConfigError, match="layer 'gru'"):
        estimate_rates(wide, RtlSettings(cycles_per_step=cycles), _board(), cache=tmp_path)


def test_logits_wider_than_a_word_are_refused(tmp_path: Path) -> None:
    wide = gru_cnn_graph(np.random.default_rng(1), 4, 2, (2, 2), 0.2, Widths(16, 24, 16, 16, 16, 16))
    with pytest.raises(UnsupportedLayer, match="logits of 35 bits do not fit int32; requantise in front of the heads"):
        build_core(wide, RtlSettings(), cache=tmp_path)


# The clock and the registers of parallel matrices.


@pytest.fixture(scope="module")
def adders() -> Any:
    matrix = np.random.default_rng(3).integers(-128, 128, (12, 6))
    fmt = gru_cnn_graph(np.random.default_rng(0))["gru"].fmt
    return sums_of(build_graph(matrix, [integers(fmt)] * 12), ternary=False)


def test_a_cut_is_what_the_settings_say(adders: Any) -> None:
    assert choose_cut(RtlSettings(), None) == choose_cut(RtlSettings(), _board()) == Cut(1)
    assert choose_cut(RtlSettings(cut=3, clock_mhz=300), _board()).levels(adders) == 3


@pytest.mark.parametrize("part", ["xc7z020clg400-1", "xczu7ev-ffvc1156-2-e"])
def test_a_slower_clock_allows_more_levels(adders: Any, part: str) -> None:
    levels = [choose_cut(RtlSettings(clock_mhz=clock), _board(part)).levels(adders) for clock in (900, 250, 125, 40)]
    assert levels[0] == 1
    assert levels == sorted(levels)
    assert levels[-1] > levels[1]


def test_the_faster_family_allows_more_levels(adders: Any) -> None:
    slow, fast = (choose_cut(RtlSettings(cut=0), _board(part)).levels(adders) for part in ("xc7z020", "xczu7ev"))
    assert 1 <= slow < fast


def test_chains_of_three_terms_are_slower() -> None:
    matrix = np.random.default_rng(3).integers(-128, 128, (12, 6))
    graph = build_graph(matrix, [integers(gru_cnn_graph(np.random.default_rng(0))["gru"].fmt)] * 12)
    two, three = sums_of(graph, ternary=False), sums_of(graph, ternary=True)
    for part in ("xc7z020", "xczu7ev"):
        cut = choose_cut(RtlSettings(clock_mhz=60), _board(part))
        assert cut.levels(three) < cut.levels(two)
    assert three.depth <= two.depth


@pytest.mark.parametrize(("cycles", "module"), [(1, "amc_sum3.v"), (6, "amc_digit_add3.v")])
def test_adders_of_two_terms_are_an_option(cycles: int, module: str, tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(0))
    cores = [
        build_core(graph, RtlSettings(cycles_per_step=cycles, ternary_adders=ternary), cache=tmp_path)
        for ternary in (True, False)
    ]
    assert [module in core.sources.files for core in cores] == [True, False]
    three, two = (sum(cost.lut for cost in core.costs.values()) for core in cores)
    assert three < two


def test_a_module_brings_what_it_instantiates() -> None:
    assert set(library("amc_digit_add3")) == {"amc_digit_add3.v", "amc_sum3_bit.v", "amc_carry.v"}
    assert set(library("amc_delay", "amc_register")) == {"amc_delay.v", "amc_register.v"}


def test_the_boards_clock_counts_where_no_other_is_given(adders: Any) -> None:
    given = choose_cut(RtlSettings(clock_mhz=60), _board())
    assert choose_cut(RtlSettings(cut=0), _board(clock_mhz=60)) == given


def test_a_cut_from_the_clock_needs_a_known_part() -> None:
    with pytest.raises(ConfigError, match="needs a board"):
        choose_cut(RtlSettings(cut=0), None)
    with pytest.raises(UnsupportedLayer, match="no delays are known for part 'ecp5'; known families: xc7"):
        choose_cut(RtlSettings(cut=0), _board("ecp5"))


@pytest.mark.cosim
def test_a_slow_clock_shortens_the_loop(tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(2), 8, 3, (3, 2))
    core = _check(graph, RtlSettings(clock_mhz=40, contexts=2), tmp_path, _board())
    fast = build_schedule(graph, RtlSettings(contexts=2), cache=tmp_path / "cache")
    assert core.loop_latency < fast.loop_latency
    assert core.latency_cycles < fast.latency_cycles


# Settings.


def test_channels_need_their_mode() -> None:
    with pytest.raises(ValueError, match="n_channels = 2 needs mode = 'channels'"):
        RtlSettings(n_channels=2)
