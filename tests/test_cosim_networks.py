"""Random small networks and settings through the RTL, shell included, against golden: many in one build."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import Widths, gru_cnn_graph, random_frames
from shell_farm import BOARD

from hw_amc.config import LayerRtl, ProjectSettings, RtlSettings
from hw_amc.cosim.farm import TOP, build_farm
from hw_amc.cosim.results import require_rhythm
from hw_amc.cosim.verilated import FastSim
from hw_amc.graph import Graph
from hw_amc.interface.words import unpack_results
from hw_amc.rtl import build_core
from hw_amc.rtl.schedule import build_schedule, legal_cycles
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.verify.results import golden_logits, require_results

PATTERNS = (None, (1, 0, 0), np.random.default_rng(3).integers(0, 2, 4093))


def draw(rng: np.random.Generator, index: int) -> Any:
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
    return replace(graph, name=f"net{index}"), ProjectSettings(rtl=draw_settings(rng, graph))


def draw_settings(rng: np.random.Generator, graph: Graph) -> Any:
    """R of all layers and of some, K, mode and channels: any that are possible."""
    chain = build_schedule(graph, RtlSettings()).chain
    cycles = min(int(rng.choice([1, 1, 2, 3, 5, 8])), legal_cycles(chain)[-1])
    layers = {}
    if rng.random() < 0.5:
        for block in chain.blocks:
            if block.layer and rng.random() < 0.5:
                # At several cycles an affine layer shares multipliers between its channels.
                most = block.channels if block.layer == "gru_affine" else block.legal_cycles[-1]
                layers[block.layer] = LayerRtl(cycles_per_step=int(rng.integers(1, most + 1)))
    mode = "channels" if rng.random() < 0.3 else "frames"
    rtl = RtlSettings(cycles_per_step=cycles, layers=layers, mode=mode)
    most = build_schedule(graph, rtl).timing.contexts
    contexts = int(rng.choice([0, 0, 1, rng.integers(1, most + 1)]))
    n_channels = int(rng.integers(0, (contexts or most) + 1)) if mode == "channels" else 0
    return rtl.model_copy(update={"contexts": contexts, "n_channels": n_channels})


def short_frames(index: int) -> Any:
    """Four samples a frame, less than the pipeline holds: frames wait for those under way, with K contexts or one."""
    graph = gru_cnn_graph(np.random.default_rng(index), frame_len=4, cells=3, filters=(2, 3))
    mode, contexts = (("frames", 0), ("frames", 1), ("channels", 3))[index % 3]
    rtl = RtlSettings(cycles_per_step=2 + index % 2, mode=mode, contexts=contexts)
    return replace(graph, name=f"short{index}"), ProjectSettings(rtl=rtl)


def prove(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [draw(rng, index) for index in range(count)] + [short_frames(index) for index in range(count // 2)]
    made = [build_accelerator(graph, build_core(graph, s.rtl), s, BOARD) for graph, s in drawn]
    with FastSim(build_farm(made), TOP, farm=True) as sim:
        for index, ((graph, _), accelerator) in enumerate(zip(drawn, made, strict=True)):
            check(sim, index, graph, accelerator, rng)


def check(sim: Any, index: int, graph: Graph, accelerator: Any, rng: np.random.Generator) -> None:
    sim.select(index)
    manifest = accelerator.manifest
    together = manifest.round_results
    n = manifest.n_channels * -(-(3 * together + 2) // manifest.n_channels)
    frames = random_frames(rng, graph, n)
    expected = golden_logits(graph, frames)
    for idle in PATTERNS:
        for stall in PATTERNS:
            sim.reset()
            released, capture = sim.cycle, sim.stream(frames, idle, stall)
            require_results(
                graph, expected, unpack_results(capture.words, manifest.classes), f"{graph.name} {manifest}"
            )
            if idle is None and stall is None:
                began = sim.first_accept_cycle
                cycles = capture.cycles[manifest.result_words - 1 :: manifest.result_words].astype(int) - began
                require_rhythm(accelerator, began - released, list(cycles), f"{graph.name} {manifest}")


@pytest.mark.cosim
def test_random_networks() -> None:
    prove(seed=1, count=8)


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(2, 22))
def test_hundreds_of_random_networks(seed: int) -> None:
    prove(seed=seed, count=12)
