from __future__ import annotations

import numpy as np
import pytest
from networks import gru_cnn_graph

from hw_amc.config import BoardSettings, Budget, RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.rtl import build_core, estimate, require_fit


def _board(**budget):
    full = {"lut": 10**6, "ff": 10**6, "dsp": 1000, "bram36": 100} | budget
    return BoardSettings(name="b", part="xc7test", ps="zynq7", clock_mhz=100.0, budget=Budget(**full))


@pytest.fixture(scope="module")
def rows_and_graph(tmp_path_factory):
    graph, cache = gru_cnn_graph(np.random.default_rng(0)), tmp_path_factory.mktemp("adders")
    return estimate(graph, RtlSettings(cycles_per_step=8), _board(), cache=cache), graph, cache


def test_rows_are_the_cores(rows_and_graph):
    rows, graph, cache = rows_and_graph
    cycles = [row.cycles_per_step for row in rows]
    assert cycles == sorted(cycles)
    assert {1, 2, 8} <= set(cycles)
    for row in rows[:2]:
        core = build_core(graph, RtlSettings(cycles_per_step=row.cycles_per_step), cache=cache)
        assert (row.contexts, row.cycles_per_frame) == (core.contexts, core.cycles_per_frame)
        assert row.frames_per_s == 100e6 / core.cycles_per_frame
        assert row.cost.lut == sum(cost.lut for cost in core.costs.values())


def test_more_cycles_take_fewer_multipliers_and_carries(rows_and_graph):
    rows = rows_and_graph[0]
    assert [row.cost.dsp for row in rows] == sorted((row.cost.dsp for row in rows), reverse=True)
    assert rows[-1].cost.lut < rows[0].cost.lut
    assert rows[-1].cost.carry < rows[0].cost.carry / 2


def test_a_small_part_is_refused_with_what_fits(rows_and_graph):
    rows, graph, cache = rows_and_graph
    assert all(row.fits for row in rows)
    require_fit(rows, 1, _board())
    between = int((rows[0].cost.lut + rows[1].cost.lut) / 2)
    board = _board(lut=between)
    tight = estimate(graph, RtlSettings(), board, cache=cache)
    with pytest.raises(ConfigError, match=r"xc7test is too small at cycles_per_step = 1: lut 1\d\d %.*that fit: 2"):
        require_fit(tight, 1, board)
    with pytest.raises(ConfigError, match="larger part"):
        require_fit(estimate(graph, RtlSettings(), _board(dsp=0, bram36=0, lut=1), cache=cache), 1, _board(lut=1))
