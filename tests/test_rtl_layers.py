"""Layers and shapes beyond the lead model: simulated against golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import Widths, gru_cnn_graph, random_frames, random_weights
from rtl_bench import check_rhythm, core_samples, simulate

from hw_amc import graph as ir
from hw_amc.config import RtlSettings
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.rtl import build_core

WEIGHT = FixedFormat(5, 4)


def _exact(node: Any, source: Any) -> Any:
    low, high = node.acc_range(source.fmt)
    return type(node)(**{**vars(node), "fmt": format_for(min(low, -1), high, node.acc_frac(source.fmt))})


def _linear(
    rng: np.random.Generator, kind: Any, name: str, source: Any, shape: Any, units: Any, sparsity: float = 0.3
) -> Any:
    wide = FixedFormat(48, 0)
    bias_fmt = FixedFormat(8, source.fmt.frac)
    kernel, bias = random_weights(rng, shape, WEIGHT, sparsity), random_weights(rng, (units,), bias_fmt)
    out = (*source.shape[:-1], units)
    return _exact(kind(name, (source.name,), out, wide, kernel, bias, WEIGHT, bias_fmt), source)


def _cnn(rng: np.random.Generator, taps: Any, signed: Any, zero: Any) -> Any:
    """No recurrent layer, kernels of any width, both pools, a dense layer over time, two heads."""
    T, act = 16, FixedFormat(5, 4, signed=signed)
    nodes = [ir.Input("input", (), (T, 2), FixedFormat(16, 14))]
    nodes.append(ir.Quantize("in_q", ("input",), (T, 2), FixedFormat(10, 8)))
    nodes.append(_linear(rng, ir.Conv1d, "conv", nodes[-1], (taps, 2, 3), 3, 1.0 if zero else 0.3))
    nodes.append(ir.Quantize("conv_q", ("conv",), (T, 3), act))
    nodes.append(ir.MaxPool1d("maximum", ("conv_q",), (T // 2, 3), act, 2))
    nodes.append(_linear(rng, ir.Dense, "mix", nodes[-1], (3, 4), 4))
    nodes.append(ir.Quantize("mix_q", ("mix",), (T // 2, 4), act))
    nodes.append(ir.Quantize("again", ("mix_q",), (T // 2, 4), FixedFormat(4, 2, signed=signed)))
    pooled = FixedFormat(6, 4, signed=signed)
    nodes.append(ir.AvgPool1d("mean", ("again",), (T // 8, 4), pooled, 4))
    nodes.append(_linear(rng, ir.Conv1d, "conv2", nodes[-1], (2, 4, 3), 3))
    nodes.append(ir.Quantize("conv2_q", ("conv2",), (T // 8, 3), act))
    gap = FixedFormat(act.bits + 1, act.frac + 1, signed)
    nodes.append(ir.GlobalAvgPool1d("gap", ("conv2_q",), (3,), gap))
    source = nodes[-1]
    nodes.append(_linear(rng, ir.Dense, "first", source, (3, 5), 5))
    nodes.append(_linear(rng, ir.Affine, "second", source, (3,), 3))
    names = lambda count: tuple(str(index) for index in range(count))  # noqa: E731
    return ir.Graph("cnn", tuple(nodes), ("first", "second"), (names(5), names(3)))


def _check(graph: Graph, settings: Any, folder: Path, frames: np.ndarray, **traffic: Any) -> Any:
    core = build_core(graph, settings, cache=folder / "cache")
    raw = random_frames(np.random.default_rng(5), graph, frames)
    logits = golden.run(graph, raw)
    want = np.concatenate([logits[name] for name in graph.outputs], axis=1)
    run = simulate(core, core_samples(graph, raw, core).reshape(-1), want.size, folder, **traffic)
    np.testing.assert_array_equal(run.words, want.reshape(-1))
    return core, run


@pytest.mark.cosim
@pytest.mark.parametrize(("taps", "cycles", "signed"), [(1, 1, True), (4, 1, False), (5, 3, True), (7, 1, True)])
def test_networks_without_recurrence(taps: int, cycles: int, signed: bool, tmp_path: Path) -> None:
    graph = _cnn(np.random.default_rng(taps), taps, signed, zero=False)
    settings = RtlSettings(cycles_per_step=cycles)
    core, run = _check(graph, settings, tmp_path, 5)
    assert (core.contexts, core.loop_latency) == (1, 0)
    assert run.word_cycles[0] - run.frame_cycles[0] == core.latency_cycles
    # At most two frames are under way here, and they are shorter than the pipeline.
    check_rhythm(core, run)
    _check(graph, settings, tmp_path, 5, busy=0.4, ready=0.5)


@pytest.mark.cosim
def test_all_zero_weights(tmp_path: Path) -> None:
    for cycles in (1, 4):
        _check(_cnn(np.random.default_rng(2), 3, True, zero=True), RtlSettings(cycles_per_step=cycles), tmp_path, 3)


@pytest.mark.cosim
@pytest.mark.parametrize(
    ("widths", "cells", "sparsity", "cycles"),
    [
        (Widths(8, 4, 8, 8, 6), 3, 0.0, 1),
        (Widths(6, 3, 5, 4, 4, 6), 5, 0.6, 1),
        (Widths(12, 8, 10, 9, 8, 12), 4, 0.5, 3),
        (Widths(8, 8, 8, 8, 8), 7, 1.0, 1),
        (Widths(8, 6, 8, 8, 8), 5, 0.8, 7),
    ],
)
def test_widths_and_sparsity(widths: Any, cells: int, sparsity: float, cycles: int, tmp_path: Path) -> None:
    graph = gru_cnn_graph(np.random.default_rng(cells), 8, cells, (3, 2), sparsity, widths)
    _check(graph, RtlSettings(cycles_per_step=cycles), tmp_path, 6, busy=0.7)
