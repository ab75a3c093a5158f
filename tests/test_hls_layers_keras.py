"""Keras models with the layers beside the lead model's go through hls4ml to a C simulation that equals golden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import deployed
import hls_project
import numpy as np
import pytest

from hw_amc import hls
from hw_amc.compress import QMeanPooling, QTable
from hw_amc.compress.deploy import deploy
from hw_amc.compress.layers import qkeras
from hw_amc.errors import Mismatch
from hw_amc.graph import golden
from hw_amc.graph.reader import build_graph
from hw_amc.hls import csim
from hw_amc.hls.host import weights

WEIGHTS = {"kernel_quantizer": deployed.signed(6), "bias_quantizer": deployed.signed(8, 1)}


def over_time() -> Any:
    """Strides, dilation, a table, a concatenation, a gate of the whole frame's mean, an LSTM's last state."""
    from tensorflow import keras

    layers = keras.layers
    inputs = keras.Input((16, 2), name="frames")
    x = qkeras.QConv1D(4, 3, strides=2, padding="same", name="halved", **WEIGHTS)(deployed.act("iq", 8, 1)(inputs))
    x = deployed.relu("halved_q", 6, 1)(x)
    y = qkeras.QConv1D(4, 3, dilation_rate=2, padding="causal", name="past", **WEIGHTS)(x)
    y = QTable(deployed.signed(6, 1), deployed.signed(8), name="bend")(deployed.act("past_q", 6, 1)(y))
    z = deployed.act("join_q", 6, 1)(layers.Concatenate(name="join")([x, y]))
    gate = deployed.dense("gate", 8)(deployed.act("mean_q", 6, 1)(QMeanPooling(name="mean")(z)))
    gate = layers.Reshape((1, 8), name="row")(deployed.relu("gate_q", 5)(gate))
    z = deployed.act("gated_q", 6, 1)(layers.Multiply(name="gated")([z, gate]))
    z = deployed.act("state_q")(deployed.lstm("lstm", 4)(z))
    z = layers.Flatten(name="flat")(layers.Cropping1D((7, 0), name="last")(z))
    return keras.Model(inputs, deployed.dense("head", 3)(z))


def image() -> Any:
    """I and Q as two rows of an image: padding, a convolution in rows, a depthwise one over both, a maximum."""
    from tensorflow import keras

    layers = keras.layers
    inputs = keras.Input((16, 2), name="frames")
    x = layers.Permute((2, 1), name="turned")(deployed.act("iq", 8, 1)(inputs))
    x = layers.ZeroPadding2D(((0, 0), (2, 2)), name="padded")(layers.Reshape((2, 16, 1), name="image")(x))
    x = deployed.relu("rows_q", 6, 1)(deployed.conv2d("rows", 4, (1, 3), "valid")(x))
    formats = {"depthwise_quantizer": deployed.signed(6), "bias_quantizer": deployed.signed(8, 1)}
    x = qkeras.QDepthwiseConv2D((2, 3), padding="valid", name="both", **formats)(x)
    x = layers.MaxPooling2D((1, 2), name="most")(deployed.relu("both_q", 6, 1)(x))
    return keras.Model(inputs, deployed.dense("head", 3)(layers.Flatten(name="flat")(x)))


#: Network -> how it is built, samples of a frame, classes of its heads.
MODELS = {
    "over_time": (over_time, 16, (("a", "b", "c"),)),
    "image": (image, 16, (("a", "b", "c"),)),
    "multi-task": (deployed.mtl_model, 32, (("a", "b", "c"), ("d", "e", "f", "g"))),
}


@pytest.mark.parametrize(
    "name", ["over_time", *(pytest.param(name, marks=pytest.mark.slow) for name in ("image", "multi-task"))]
)
def test_a_keras_model_equals_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(csim.FLAVOURS, "native", ("-O0", *csim.FLAVOURS["native"][1:]))
    build, frame_len, classes = MODELS[name]
    model = deployed.fill(build(), "random")
    for layer in model.layers:
        if isinstance(layer, QTable):
            layer.set_weights([np.sin(np.arange(64) / 9)])
    graph = build_graph(model, name, classes)
    frames = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (4, frame_len, 2)).astype(np.int16)
    tensors = golden.run(graph, frames, [node.name for node in graph.nodes[1:]])
    hls.build_project(model, graph, hls.Target("Vitis", hls_project.PART, 8.0), frames, tensors).write(tmp_path)
    hls_project.require_equal(tmp_path, graph, frames, tensors, "native")


def test_a_table_of_gates_that_is_not_kerass_is_named() -> None:
    from tensorflow import keras

    model = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(2, name="lstm"), keras.layers.Dense(2)])
    exact = deploy(model, np.random.default_rng(0).uniform(-1, 1, (8, 4, 2)).astype(np.float32))
    graph = build_graph(exact, "lstm_net", (("a", "b"),))
    weights.require_graph(exact, graph)
    node: Any = graph["lstm"]
    other = replace(node, gate_table=node.gate_table ^ (np.arange(node.gate_table.size) == 3))
    changed = replace(graph, nodes=tuple(other if each is node else each for each in graph.nodes))
    with pytest.raises(Mismatch, match=r"layer lstm: gate_table\[3\] is \d+ in Keras and \d+ in the graph"):
        weights.require_graph(exact, changed)
