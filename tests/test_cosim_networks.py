"""Random small networks through the RTL road, shell included, against golden: many in one build."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import Widths, gru_cnn_graph, random_frames
from shell_farm import BOARD

from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim.farm import TOP, build_farm
from hw_amc.cosim.results import cycles_between_results, golden_logits, require_equal
from hw_amc.cosim.verilated import FastSim
from hw_amc.rtl import build_core
from hw_amc.rtl.shell import build_accelerator
from hw_amc.stream import unpack_results

PATTERNS = (None, (1, 0, 0), np.random.default_rng(3).integers(0, 2, 4093))


def draw(rng, index):
    """A network and its settings; no two alike."""
    widths = Widths(
        input_bits=int(rng.integers(4, 13)),
        weight_bits=int(rng.integers(3, 9)),
        state_bits=int(rng.integers(4, 10)),
        gate_bits=int(rng.integers(4, 10)),
        activation_bits=int(rng.integers(3, 9)),
    )
    graph = gru_cnn_graph(
        rng,
        frame_len=int(2 ** rng.integers(2, 6)),
        cells=int(rng.integers(1, 7)),
        filters=(int(rng.integers(1, 5)), int(rng.integers(1, 6))),
        sparsity=float(rng.choice([0.0, 0.5, 0.9])),
        widths=widths,
    )
    rtl = RtlSettings(
        cycles_per_step=int(rng.choice([1, 1, 2, 3, 5, 8])),
        contexts=int(rng.choice([0, 0, 1])),
        mode="channels" if rng.random() < 0.3 else "frames",
    )
    return replace(graph, name=f"net{index}"), ProjectSettings(rtl=rtl)


def prove(seed, count):
    rng = np.random.default_rng(seed)
    drawn = [draw(rng, index) for index in range(count)]
    made = [build_accelerator(graph, build_core(graph, s.rtl), s, BOARD) for graph, s in drawn]
    with FastSim(build_farm(made), TOP, farm=True) as sim:
        for index, ((graph, _), accelerator) in enumerate(zip(drawn, made, strict=True)):
            check(sim, index, graph, accelerator.manifest, rng)


def check(sim, index, graph, manifest, rng):
    sim.select(index)
    n = manifest.n_channels * -(-(3 * manifest.contexts + 2) // manifest.n_channels)
    frames = random_frames(rng, graph, n)
    expected = golden_logits(graph, frames)
    for idle in PATTERNS:
        for stall in PATTERNS:
            sim.reset()
            capture = sim.stream(frames, idle, stall)
            require_equal(graph, expected, unpack_results(capture.words, manifest.classes), f"{graph.name} {manifest}")
            if idle is None and stall is None:
                ends = capture.cycles[manifest.result_words - 1 :: manifest.result_words]
                assert cycles_between_results(list(ends), manifest.round_results) == manifest.cycles_per_frame, manifest


@pytest.mark.cosim
def test_random_networks():
    prove(seed=1, count=8)


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(2, 12))
def test_hundreds_of_random_networks(seed):
    prove(seed=seed, count=25)
