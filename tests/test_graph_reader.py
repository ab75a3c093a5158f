"""The deployed Keras model equals the golden interpreter in every integer of every layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
from deployed import FILLS, SMALL

from hw_amc import compress
from hw_amc import graph as ir
from hw_amc.errors import ConfigError, DataError, Mismatch, UnsupportedLayer
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.reader import build_graph, identifier
from hw_amc.verify import equality as compare
from hw_amc.verify.keras import KerasReference, nodes_beyond_float32

CLASSES = SMALL.classes
FOUR_BITS = {
    "gru": {"kernel_bits": 4, "recurrent_bits": 4, "bias_bits": 6},
    "conv1": {"kernel_bits": 4, "bias_bits": 12},
    "conv2": {"kernel_bits": 4, "bias_bits": 12},
}
WIDE = {"gru": {"state_bits": 12, "candidate_bits": 12, "gate_bits": 10, "recurrent_bits": 12, "kernel_bits": 12}}


@pytest.mark.parametrize(
    ("fill", "formats"),
    [*((fill, None) for fill in FILLS), ("random", FOUR_BITS), ("random", WIDE), ("alternating", WIDE)],
    ids=[*FILLS, "random 4 bit", "random 12 bit", "alternating 12 bit"],
)
def test_keras_equals_golden_in_every_layer(tmp_path: Path, fill: str, formats: dict | None) -> None:
    path = tmp_path / "weights.h5"
    model, graph = deployed.build(fill, path, formats)
    frames = deployed.wire_frames(6)
    layers = [node.name for node in graph.nodes[1:]]
    keras = KerasReference(model, graph).run(frames, layers)
    compared = compare.require_equal(graph, ("Keras", "golden"), keras, golden.run(graph, frames, layers))
    assert compared == len(frames) * sum(int(np.prod(graph[name].shape)) for name in layers)


def _require_equal(model: Any, graph: ir.Graph, frames: np.ndarray) -> None:
    layers = [node.name for node in graph.nodes[1:]]
    keras = KerasReference(model, graph).run(frames, layers)
    compare.require_equal(graph, ("Keras", "golden"), keras, golden.run(graph, frames, layers))


@pytest.mark.parametrize("fill", ["random", "alternating", "smallest"])
def test_branches_and_heads_equal_golden(fill: str) -> None:
    model = deployed.fill(deployed.residual_model(), fill)
    graph = build_graph(model, "residual", (["a", "b", "c"], ["d", "e"]))
    assert graph["sum"].fmt == FixedFormat(9, 5)
    assert graph.outputs == ("head3", "head2")
    _require_equal(model, graph, deployed.wire_frames(5))


@pytest.mark.parametrize("fill", ["random", "ties"])
def test_images_of_height_one_are_tensors_over_time(fill: str) -> None:
    model = deployed.fill(deployed.hakimi_model(), fill)
    graph = build_graph(model, "hakimi", [f"class{i}" for i in range(5)])
    assert [node.op for node in graph.nodes[2:5]] == ["conv1d", "quantize", "max_pool1d"]
    assert graph["conv0"].arrays()["kernel"].shape == (8, 2, 4)
    assert graph["mean"].op == "global_avg_pool1d"
    _require_equal(model, graph, np.random.default_rng(1).integers(-(1 << 15), 1 << 15, (4, 64, 2)).astype(np.int16))


@pytest.mark.parametrize("fill", ["random", "alternating"])
def test_images_equal_golden(fill: str, tmp_path: Path) -> None:
    model = deployed.fill(deployed.mtl_model(), fill)
    graph = build_graph(model, "mtl", (["a", "b", "c"], ["d", "e", "f", "g"]))
    graph.save(tmp_path)
    assert Graph.load(tmp_path).digest() == graph.digest()
    frames = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, (4, 32, 2)).astype(np.int16)
    _require_equal(model, graph, frames)


def test_padded_images_equal_golden() -> None:
    from tensorflow import keras

    inputs = keras.Input((16, 2), name="frames")
    x = keras.layers.Reshape((4, 4, 2), name="image")(deployed.act("input_quant", 8, 1)(inputs))
    x = deployed.conv2d("even", 3, (2, 4))(x)
    x = keras.layers.MaxPooling2D((3, 2), strides=(1, 2), name="pool")(deployed.act("even_q", 8, 3)(x))
    model = deployed.fill(
        keras.Model(inputs, deployed.dense("head", 2)(keras.layers.Flatten(name="flat")(x))), "random"
    )
    graph = build_graph(model, "padded", ["a", "b"])
    assert [node.shape for node in graph.nodes[2:]] == [(4, 4, 2), (4, 4, 3), (4, 4, 3), (2, 2, 3), (12,), (2,)]
    _require_equal(model, graph, np.random.default_rng(1).integers(-(1 << 15), 1 << 15, (3, 16, 2)).astype(np.int16))


@pytest.mark.parametrize(
    ("fill", "state", "bits"),
    [
        ("random", (8, 0), 8),
        ("random", (8, 2), 8),
        ("random", (10, 1), 6),
        ("alternating", (8, 0), 8),
        ("largest", (6, 2), 8),
        ("ties", (4, 0), 8),
    ],
)
def test_lstm_equals_golden_in_every_state(fill: str, state: tuple[int, int], bits: int) -> None:
    from tensorflow import keras

    inputs = keras.Input((128, 2), name="frames")
    x = deployed.act("input_quant", 8, 1)(inputs)
    x = deployed.act("lstm_q", *state)(deployed.lstm("lstm", 7, state, bits)(x))
    x = keras.layers.GlobalAveragePooling1D(name="gap")(x)
    model = deployed.fill(keras.Model(inputs, x), fill)
    graph = build_graph(model, "lstm", [f"class{i}" for i in range(7)])
    frames = np.random.default_rng(2).integers(-(1 << 15), 1 << 15, (8, 128, 2)).astype(np.int16)
    frames[0], frames[1] = (1 << 15) - 1, frames[1] >> 6
    _require_equal(model, graph, frames)


def test_keras_runs_in_float64_where_float32_would_round(tmp_path: Path) -> None:
    zero, small = deployed.build("zero", tmp_path / "a.h5")
    full, large = deployed.build("largest", tmp_path / "b.h5", WIDE)
    assert KerasReference(zero, small).dtype == "float32"
    assert nodes_beyond_float32(large) == ["gru"]
    assert KerasReference(full, large).dtype == "float64"


def test_a_changed_weight_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    model, graph = deployed.build("random", path)
    frames = deployed.wire_frames(4)
    keras = KerasReference(model, graph).run(frames, ["gru", "conv1", "head"])
    changed = model.get_layer("conv1").get_weights()
    changed[0][1, 2, 3] += 2.0**-7
    model.get_layer("conv1").set_weights(changed)
    other = build_graph(model, "changed", CLASSES)
    with pytest.raises(Mismatch, match=r"layer conv1, frame \d, step \d+, channel 3: Keras -?\d+, golden -?\d+"):
        compare.require_equal(graph, ("Keras", "golden"), keras, golden.run(other, frames, keras))


def _chain(*layers: Any) -> Any:
    from tensorflow import keras

    inputs = keras.Input((16, 2), name="frames")
    x = inputs
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def _joined(layer: Any, count: int = 2) -> Any:
    from tensorflow import keras

    inputs = keras.Input((16, 2), name="frames")
    return keras.Model(inputs, layer([deployed.act(f"q{index}")(inputs) for index in range(count)]))


def _table(source: str) -> Any:
    from hw_amc.compress import QTable

    first = source if "13" in source else "quantized_bits(8,0,0,alpha=1)"
    return _chain(
        deployed.qkeras.QActivation(first, name="q"), QTable(source, "quantized_bits(6,0,0,alpha=1)", name="t")
    )


def _bad_models() -> Any:
    """Name, model, and what the message must say."""
    from tensorflow import keras

    from hw_amc.compress.layers import qkeras

    bits = "quantized_bits(8,0,0,alpha=1)"

    def gru(**changes: Any) -> Any:
        settings = {
            **dict.fromkeys(("kernel_quantizer", "recurrent_quantizer", "bias_quantizer", "state_quantizer"), bits),
            "activation": "quantized_tanh(8)",
            "recurrent_activation": "quantized_sigmoid(8)",
            "return_sequences": True,
            "reset_after": True,
            "name": "gru",
        }
        return qkeras.QGRU(3, **{**settings, **changes})

    def act(text: Any = bits) -> Any:
        return qkeras.QActivation(text, name="act")

    def conv(**changes: Any) -> Any:
        return qkeras.QConv1D(
            3, 3, **{"padding": "same", "kernel_quantizer": bits, "bias_quantizer": bits, "name": "conv", **changes}
        )

    def three() -> Any:
        inputs = keras.Input((16, 2), name="frames")
        return keras.Model(inputs, keras.layers.Add(name="sum")([act()(inputs)] * 3))

    def twice() -> Any:
        inputs = keras.Input((16, 2), name="frames")
        x = deployed.lstm("lstm", 3)(inputs)
        return keras.Model(inputs, keras.layers.Add(name="sum")([act()(x), x]))

    return {
        "unknown layer": (lambda: _chain(keras.layers.LSTM(3, name="lstm")), "'lstm' (LSTM) has no exact form"),
        "batch normalisation": (lambda: _chain(keras.layers.BatchNormalization(name="bn")), "'bn' (BatchNorm"),
        "smooth sigmoid": (lambda: _chain(act("quantized_sigmoid(8,use_real_sigmoid=1)")), "quantized_sigmoid"),
        "auto scale": (lambda: _chain(act("quantized_bits(8,0,0,alpha='auto')")), "alpha must be 1"),
        "symmetric": (lambda: _chain(act("quantized_bits(8,0,1,alpha=1)")), "symmetric must be 0"),
        "leaky": (lambda: _chain(act("quantized_relu(8,0,negative_slope=0.25)")), "leaky"),
        "backwards": (lambda: _chain(gru(go_backwards=True), act()), "with a ReverseTime in front"),
        "smooth gates": (lambda: _chain(gru(recurrent_activation="sigmoid"), act()), "hard form"),
        "no state quantiser": (lambda: _chain(gru(), keras.layers.AveragePooling1D(2)), "right behind it"),
        "last state only": (lambda: _chain(gru(return_sequences=False)), "return_sequences"),
        "float kernel": (lambda: _chain(act(), conv(kernel_quantizer=None)), "needs a quantiser"),
        "fused activation": (lambda: _chain(act(), conv(activation="relu")), "QActivation behind it"),
        "bare lstm": (lambda: _chain(act(), deployed.lstm("lstm", 3)), "right behind it"),
        "smooth lstm": (lambda: _chain(deployed.lstm("lstm", 3, recurrent_activation="sigmoid"), act()), "hard form"),
        "three branches": (three, "add two at a time"),
        "two readers": (twice, "right behind it"),
        "odd mean": (lambda: _chain(act(), keras.layers.AveragePooling1D(3)), "a mean over 3 samples is not exact"),
        "odd edge": (lambda: _chain(act(), keras.layers.AveragePooling1D(4, 2, "same")), "a mean over 3 samples"),
        "odd frame": (lambda: _chain(keras.layers.Cropping1D(1), keras.layers.GlobalAveragePooling1D()), "over 14 sam"),
        "no bias": (lambda: _chain(act(), conv(use_bias=False)), "use_bias must be True"),
        "separable": (lambda: _chain(act(), qkeras.QSeparableConv1D(3, 3, name="sep")), "a QDepthwiseConv2D, a QActiv"),
        "mean of QKeras": (
            lambda: _chain(keras.layers.Reshape((4, 4, 2)), act(), qkeras.QAveragePooling2D(3)),
            "floats round its mean; take a QMeanPooling",
        ),
        "rows joined": (lambda: _joined(keras.layers.Concatenate(axis=1, name="c")), "axis must be -1, not 1"),
        "three factors": (lambda: _joined(keras.layers.Multiply(name="c"), 3), "multiply two at a time"),
        "wide table": (lambda: _table("quantized_bits(13,0,0,alpha=1)"), "has 13 bits; quantise it to at most 12"),
        "another table": (
            lambda: _table("quantized_bits(8,1,0,alpha=1)"),
            "its table is for s8.6, and its input is s8.7",
        ),
    }


@pytest.mark.parametrize("case", [
    "unknown layer", "batch normalisation", "smooth sigmoid", "auto scale", "symmetric", "leaky", "backwards",
    "smooth gates", "no state quantiser", "last state only", "float kernel",
    "fused activation", "bare lstm", "smooth lstm", "three branches", "two readers", "odd mean",
    "odd edge", "odd frame", "no bias", "separable", "mean of QKeras", "rows joined", "three factors", "wide table",
    "another table",
])  # fmt: skip
def test_layers_that_cannot_be_exact_are_refused(case: str) -> None:
    build, message = _bad_models()[case]
    model = build()
    with pytest.raises((UnsupportedLayer, DataError)) as caught:
        build_graph(model, "bad", CLASSES)
    assert message in str(caught.value)


def test_a_sequential_model_keeps_its_first_layer() -> None:
    from tensorflow import keras

    def layers() -> list:
        first = [deployed.act("iq", 8, 1), deployed.conv1d("c", 3, 3)]
        return [*first, keras.layers.Flatten(name="f"), deployed.dense("head", 5)]

    chain = deployed.fill(_chain(*layers()), "random")
    sequential = deployed.fill(keras.Sequential([keras.Input((16, 2), name="frames"), *layers()]), "random")
    graph = build_graph(sequential, "s", CLASSES)
    assert [node.name for node in graph.nodes] == ["frames", "iq", "c", "f", "head"]
    assert graph.digest() == build_graph(chain, "s", CLASSES).digest()
    _require_equal(sequential, graph, deployed.wire_frames(4))
    unbuilt = keras.Sequential([deployed.act("iq", 8, 1)])
    with pytest.raises(UnsupportedLayer, match=r"needs one input of frames \(T, 2\), and has 0"):
        build_graph(unbuilt, "s", CLASSES)


def test_names_that_are_no_identifiers_become_some_and_are_kept() -> None:
    from tensorflow import keras

    layers = [deployed.act("block1/iq", 8, 1), deployed.conv1d("block1/conv-1", 3, 3), deployed.act("block1/conv_1"),
              deployed.lstm("block1/lstm.1", 3), deployed.act("2nd"), keras.layers.GlobalAveragePooling1D(name="g"),
              deployed.dense("block2/head", 5)]  # fmt: skip
    model = deployed.fill(_chain(*layers), "random")
    graph = build_graph(model, "names", CLASSES)
    assert [(node.name, node.layer_name) for node in graph.nodes] == [
        ("frames", "frames"),
        ("block1_iq", "block1/iq"),
        ("block1_conv_1", "block1/conv-1"),
        ("block1_conv_1_2", "block1/conv_1"),
        ("block1_lstm_1", "block1/lstm.1"),
        ("g", "g"),
        ("block2_head", "block2/head"),
    ]
    assert graph["block1_lstm_1"].inputs == ("block1_conv_1_2",)
    assert graph.outputs == ("block2_head",)
    _require_equal(model, graph, deployed.wire_frames(4))


@pytest.mark.parametrize(("name", "word"), [
    ("conv1", "conv1"), ("conv-1", "conv_1"), ("a/b.c", "a_b_c"), ("1st", "layer_1st"), ("_x", "layer__x"),
    ("register", "layer_register"), ("wire", "layer_wire"), ("input", "layer_input"), ("größe", "gr__e"),
])  # fmt: skip
def test_identifiers_are_names_in_every_language(name: str, word: str) -> None:
    assert identifier(name) == word


@pytest.mark.parametrize(("shape", "message"), [
    ((16, 2, 1), r"must be \(T, 2\), a frame of I and Q, not \(16, 2, 1\)"),
    ((32,), r"must be \(T, 2\), a frame of I and Q, not \(32,\)"),
    ((16, 3), r"must be \(T, 2\), a frame of I and Q, not \(16, 3\)"),
    ((None, 2), "needs a fixed number of samples"),
])  # fmt: skip
def test_inputs_of_another_shape_are_refused(shape: tuple, message: str) -> None:
    from tensorflow import keras

    inputs = keras.Input(shape, name="frames")
    with pytest.raises(UnsupportedLayer, match=message):
        build_graph(keras.Model(inputs, deployed.act("iq")(inputs)), "bad", CLASSES)


def test_two_inputs_are_refused() -> None:
    from tensorflow import keras

    left, right = keras.Input((16, 2), name="left"), keras.Input((16, 2), name="right")
    model = keras.Model([left, right], keras.layers.Add(name="sum")([left, right]))
    with pytest.raises(UnsupportedLayer, match=r"one input of frames \(T, 2\), and has 2"):
        build_graph(model, "bad", CLASSES)


@pytest.mark.parametrize(("classes", "message"), [
    (["a", "b", "c"], r"2 heads \('head3', 'head2'\), and there are 1 lists of class names"),
    ((["a", "b", "c"], ["d"]), r"head 'head2' gives 2 logits, and there are 1 class names; name those"),
    ((["a", "b", "c"], ["d", "e"], ["f"]), "there are 3 lists"),
    ((), "there are 0 lists"),
])  # fmt: skip
def test_class_names_that_do_not_fit_are_refused(classes: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_graph(deployed.residual_model(), "heads", classes)


@pytest.mark.parametrize(("value", "count"), [(np.nan, 1), (np.inf, 1), (-np.inf, 3)])
def test_weights_that_are_no_numbers_are_refused_by_name(value: float, count: int) -> None:
    model = deployed.fill(_chain(deployed.act("iq", 8, 1), deployed.conv1d("c1", 3, 3)), "random")
    kernel, bias = model.get_layer("c1").get_weights()
    kernel.flat[:count] = value
    model.get_layer("c1").set_weights([kernel, bias])
    with pytest.raises(DataError, match=f"layer 'c1': {count} of the 18 values of kernel are not finite real numbers"):
        build_graph(model, "bad", CLASSES)


def test_formats_beyond_the_integers_are_refused_by_layer() -> None:
    wide = deployed.qkeras.QConv1D(3, 3, padding="same", kernel_quantizer=deployed.signed(8), name="c1",
                                   bias_quantizer="quantized_bits(40,39,0,alpha=1)")  # fmt: skip
    with pytest.raises(UnsupportedLayer, match=r"'c1' \(QConv1D\): bias may have 32 bits, not s40\.0"):
        build_graph(_chain(deployed.act("iq", 8, 1), wide), "bad", CLASSES)
    with pytest.raises(UnsupportedLayer, match=r"'iq' \(QActivation\): bits must be 2\.\.48, not 60"):
        build_graph(_chain(deployed.act("iq", 60, 1)), "bad", CLASSES)


def test_branches_are_refused() -> None:
    from tensorflow import keras

    from hw_amc.compress.layers import qkeras

    inputs = keras.Input((16, 2), name="frames")
    a = qkeras.QActivation("quantized_bits(8,0,0,alpha=1)", name="a")(inputs)
    b = keras.layers.MaxPooling1D(1, name="b")
    model = keras.Model(inputs, [b(a), b(inputs)])
    with pytest.raises(UnsupportedLayer, match="used twice"):
        build_graph(model, "branch", CLASSES)


def test_deployed_weights_are_already_integers(tmp_path: Path) -> None:
    model, graph = deployed.build("random", tmp_path / "weights.h5")
    kernel, fmt = model.get_layer("conv1").get_weights()[0], graph["conv1"].kernel_fmt
    np.testing.assert_array_equal(fmt.to_value(graph["conv1"].kernel), kernel)
    compress.save_deployed(model, tmp_path / "again.h5")
    again = build_graph(compress.load_deployed(tmp_path / "again.h5"), SMALL.name, CLASSES, graph.weights_digest)
    assert again.digest() == graph.digest()
