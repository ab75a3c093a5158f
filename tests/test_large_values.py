"""A network without normalisation, whose values exceed what its bits count: steps above 1 in every back end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hls_project
import numpy as np
import pytest
from rtl_bench import check
from tensorflow import keras

from hw_amc import hls
from hw_amc.compress.deploy import deploy
from hw_amc.config import RtlSettings
from hw_amc.graph import Graph, golden
from hw_amc.graph.reader import build_graph
from hw_amc.verify import equality
from hw_amc.verify.keras import KerasReference

K = keras.layers


@pytest.fixture(scope="module")
def loud() -> tuple[Any, Any, Graph]:
    """Float model, deployed model, graph: kernels of tens, activations of hundreds of thousands."""
    inputs = keras.Input((16, 2))
    x = K.Conv1D(4, 3, padding="same", activation="relu", name="first")(inputs)
    x = K.Conv1D(5, 3, activation="relu", name="second")(K.MaxPooling1D(2, name="pool")(x))
    model = keras.Model(inputs, K.Dense(3, name="head")(K.GlobalAveragePooling1D(name="gap")(x)))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 30, array.shape) for array in layer.get_weights()])
    deployed = deploy(model, rng.uniform(-1, 1, (64, 16, 2)).astype(np.float32))
    return model, deployed, build_graph(deployed, "loud", [tuple("abc")])


def test_8_bits_keep_the_function(loud: tuple[Any, Any, Graph]) -> None:
    model, deployed, graph = loud
    assert min(node.fmt.frac for node in graph.nodes) < 0
    frames = np.random.default_rng(1).uniform(-1, 1, (64, 16, 2)).astype(np.float32)
    wanted = np.asarray(model(frames))
    assert np.abs(np.asarray(deployed(frames)) - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.cosim
def test_every_back_end_has_the_integers_of_keras(loud: tuple[Any, Any, Graph], tmp_path: Path) -> None:
    _, model, graph = loud
    wire = np.random.default_rng(2).integers(-(2**15), 2**15, (5, 16, 2)).astype(np.int16)
    layers = [node.name for node in graph.nodes[1:]]
    tensors = golden.run(graph, wire, layers)
    equality.require_equal(graph, ("Keras", "golden"), KerasReference(model, graph).run(wire, layers), tensors)
    target = hls.Target("Vitis", hls_project.PART, 8.0, {})
    hls.build_project(model, graph, target, wire, {name: tensors[name] for name in graph.outputs}).write(tmp_path)
    hls_project.require_equal(tmp_path, graph, wire, tensors, "native")
    check(graph, RtlSettings(), tmp_path / "rtl", frames=4)
