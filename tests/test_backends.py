"""Every back end behind the one protocol: the same integers, a wrong one found, and unknown tensors refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
from board_overlays import golden_overlay
from networks import gru_cnn_graph, mtl_graph, random_frames
from shell_farm import BOARD

from hw_amc import hls
from hw_amc.bench.backend import Device
from hw_amc.config import ProjectSettings, RtlSettings
from hw_amc.cosim.backend import SimulatedRtl
from hw_amc.driver import AmcOverlay
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.graph import Graph
from hw_amc.hls import csim
from hw_amc.interface.words import Results
from hw_amc.rtl import build_core
from hw_amc.rtl.shell.accelerator import build_accelerator
from hw_amc.verify.backend import Backend, Golden, prove
from hw_amc.verify.keras import KerasReference
from hw_amc.verify.results import golden_logits, join_heads, require_logits, split_heads

GRAPHS = {
    "one head": gru_cnn_graph(np.random.default_rng(3)),
    "two heads": mtl_graph(np.random.default_rng(3)),
}


def with_a_wrong_weight(graph: Graph) -> Graph:
    """The network with one integer of its last head's bias changed."""
    head = graph[graph.outputs[-1]]
    bias = head.arrays()["bias"].copy()
    bias[0] ^= 1
    return graph.replace_node(replace(head, bias=bias))  # type: ignore[call-arg]


@contextmanager
def device_of(graph: Graph, folder: Path) -> Iterator[Backend]:
    with AmcOverlay(golden_overlay(folder, graph), batch=8) as overlay:
        yield Device(graph, overlay)


@contextmanager
def rtl_of(graph: Graph, folder: Path) -> Iterator[Backend]:
    settings = ProjectSettings()
    accelerator = build_accelerator(graph, build_core(graph, RtlSettings(), cache=folder / "adders"), settings, BOARD)
    yield SimulatedRtl(graph, accelerator)


HARDWARE = [pytest.param(device_of, id="device"), pytest.param(rtl_of, id="rtl", marks=pytest.mark.cosim)]


@pytest.mark.parametrize("make", HARDWARE)
@pytest.mark.parametrize("name", GRAPHS)
def test_hardware_equals_golden_in_every_head(make: Any, name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]
    frames = random_frames(np.random.default_rng(5), graph, 12)
    with make(graph, tmp_path) as backend:
        assert prove(graph, (Golden(graph), backend), frames) == 12 * sum(map(len, graph.classes))
        last = graph.outputs[-1:]
        assert list(backend.run(frames, last)) == list(last)
        with pytest.raises(ConfigError, match=r"shows the outputs of a network only .*, not 'input_quant'"):
            backend.run(frames, ["input_quant"])
        with pytest.raises(Mismatch, match=rf"layer {last[0]}, frame 32, class 0 .*: golden -?\d+, {backend.name} "):
            prove(graph, (Golden(with_a_wrong_weight(graph)), backend), frames, first_frame=32)


def test_keras_and_c_simulation_equal_golden_in_every_layer(tmp_path: Path) -> None:
    model, graph = deployed.build("sparse", tmp_path / "weights.h5")
    frames = deployed.wire_frames(4)
    target = hls.Target("Vitis", "xc7z020clg400-1", 8.0)
    bench = Golden(graph).run(frames[:2])
    hls.build_project(model, graph, target, frames[:2], bench).write(tmp_path)
    layers = [node.name for node in graph.nodes[1:]]
    reference = KerasReference(model, graph)
    assert reference.name == "Keras"
    for backend in (Golden(graph), csim.build(tmp_path, "ap_fixed")):
        assert prove(graph, (reference, backend), frames, layers) > 4 * len(layers)
        assert list(backend.run(frames)) == list(graph.outputs)
        with pytest.raises(ConfigError, match="'mystery'"):
            backend.run(frames, ["mystery"])
    assert csim.build(tmp_path, "ap_fixed").name == "C-sim (ap_fixed)"


def test_heads_are_joined_and_split() -> None:
    graph = GRAPHS["two heads"]
    frames = random_frames(np.random.default_rng(1), graph, 3)
    tensors = Golden(graph).run(frames)
    logits = join_heads(graph, tensors)
    assert logits.shape == (3, 7)
    np.testing.assert_array_equal(logits, golden_logits(graph, frames))
    for name, tensor in split_heads(graph, logits).items():
        np.testing.assert_array_equal(tensor, tensors[name])


def test_the_class_is_the_first_heads() -> None:
    graph = GRAPHS["two heads"]
    logits = golden_logits(graph, random_frames(np.random.default_rng(1), graph, 3))
    labels = logits[:, :3].argmax(axis=1)
    rest = [np.zeros(3, np.int64)] * 3
    require_logits(graph, logits, Results(labels, *rest, logits), "sim")
    wrong = (labels + np.array([0, 1, 0])) % 3
    names = graph.classes[0]
    message = rf"frame 1: golden class {labels[1]} \({names[labels[1]]}\), sim class {wrong[1]}, though the logits are"
    with pytest.raises(Mismatch, match=message):
        require_logits(graph, logits, Results(wrong, *rest, logits), "sim")
