"""Layers beyond the lead model's: the deployed Keras form equals the golden interpreter in every integer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
from deployed import act, dense, qkeras, relu, signed
from tensorflow import keras

from hw_amc.compress import QMeanPooling, QTable
from hw_amc.compress.deployed import load_deployed, save_deployed
from hw_amc.graph import Graph, golden, tabulate
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.reader import build_graph
from hw_amc.verify import equality
from hw_amc.verify.keras import KerasReference

K = keras.layers
FORMATS = {"kernel_quantizer": signed(6), "bias_quantizer": signed(8, 1)}


def conv1d(**options: Any) -> Any:
    return qkeras.QConv1D(**{"filters": 4, "kernel_size": 3, "padding": "valid", "name": "conv", **FORMATS, **options})


def conv2d(size: tuple[int, int], **options: Any) -> Any:
    return qkeras.QConv2D(3, size, **{"padding": "valid", "name": "conv", **FORMATS, **options})


def depthwise(size: tuple[int, int], **options: Any) -> Any:
    formats = {"depthwise_quantizer": signed(6), "bias_quantizer": signed(8, 1)}
    return qkeras.QDepthwiseConv2D(size, **{"padding": "same", "name": "conv", **formats, **options})


def image(*shape: int) -> Any:
    return K.Reshape(shape, name="image")


def table(source: tuple[int, int], target: tuple[int, int], function: Callable[[Any], Any]) -> Any:
    layer = QTable(signed(*source), signed(*target), name="table")
    layer.build((None, 1))
    bits, fmt = source[0], FixedFormat(target[0], target[0] - 1 - target[1])
    layer.set_weights([fmt.to_value(tabulate(function, FixedFormat(bits, bits - 1 - source[1]), fmt))])
    return layer


#: What stands between the quantised input of 15 samples and a dense layer -> operations of the graph that come of it.
CHAINS: dict[str, tuple[Callable[[], list[Any]], list[str]]] = {
    "valid": (lambda: [conv1d()], ["conv1d"]),
    "causal": (lambda: [conv1d(padding="causal", dilation_rate=2)], ["conv1d"]),
    "strides": (lambda: [conv1d(padding="same", strides=2)], ["conv1d"]),
    "strides and an even kernel": (lambda: [conv1d(padding="same", strides=3, kernel_size=4)], ["conv1d"]),
    "strides without padding": (lambda: [conv1d(strides=2, kernel_size=4)], ["conv1d"]),
    "dilation": (lambda: [conv1d(padding="same", dilation_rate=3)], ["conv1d"]),
    "a kernel longer than the frame": (lambda: [conv1d(padding="same", kernel_size=20)], ["conv1d"]),
    "image, strides": (lambda: [image(5, 3, 2), conv2d((2, 3), padding="same", strides=2)], ["reshape", "conv2d"]),
    "image, dilation": (lambda: [image(5, 3, 2), conv2d((2, 2), dilation_rate=(3, 1))], ["reshape", "conv2d"]),
    "image, to one row": (
        lambda: [image(3, 5, 2), conv2d((3, 2)), relu("r", 8, 2), conv2d((1, 2), name="next")],
        ["reshape", "conv2d", "quantize", "conv1d"],
    ),
    "image of one row, strides": (lambda: [image(1, 15, 2), conv2d((1, 3), strides=(1, 2))], ["conv1d"]),
    "depthwise": (lambda: [image(5, 3, 2), depthwise((3, 2))], ["reshape", "conv2d"]),
    "depthwise, two each": (
        lambda: [image(5, 3, 2), depthwise((2, 2), depth_multiplier=2, padding="valid", strides=2)],
        ["reshape", "conv2d"],
    ),
    "depthwise over time": (lambda: [image(1, 15, 2), depthwise((1, 5), depth_multiplier=3)], ["conv1d"]),
    "overlapping means": (lambda: [K.AveragePooling1D(4, strides=2, name="mean")], ["mean_pool"]),
    "means without the tail": (lambda: [K.AveragePooling1D(2, name="mean")], ["mean_pool"]),
    "means at the edge": (lambda: [K.AveragePooling1D(2, padding="same", name="mean")], ["mean_pool"]),
    "mean of an image": (
        lambda: [K.Cropping1D((7, 0), name="crop"), image(2, 4, 2), K.GlobalAveragePooling2D(name="mean")],
        ["crop", "reshape", "mean_pool"],
    ),
    "means of three": (lambda: [QMeanPooling(3, name="mean")], ["mean_pool"]),
    "means of seven at the edge": (lambda: [QMeanPooling(7, 3, "same", name="mean")], ["mean_pool"]),
    "mean of the frame": (lambda: [QMeanPooling(name="mean", factor_bits=7)], ["mean_pool"]),
    "means of an image": (
        lambda: [image(5, 3, 2), QMeanPooling((3, 2), (2, 1), "same", name="mean")], ["reshape", "mean_pool"]
    ),
    "mean of a whole image": (lambda: [image(5, 3, 2), QMeanPooling(name="mean")], ["reshape", "mean_pool"]),
    "overlapping maxima": (lambda: [K.MaxPooling1D(4, strides=2, name="most")], ["max_pool1d"]),
    "maxima at the edge": (lambda: [K.MaxPooling1D(4, 3, "same", name="most")], ["max_pool1d"]),
    "maxima without the tail": (lambda: [K.MaxPooling1D(2, name="most")], ["max_pool1d"]),
    "maxima of an image": (
        lambda: [image(5, 3, 2), K.MaxPooling2D((2, 2), 2, "same", name="most")], ["reshape", "max_pool2d"]
    ),
    "maximum of an image": (lambda: [image(5, 3, 2), K.GlobalMaxPooling2D(name="most")], ["reshape", "max_pool2d"]),
    "padding": (lambda: [K.ZeroPadding1D((3, 1), name="pad")], ["zero_pad"]),
    "padding of an image": (
        lambda: [image(5, 3, 2), K.ZeroPadding2D(((1, 0), (2, 3)), name="pad")], ["reshape", "zero_pad"]
    ),
    "padding of one row": (lambda: [image(1, 15, 2), K.ZeroPadding2D((0, 2), name="pad")], ["zero_pad"]),
    "cropping": (lambda: [K.Cropping1D((3, 1), name="crop")], ["crop"]),
    "cropping to one row": (
        lambda: [image(5, 3, 2), K.Cropping2D(((3, 1), (1, 0)), name="crop")], ["reshape", "crop"]
    ),
    "the last sample": (lambda: [K.Cropping1D((14, 0), name="crop")], ["crop"]),
    "permuting": (lambda: [K.Permute((2, 1), name="permute")], ["permute"]),
    "permuting an image": (lambda: [image(5, 3, 2), K.Permute((3, 1, 2), name="permute")], ["reshape", "permute"]),
    "permuting one row": (lambda: [image(1, 15, 2), K.Permute((2, 1, 3), name="permute")], ["reshape"]),
    "channels of one row": (lambda: [image(1, 15, 2), K.Permute((1, 3, 2), name="permute")], ["permute"]),
    "sine": (lambda: [act("narrow", 7, 1), table((7, 1), (9, 0), lambda x: np.sin(3 * x))], ["quantize", "table"]),
    "reciprocal of a wide number": (
        lambda: [act("narrow", 12, 1), table((12, 1), (10, 3), lambda x: 1 / (x + 2.001))], ["quantize", "table"]
    ),
}  # fmt: skip


def frames(count: int = 5) -> np.ndarray:
    rng = np.random.default_rng(3)
    words = rng.integers(-(1 << 15), 1 << 15, (count, 15, 2)).astype(np.int16)
    words[0], words[1] = (1 << 15) - 1, -(1 << 15)
    return words


def chain(layers: list[Any], classes: int = 3) -> Any:
    inputs = keras.Input((15, 2), name="frames")
    x = act("input_quant", 8, 1)(inputs)
    for layer in layers:
        x = layer(x)
    x = dense("head", classes)(act("flat_q", 8, 2)(K.Flatten(name="flat")(x)))
    return keras.Model(inputs, x)


def require_equal(model: Any, graph: Graph, wire: np.ndarray) -> None:
    layers = [node.name for node in graph.nodes[1:]]
    expected = KerasReference(model, graph).run(wire, layers)
    equality.require_equal(graph, ("Keras", "golden"), expected, golden.run(graph, wire, layers))


@pytest.mark.parametrize("case", CHAINS)
def test_layer_equals_golden(case: str, tmp_path: Path) -> None:
    build, ops = CHAINS[case]
    model = chain(build())
    known = {layer.name: layer.get_weights() for layer in model.layers if isinstance(layer, QTable)}
    deployed.fill(model, "random")
    for name, weights in known.items():
        model.get_layer(name).set_weights(weights)
    graph = build_graph(model, "chain", list("abc"))
    found = [node.op for node in graph.nodes[2:]]
    assert found[: len(ops)] == ops
    assert [op for op in found[len(ops) :] if op != "reshape"] == ["quantize", "dense"]
    require_equal(model, graph, frames())
    graph.save(tmp_path)
    assert Graph.load(tmp_path).digest() == graph.digest()


@pytest.mark.parametrize("fill", ["random", "alternating", "largest"])
def test_branches_equal_golden(fill: str) -> None:
    inputs = keras.Input((15, 2), name="frames")
    x = act("input_quant", 8, 1)(inputs)
    a = act("a_q", 6, 1)(conv1d(name="a", padding="same")(x))
    b = relu("b_q", 7, 2)(conv1d(name="b", padding="same")(x))
    joined = K.Concatenate(name="joined")([a, b, a])
    difference = K.Subtract(name="difference")([a, b])
    product = K.Multiply(name="product")([b, difference])
    gate = act("gate_q", 5)(conv1d(name="gate", padding="same", filters=1)(x))
    gated = K.Multiply(name="gated")([product, gate])
    heads = [dense(f"head{index}", 2)(act(f"q{index}", 8, 3)(QMeanPooling(name=f"mean{index}")(tensor)))
             for index, tensor in enumerate((joined, gated))]  # fmt: skip
    model = deployed.fill(keras.Model(inputs, heads), fill)
    graph = build_graph(model, "branches", (["a", "b"], ["c", "d"]))
    assert graph["joined"].fmt == FixedFormat(8, 5)
    assert graph["joined"].shape == (15, 12)
    assert graph["difference"].fmt == FixedFormat(9, 5)
    require_equal(model, graph, frames())


def test_our_layers_are_saved_and_loaded(tmp_path: Path) -> None:
    layers = [act("narrow", 6, 1), table((6, 1), (8, 0), np.tanh), QMeanPooling(5, 2, "same", 9, name="mean")]
    model = chain(layers)
    save_deployed(model, tmp_path / "weights.h5")
    loaded = load_deployed(tmp_path / "weights.h5")
    assert build_graph(loaded, "g", list("abc")).digest() == build_graph(model, "g", list("abc")).digest()
    require_equal(loaded, build_graph(loaded, "g", list("abc")), frames())


def test_our_layers_run_in_float64_where_float32_would_round() -> None:
    wide = {"kernel_quantizer": signed(16), "bias_quantizer": signed(16)}
    layers = [act("narrow", 8, 1), table((8, 1), (14, 0), np.tanh), QMeanPooling(5, 1, factor_bits=16, name="mean"),
              act("again", 16), conv1d(**wide)]  # fmt: skip
    model = chain(layers)
    known = model.get_layer("table").get_weights()
    deployed.fill(model, "largest")
    model.get_layer("table").set_weights(known)
    graph = build_graph(model, "wide", list("abc"))
    assert KerasReference(model, graph).dtype == "float64"
    require_equal(model, graph, frames())
