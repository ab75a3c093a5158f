"""Random small networks of every layer in the fast runner, shell included, against golden: many in one build."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import Widths, hakimi_graph, lstm_graph, mtl_graph, random_frames, residual_graph
from shell_farm import BOARD

from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim.farm import TOP, build_farm
from hw_amc.cosim.results import require_rhythm
from hw_amc.cosim.verilated import FastSim
from hw_amc.graph import Graph
from hw_amc.interface.words import unpack_results
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.verify.results import golden_logits, require_results

PATTERNS = (None, (1, 0, 0), np.random.default_rng(3).integers(0, 2, 4093))


def draw_branches(rng: np.random.Generator) -> Any:
    return residual_graph(rng, 16, int(rng.integers(1, 4)), tuple(int(taps) for taps in rng.integers(1, 6, 3)))


def draw_lstm(rng: np.random.Generator) -> Any:
    bits = int(rng.integers(4, 10))
    widths = Widths(*(int(width) for width in rng.integers(4, 9, 2)), bits, *(int(n) for n in rng.integers(3, 10, 2)))
    return lstm_graph(rng, int(2 ** rng.integers(3, 6)), int(rng.integers(1, 6)), widths, int(rng.integers(2, bits)))


def draw_cnn(rng: np.random.Generator) -> Any:
    taps = tuple(int(width) for width in rng.integers(1, 9, 3))
    return hakimi_graph(rng, 64, tuple(int(count) for count in rng.integers(1, 5, 3)), taps)


def draw_image(rng: np.random.Generator) -> Any:
    image = ((8, 8, 1), (6, 9, 2), (7, 12, 1))[rng.integers(3)]
    size, units = tuple(int(n) for n in rng.integers(1, 4, 2)), tuple(int(n) for n in rng.integers(1, 7, 2))
    return mtl_graph(rng, image, size, units, signed=bool(rng.integers(2)))


DRAWS = (draw_branches, draw_lstm, draw_cnn, draw_image)


def prove(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = []
    for index in range(count):
        graph = replace(DRAWS[index % len(DRAWS)](rng), name=f"net{index}")
        rtl = RtlSettings(cycles_per_step=int(rng.choice([1, 1, 2, 3])), mode=str(rng.choice(["frames", "channels"])))
        drawn.append((graph, ProjectSettings(rtl=rtl)))
    made = [build_accelerator(graph, build_core(graph, s.rtl), s, BOARD) for graph, s in drawn]
    with FastSim(build_farm(made), TOP, farm=True) as sim:
        for index, ((graph, _), accelerator) in enumerate(zip(drawn, made, strict=True)):
            sim.select(index)
            check(sim, graph, accelerator, rng)


def check(sim: Any, graph: Graph, accelerator: Any, rng: np.random.Generator) -> None:
    manifest = accelerator.manifest
    frames = random_frames(rng, graph, manifest.n_channels * -(-(3 * manifest.contexts + 2) // manifest.n_channels))
    expected = golden_logits(graph, frames)
    for idle, stall in ((None, None), *zip(PATTERNS, PATTERNS[::-1], strict=True)):
        sim.reset()
        released, capture = sim.cycle, sim.stream(frames, idle, stall)
        require_results(graph, expected, unpack_results(capture.words, manifest.classes), f"{graph.name} {manifest}")
        if idle is None and stall is None:
            began = sim.first_accept_cycle
            cycles = capture.cycles[manifest.result_words - 1 :: manifest.result_words].astype(int) - began
            require_rhythm(accelerator, began - released, list(cycles), f"{graph.name} {manifest}")


@pytest.mark.cosim
def test_random_networks_of_every_layer() -> None:
    prove(seed=5, count=4)


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(6, 12))
def test_many_random_networks_of_every_layer(seed: int) -> None:
    prove(seed=seed, count=24)
