from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import gru_cnn_graph

from hw_amc.config import BoardSettings, Budget, LayerRtl, RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.rtl import build_core, estimate_rates, require_fit
from hw_amc.rtl.shell.accelerator import GAIN_COST, SHELL_COST


def _board(**budget: Any) -> Any:
    full = {"lut": 10**6, "ff": 10**6, "dsp": 1000, "bram36": 100} | budget
    return BoardSettings(name="b", part="xc7test", ps="zynq7", clock_mhz=100.0, budget=Budget(**full))


def _real() -> Any:
    """A part whose delays are known."""
    return _board().model_copy(update={"part": "xc7z020clg400-1"})


@pytest.fixture(scope="module")
def rows_and_graph(tmp_path_factory: pytest.TempPathFactory) -> Any:
    graph, cache = gru_cnn_graph(np.random.default_rng(0)), tmp_path_factory.mktemp("adders")
    return estimate_rates(graph, RtlSettings(cycles_per_step=8), _board(), cache=cache), graph, cache


def test_rows_are_the_cores(rows_and_graph: Any) -> None:
    rows, graph, cache = rows_and_graph
    cycles = [row.cycles_per_step for row in rows]
    assert cycles == sorted(cycles)
    assert {1, 2, 8} <= set(cycles)
    for row in rows[:2]:
        core = build_core(graph, RtlSettings(cycles_per_step=row.cycles_per_step), cache=cache)
        assert (row.contexts, row.cycles_per_frame) == (core.contexts, core.cycles_per_frame)
        assert row.frames_per_s == 100e6 / core.cycles_per_frame
        assert row.cost.lut == sum(cost.lut for cost in core.costs.values()) + SHELL_COST.lut


def test_the_settings_own_row_and_lanes(rows_and_graph: Any) -> None:
    """Layers with an R of their own count in the row of the settings' R; other rows are uniform; lanes multiply."""
    rows, graph, cache = rows_and_graph
    layers = {"conv2": LayerRtl(cycles_per_step=16)}
    two = estimate_rates(graph, RtlSettings(cycles_per_step=8, layers=layers, lanes=2), _board(), cache=cache)
    assert [row.cycles_per_step for row in two] == [row.cycles_per_step for row in rows]
    for single, double in zip(rows, two, strict=True):
        assert double.frames_per_s == 2 * single.frames_per_s
        same = double.cost == single.cost * 2
        assert same == (single.cycles_per_step != 8)


def test_contexts_that_a_row_cannot_have_are_as_many_as_it_can(rows_and_graph: Any) -> None:
    rows, graph, cache = rows_and_graph
    free = {row.cycles_per_step: row.contexts for row in rows}
    for row in estimate_rates(graph, RtlSettings(contexts=9), _board(), cache=cache):
        most = free.get(row.cycles_per_step, row.contexts)
        assert row.contexts == (9 if most >= 9 else most)
    assert {contexts >= 9 for contexts in free.values()} == {False, True}


def test_the_automatic_gain_is_estimated(rows_and_graph: Any) -> None:
    rows, graph, cache = rows_and_graph
    settings = RtlSettings(cycles_per_step=8, automatic_gain=True, lanes=2)
    found = estimate_rates(graph, settings, _board(), cache=cache)
    assert [more.cost.lut - 2 * row.cost.lut for row, more in zip(rows, found, strict=True)] == [
        pytest.approx(2 * GAIN_COST.lut) for _ in rows
    ]


def test_a_lower_clock_takes_fewer_registers(rows_and_graph: Any) -> None:
    rows, graph, cache = rows_and_graph
    relaxed = estimate_rates(graph, RtlSettings(clock_mhz=30), _real(), cache=cache)[0]
    assert relaxed.contexts < rows[0].contexts
    assert relaxed.cost.ff < rows[0].cost.ff
    assert relaxed.cost.lut < rows[0].cost.lut * 1.02


def test_more_cycles_take_fewer_multipliers_and_carries(rows_and_graph: Any) -> None:
    rows = rows_and_graph[0]
    assert [row.cost.dsp for row in rows] == sorted((row.cost.dsp for row in rows), reverse=True)
    assert rows[-1].cost.lut < rows[0].cost.lut
    assert rows[-1].cost.carry < rows[0].cost.carry / 2


def test_a_small_part_is_refused_with_what_fits(rows_and_graph: Any) -> None:
    rows, graph, cache = rows_and_graph
    assert all(row.fits for row in rows)
    require_fit(rows, 1, _board())
    between = int((rows[0].cost.lut + rows[1].cost.lut) / 2)
    board = _board(lut=between)
    tight = estimate_rates(graph, RtlSettings(), board, cache=cache)
    too_small = r"xc7test is too small at cycles_per_step = 1: lut [\d,]+ of [\d,]+ \(1\d\d\.\d %\).*that fit: 2"
    with pytest.raises(ConfigError, match=too_small):
        require_fit(tight, 1, board)
    with pytest.raises(ConfigError, match="larger part"):
        require_fit(estimate_rates(graph, RtlSettings(), _board(dsp=0, bram36=0, lut=1), cache=cache), 1, _board(lut=1))
