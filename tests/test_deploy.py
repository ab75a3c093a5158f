"""The deploy pass: structure by type, the function kept, formats that fit, refusals by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress import TableActivation, load_deployed, round_weights, save_deployed
from hw_amc.compress.activations import HARD_SIGMOID, HARD_TANH, LINEAR, RELU, Line, find_line
from hw_amc.compress.build import formats_of, input_format_of, make_layer
from hw_amc.compress.cost import measure_sqnr
from hw_amc.compress.deploy import deploy, deploy_plan, deploy_with, plan_deploy, require_exact
from hw_amc.compress.deployed import quantised_weights
from hw_amc.compress.formats import bits_below_point, choose_formats, declare_below_point
from hw_amc.compress.plan import Quantise
from hw_amc.compress.split import split_layers
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.files import file_digest
from hw_amc.graph import Graph, Linear, golden
from hw_amc.graph.reader import build_graph
from hw_amc.models import GruCnnSpec, find, hard_sigmoid, hard_tanh
from hw_amc.train.checkpoint import load_arrays

PROJECTS = Path(__file__).parents[1] / "hls_projects"
K = keras.layers
SIX = (tuple("abcdef"),)
TINY = GruCnnSpec("tiny", 10, classes=SIX, frame=(32, 2))

#: What weights, biases and activations may have of precision, so that rounding is negligible.
WIDE = {"kernel": 20, "recurrent": 20, "bias": 24, "scale": 14, "gate": 18, "candidate": 12, "state": 12}


def randomise(model: Any, seed: int = 3) -> Any:
    """Draw all weights; scales and variances are positive."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [rng.normal(0, 0.4, w.shape).astype(np.float32) for w in layer.get_weights()]
        if isinstance(layer, K.BatchNormalization):
            weights[0] = np.abs(weights[0]) + 0.5
            weights[3] = np.abs(weights[3]) + 0.1
        layer.set_weights(weights)
    return model


def frames_for(model: Any, count: int = 8, seed: int = 4) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *model.input_shape[1:])).astype(np.float32)


def logits_of(model: Any, x: Any) -> list[Any]:
    """Float logits of every head: what goes into its softmax, where it has one."""
    outputs = []
    for tensor in model.outputs:
        layer = tensor._keras_history.layer
        is_softmax = isinstance(layer, K.Softmax)
        outputs.append(layer.input if is_softmax else tensor)
    return heads_of(keras.Model(model.input, outputs), x)


def heads_of(model: Any, x: Any) -> list[Any]:
    """Outputs of a model, step by step: compiling one takes longer than these few frames."""
    values = model(x)
    return [np.asarray(value) for value in (values if isinstance(values, list) else [values])]


def wide_widths(model: Any) -> dict[str, dict[str, int]]:
    """Widths so large that rounding is negligible, for every format of a model."""
    found: dict[str, dict[str, int]] = {}
    for name, fields in formats_of(deploy_with(model)).items():
        found[name] = {field: WIDE.get(field.removesuffix("_bits"), 12) for field in fields if field.endswith("bits")}
    return found


def sequential() -> Any:
    """A user's: activations inside the layers, a pool of maxima, no batch normalisation, no names of ours."""
    return keras.Sequential([
        keras.Input((32, 2)),
        K.Conv1D(4, 3, padding="same", activation="relu"),
        K.MaxPooling1D(2),
        K.Conv1D(5, 5, padding="same", use_bias=False),
        K.BatchNormalization(),
        K.Activation("relu"),
        K.SpatialDropout1D(0.1),
        K.Flatten(),
        K.Dense(6, activation=hard_tanh),
        K.Dense(4, activation="softmax"),
    ])  # fmt: skip


def residual() -> Any:
    """Two branches that join, without an activation before the sum; two heads, one behind the other's layer."""
    inputs = keras.Input((16, 2), name="iq")
    x = K.ReLU()(K.BatchNormalization()(K.Conv1D(4, 3, padding="same")(inputs)))
    y = K.BatchNormalization()(K.Conv1D(4, 3, padding="same", name="body")(x))
    x = K.ReLU(name="joined")(K.Add(name="sum")([x, y]))
    x = K.Dropout(0.3)(K.GlobalMaxPooling1D()(x))
    return keras.Model(inputs, [K.Softmax()(K.Dense(units)(x)) for units in (3, 2)])


def image() -> Any:
    """Hakimi's form: images of height 1, a batch normalisation before each activation, a mean over what is left."""
    inputs = keras.Input((64, 2))
    x = K.Reshape((1, 64, 2))(inputs)
    for filters, taps in ((4, 8), (3, 4), (4, 2)):
        x = K.Conv2D(filters, (1, taps), padding="same")(x)
        x = K.ReLU()(K.BatchNormalization()(x))
        x = K.MaxPooling2D((1, 2))(x)
    x = K.AveragePooling2D((1, 8))(x)
    return keras.Model(inputs, K.Softmax()(K.Dense(5)(K.Flatten()(x))))


def recurrent() -> Any:
    """Both recurrent layers, with Keras' own hard gates, a normalisation in front and one between."""
    hard: dict[str, Any] = {"activation": hard_tanh, "recurrent_activation": "hard_sigmoid", "return_sequences": True}
    return keras.Sequential([
        keras.Input((16, 2)),
        K.BatchNormalization(name="level"),
        K.GRU(5, name="first", **hard),
        K.BatchNormalization(name="first_bn"),
        K.ReLU(name="relu"),
        K.LSTM(4, name="second", **hard),
        K.GlobalAveragePooling1D(name="mean"),
        K.Dense(3, name="out"),
    ])  # fmt: skip


def clipped() -> Any:
    """Activations with limits, a stand-alone normalisation behind a pool, a linear layer before another."""
    return keras.Sequential([
        keras.Input((16, 2)),
        K.Conv1D(6, 3, padding="same", activation=hard_sigmoid, name="gate"),
        K.Conv1D(6, 3, padding="same", name="linear"),
        K.Conv1D(4, 1, name="narrow", padding="same"),
        K.ReLU(max_value=4.0, name="limited"),
        K.GlobalAveragePooling1D(name="pool"),
        K.BatchNormalization(name="pool_norm"),
    ])  # fmt: skip


def branches() -> Any:
    """Depthwise and dilated convolutions over an image, joins of every kind, margins, other orders of axes."""
    inputs = keras.Input((24, 2))
    x = K.Reshape((6, 4, 2))(inputs)
    x = K.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = K.ReLU(name="relu")(K.BatchNormalization()(x))
    x = K.Cropping2D(((1, 0), (0, 1)))(K.ZeroPadding2D(1)(x))
    a = K.Conv2D(3, 3, padding="same", dilation_rate=2, name="a")(x)
    b = K.Conv2D(3, 3, padding="same", name="b")(x)
    joined = [K.Subtract(name="minus")([a, b]), K.Multiply(name="times")([a, b]), x]
    x = K.Concatenate(name="all")(joined)
    x = K.ReLU()(K.Conv2D(4, 3, strides=2, padding="same", name="strided")(x))
    x = K.Flatten()(K.Permute((2, 1, 3))(x))
    return keras.Model(inputs, K.Dense(3)(x))


def means() -> Any:
    """Means over numbers of samples that are no powers of two, and of windows of several lengths."""
    inputs = keras.Input((24, 2))
    x = K.Conv1D(4, 3, padding="same", activation="relu", name="first")(inputs)
    x = K.AveragePooling1D(3, name="three")(x)
    x = K.Conv1D(4, 3, padding="same", activation="relu", name="second")(x)
    x = K.AveragePooling1D(3, strides=2, padding="same", name="uneven")(x)
    x = K.Conv1D(5, 3, padding="same", activation="relu", name="third")(x)
    x = K.AveragePooling1D(2, padding="same", strides=1, name="edge")(x)
    x = K.Conv1D(5, 3, padding="valid", activation="relu", name="fourth")(x)
    return keras.Model(inputs, K.Dense(3)(K.GlobalAveragePooling1D(name="two")(x)))


def smooth() -> Any:
    """Activations that are no lines."""
    return keras.Sequential([
        keras.Input((16, 2)),
        K.Conv1D(4, 3, padding="same", activation="tanh", name="first"),
        K.Conv1D(4, 3, padding="same", name="second"),
        K.LeakyReLU(0.1, name="leaky"),
        K.Conv1D(4, 3, padding="same", activation=lambda x: x * x, name="third"),
        K.Flatten(),
        K.Dense(5, activation="sigmoid", name="fourth"),
        K.Dense(3, name="out"),
    ])  # fmt: skip


def separable() -> Any:
    """Separable and depthwise convolutions over time and over an image, groups, biases or none, strides."""
    inputs = keras.Input((24, 2))
    x = K.SeparableConv1D(4, 5, padding="same", depth_multiplier=2, activation="relu", name="same")(inputs)
    x = K.SeparableConv1D(4, 3, padding="causal", dilation_rate=2, use_bias=False, name="causal")(x)
    x = K.ReLU()(K.BatchNormalization()(x))
    x = K.DepthwiseConv1D(3, strides=2, padding="same", activation="relu", name="depthwise")(x)
    x = K.Conv1D(6, 3, padding="same", groups=2, activation="relu", name="groups")(x)
    x = K.TimeDistributed(K.Dense(4, activation="relu"), name="each")(x)
    x = K.SeparableConv2D(5, (3, 2), activation="relu", name="over_image")(K.Reshape((4, 3, 4))(x))
    return keras.Model(inputs, K.Dense(3)(K.Flatten()(x)))


def smooth_gates() -> Any:
    """Recurrent layers as Keras makes them: smooth gates, the reset before, no bias, the last state alone."""
    return keras.Sequential([
        keras.Input((8, 2)),
        K.GRU(3, return_sequences=True, reset_after=False, use_bias=False, go_backwards=True, name="before"),
        K.LSTM(4, recurrent_activation="hard_sigmoid", name="half_hard"),
        K.Dense(3, name="out"),
    ])  # fmt: skip


def both_ways() -> Any:
    """Bidirectional layers that give all states and the last ones."""
    return keras.Sequential([
        keras.Input((8, 2)),
        K.Bidirectional(K.GRU(3, return_sequences=True), name="concat"),
        K.Bidirectional(K.LSTM(3, use_bias=False), merge_mode="sum", name="sum"),
        K.Dense(3, name="out"),
    ])  # fmt: skip


NETWORKS: dict[str, Callable[[], Any]] = {
    "gru_cnn": TINY.build,
    "mtl": find("mtl_dynamic").build,
    "sequential": sequential,
    "residual": residual,
    "image": image,
    "recurrent": recurrent,
    "clipped": clipped,
    "branches": branches,
    "means": means,
    "smooth": smooth,
    "separable": separable,
    "smooth_gates": smooth_gates,
    "both_ways": both_ways,
}


#: Networks whose recurrent layers take long to build.
LONG = ("both_ways", "smooth_gates")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in sorted(NETWORKS)]
)
def test_deploying_keeps_the_function(name: str) -> None:
    model = randomise(NETWORKS[name]())
    x = frames_for(model)
    deployed = deploy(model, x, wide_widths(model))
    for got, expected in zip(heads_of(deployed, x), logits_of(model, x), strict=True):
        if name == "sequential":  # its softmax is inside the layer
            got, expected = np.argsort(got), np.argsort(expected)
        np.testing.assert_allclose(got, expected, atol=1e-2 * np.abs(expected).max())


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_what_is_deployed_is_exact_and_can_be_saved(name: str, tmp_path: Path) -> None:
    model = randomise(NETWORKS[name](), 5)
    save_deployed(deploy(model, frames_for(model, 32)), tmp_path / "weights.h5")
    deployed = load_deployed(tmp_path / "weights.h5")
    classes = [tuple(map(str, range(output.shape[-1]))) for output in deployed.outputs]
    graph = build_graph(deployed, name, classes)
    wire = np.random.default_rng(6).integers(-(2**15), 2**15, (5, *model.input_shape[1:])).astype(np.int16)
    heads = heads_of(deployed, wire / np.float32(2**14))
    logits = golden.run(graph, wire, list(graph.outputs))
    for output, value in zip(graph.outputs, heads, strict=True):
        np.testing.assert_array_equal(logits[output], value.astype(np.float64) * 2.0**graph.logit_frac)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in PROJECTS.glob("*/graph.json")))
def test_the_family_comes_out_as_it_was_committed(name: str) -> None:
    committed = load_deployed(PROJECTS / name / "weights.h5")
    deployed = deploy_with(find(name).build(), formats_of(committed))
    assert [layer.name for layer in deployed.layers] == [layer.name for layer in committed.layers]
    deployed.set_weights(committed.get_weights())
    graph = build_graph(deployed, name, find(name).classes, file_digest(PROJECTS / name / "weights.h5"))
    assert graph.digest() == Graph.load(PROJECTS / name).digest()


@pytest.mark.parametrize("name", sorted(path.parents[1].name for path in PROJECTS.glob("*/checkpoints/deployed.npz")))
def test_kept_quantised_stages_are_the_committed_weights(name: str) -> None:
    committed = load_deployed(PROJECTS / name / "weights.h5")
    deployed = deploy_with(find(name).build(), formats_of(committed))
    deployed.set_weights(load_arrays(PROJECTS / name / "checkpoints" / "deployed.npz")[0])
    round_weights(deployed)
    for ours, theirs in zip(deployed.get_weights(), committed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_layers_get_the_names_that_committed_graphs_have() -> None:
    names = [layer.name for layer in deploy_with(TINY.build()).layers]
    assert names == ["frames", "input_quant", "gru", "gru_quant", "gru_affine", "gru_relu", "conv1", "conv1_relu",
                     "pool", "conv2", "conv2_relu", "gap", "gap_quant", "head"]  # fmt: skip


def test_quantisers_stand_where_tensors_would_be_too_wide() -> None:
    names = list(formats_of(deploy_with(residual())))
    assert [name for name in names if name.endswith("_quant")] == ["input_quant", "body_quant"]
    assert list(formats_of(deploy_with(recurrent()))) == [
        "input_quant", "level", "level_quant", "first", "first_affine", "relu", "second", "mean_quant", "out",
    ]  # fmt: skip
    formats = formats_of(deploy_with(clipped()))
    assert list(formats) == [
        "input_quant", "gate", "gate_activation", "linear", "linear_quant", "narrow", "limited", "pool_quant",
        "pool_affine",
    ]  # fmt: skip
    assert (formats["gate_activation"], formats["limited"]) == ({"bits": 8, "int": 0}, {"bits": 8, "int": 2})
    assert formats["pool_quant"]["bits"] == 14


def test_smooth_functions_become_tables_of_what_they_compute() -> None:
    model = randomise(smooth())
    deployed = deploy(model, frames_for(model))
    formats = formats_of(deployed)
    assert [name for name in formats if "activation" in name or "leaky" in name] == [
        "first_activation_quant", "first_activation", "leaky_quant", "leaky", "third_activation_quant",
        "third_activation", "fourth_activation_quant", "fourth_activation",
    ]  # fmt: skip
    table = deployed.get_layer("first_activation")
    given = formats["first_activation_quant"]
    x = np.arange(-128, 128) / 2.0 ** (7 - given["int"])
    np.testing.assert_array_equal(np.rint(np.tanh(x) * 128).clip(-128, 127) / 128, quantised_weights(table)[0])
    assert formats["fourth_activation"] == {"bits": 8, "int": 0}  # between 0 and 1, without a sign
    assert type(deployed.get_layer("fourth_activation").output_quantizer).__name__ == "quantized_relu"


def test_gradients_pass_a_table_along_its_slope() -> None:
    model = randomise(smooth())
    deployed = deploy(
        model, frames_for(model), {"first_activation_quant": {"bits": 12}, "first_activation": {"bits": 16}}
    )
    table = deployed.get_layer("first_activation")
    x = tf.constant([[-0.5, 0.0, 0.25, 1.5]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = table(x)
    np.testing.assert_allclose(tape.gradient(y, x), 1 - np.tanh(x) ** 2, atol=2e-2)


def test_layers_that_are_several_become_plain_ones() -> None:
    names = {build: [layer.name for layer in split_layers(build()).layers[1:]] for build in (smooth_gates, both_ways)}
    assert names[smooth_gates] == [
        "before_reversed", "before", "half_hard", "half_hard_last", "half_hard_state", "out",
    ]  # fmt: skip
    assert sorted(names[both_ways]) == sorted([
        "concat_forward", "concat_backward_reversed", "concat_backward", "concat_in_order", "concat", "sum_forward",
        "sum_forward_last", "sum_forward_state", "sum_backward_reversed", "sum_backward", "sum_backward_last",
        "sum_backward_state", "sum", "out",
    ])  # fmt: skip
    assert [layer.name for layer in split_layers(separable()).layers[1:9]] == [
        "same_depthwise_image", "same_depthwise", "same_depthwise_frame", "same", "same_relu", "causal_zeros",
        "causal_depthwise_image", "causal_depthwise",
    ]  # fmt: skip


def test_smooth_gates_are_tables_of_their_functions() -> None:
    plan = plan_deploy(_model(K.GRU(2, name="gru"), K.Dense(2)))
    tops = {step.name: 1.0 for step in plan.of(Quantise)}
    formats = choose_formats(plan, tops, {"gru": {"gate_in_bits": 9}})["gru"]
    chosen = {name: bits for name, bits in formats.items() if "_in_" in name}
    assert chosen == {"gate_in_bits": 9, "gate_in_int": 3, "candidate_in_bits": 10, "candidate_in_int": 2}
    cell = make_layer(plan.steps["gru"], plan, {"gru": formats}).cell
    x = np.arange(-256, 256) / 32
    np.testing.assert_array_equal(cell.recurrent_activation.table, np.rint(256 / (1 + np.exp(-x))).clip(0, 255))
    x = np.arange(-512, 512) / 128
    np.testing.assert_array_equal(cell.activation.table, np.rint(128 * np.tanh(x)).clip(-128, 127))
    with pytest.raises(ConfigError, match="gate_in_bits must be at most 12, not 13"):
        make_layer(plan.steps["gru"], plan, {"gru": {**formats, "gate_in_bits": 13}})


def test_a_table_in_a_cell_rounds_half_to_even_and_saturates() -> None:
    table = TableActivation(4, True, 3, 0, [-8, -5, -1, 0, 1, 2, 3, 7])
    assert TableActivation.from_config(table.get_config()).get_config() == table.get_config()
    x = tf.constant([-9.0, -1.0, -0.625, -0.375, 0.125, 0.375, 0.74, 0.75, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = table(x)
    assert (y * 8).numpy().tolist() == [-8, -8, -1, -1, 1, 3, 7, 7, 7]
    assert tape.gradient(y, x).numpy()[4] == (2 - 0) / 8 / 0.5
    with pytest.raises(ConfigError, match=r"a table of 3 entries in s4\.3 for sums in s3\.2 is none"):
        TableActivation(4, True, 3, 0, [1, 2, 3])
    with pytest.raises(ConfigError, match="is none; it has 2"):
        TableActivation(4, True, 3, 0, [8] * 8)


def test_limits_that_no_format_has_become_tables() -> None:
    model = _model(K.Activation(hard_sigmoid, name="first"), K.Conv1D(2, 3, activation="relu6", name="c"), K.Flatten(),
                   K.Dense(2))  # fmt: skip
    deployed = deploy(randomise(model), frames_for(model))
    assert [type(deployed.get_layer(name)).__name__ for name in ("first", "c_activation")] == ["QTable", "QTable"]
    assert quantised_weights(deployed.get_layer("c_activation"))[0].max() <= 6


def test_heads_get_one_binary_point() -> None:
    model = randomise(residual(), 7)
    for layer, scale in zip([layer for layer in model.layers if "dense" in layer.name], (1.0, 0.05), strict=True):
        layer.set_weights([weight * scale for weight in layer.get_weights()])
    deployed = deploy(model, frames_for(model))
    heads = [layer.kernel_quantizer_internal for layer in deployed.layers if type(layer).__name__ == "QDense"]
    assert len({int(quantiser.bits - quantiser.integer) for quantiser in heads}) == 1


def test_chosen_formats_hold_the_weights_they_were_chosen_from() -> None:
    model = randomise(TINY.build())
    deployed = deploy(model, frames_for(model), {"gru": {"kernel_bits": 6}})
    for name in ("gru", "conv1", "conv2"):
        layer = deployed.get_layer(name)
        for before, after in zip(layer.get_weights(), quantised_weights(layer), strict=True):
            assert np.max(np.abs(before - after)) <= 0.1 * np.max(np.abs(before)) + 2.0**-6
    for name in ("gru_affine", "head"):
        layer = deployed.get_layer(name)
        step = 2.0 ** (layer.bias_quantizer.integer + 1 - layer.bias_quantizer.bits)
        assert np.max(np.abs(layer.get_weights()[1] - quantised_weights(layer)[1])) <= step / 2
    assert deployed.get_layer("gru").cell.kernel_quantizer_internal.bits == 6


def test_convolution_biases_are_no_finer_than_their_products() -> None:
    model = randomise(TINY.build())
    formats = formats_of(deploy(model, frames_for(model)))
    for name, source, pooled in (("conv1", "gru_relu", 0), ("conv2", "conv1_relu", 1)):
        layer = formats[name]
        product_frac = formats[source]["bits"] - formats[source]["int"] + pooled
        product_frac += layer["kernel_bits"] - 1 - layer["kernel_int"]
        assert layer["bias_bits"] - 1 - layer["bias_int"] <= product_frac


def test_convolution_kernels_fill_their_range() -> None:
    model = randomise(TINY.build())
    deployed = deploy(model, frames_for(model))
    for name in ("conv1", "conv2"):
        assert 0.5 < np.max(np.abs(deployed.get_layer(name).get_weights()[0])) <= 1.0


def test_small_weights_of_many_layers_leave_the_head_its_own(tmp_path: Path) -> None:
    """Factors that fill each kernel would add up to 2^15, and nothing would be left of the head's weights."""
    x = inputs = keras.Input((32, 2))
    for number in range(1, 6):
        x = K.Conv1D(8, 3, padding="same", activation="relu", name=f"conv{number}")(x)
    head = K.Dense(5, name="head")(K.GlobalAveragePooling1D()(x))
    model, rng = keras.Model(inputs, head), np.random.default_rng(1)
    for layer in model.layers:
        layer.set_weights([rng.uniform(-1, 1, w.shape) * (0.05 if w.ndim == 3 else 0.2) for w in layer.get_weights()])
    x = frames_for(model)
    plan = plan_deploy(model)
    save_deployed(deploy_plan(plan, x), tmp_path / "weights.h5")
    deployed = load_deployed(tmp_path / "weights.h5")
    assert measure_sqnr(plan, deployed, x)["head"] > 25
    graph = build_graph(deployed, "deep", [tuple("abcde")])
    linear = [node for node in graph.nodes if isinstance(node, Linear)]
    assert [node.kernel_fmt.bits for node in linear] == [8] * 6
    assert all(64 <= np.abs(node.kernel).max() <= 127 for node in linear)
    assert linear[-1].kernel_fmt.frac > 8  # no bit right at the point


def test_factors_stop_where_what_follows_would_lose() -> None:
    """In front of a recurrent layer, whose kernel has no finer format, and where no value is above zero."""
    x = inputs = keras.Input((8, 2))
    x = K.Conv1D(4, 3, padding="same", activation="relu", name="small")(x)
    states = K.GRU(3, return_sequences=True, activation=hard_tanh, recurrent_activation=hard_sigmoid, name="gru")(x)
    dead = K.Conv1D(3, 3, padding="same", activation="relu", name="dead")(states)
    model, rng = keras.Model(inputs, K.Dense(2)(K.Flatten()(dead))), np.random.default_rng(1)
    for layer in model.layers:
        small, down = layer.name == "small", layer.name == "dead"
        layer.set_weights([
            rng.uniform(-1, 1, w.shape) * (0.03 if small else 0.3) - 9.0 * (down and w.ndim == 1)
            for w in layer.get_weights()
        ])  # fmt: skip
    deployed = deploy(model, frames_for(model))
    np.testing.assert_array_equal(deployed.get_layer("gru").get_weights()[0], model.get_layer("gru").get_weights()[0])
    np.testing.assert_array_equal(deployed.get_layer("small").get_weights()[0], model.layers[1].get_weights()[0])


@pytest.mark.parametrize(("largest", "finer"), [(0.0, 0), (0.5, 0), (0.4981, 0), (0.4980, 1), (0.1, 3), (1e-9, 16)])
def test_bits_below_the_point_are_found(largest: float, finer: int) -> None:
    kernel = np.array([[largest, -largest / 2]])
    assert bits_below_point(kernel, 8) == finer
    declared, integer = declare_below_point(8, finer)
    assert (declared - 1 - integer, declared > 8) == (7 + finer, True)
    assert np.abs(np.rint(kernel * 2.0 ** (7 + finer))).max() <= 127


def test_an_lstm_gets_integer_bits_for_its_cell_state() -> None:
    model = randomise(recurrent(), 8)
    lstm = model.get_layer("second")
    kernel, recurrent_kernel, bias = lstm.get_weights()
    units = 4
    bias[: 2 * units], bias[2 * units : 3 * units] = 5.0, 5.0  # gates open, candidates full: the cell counts steps
    lstm.set_weights([0 * kernel, 0 * recurrent_kernel, bias])
    formats = formats_of(deploy(model, frames_for(model), {"second": {"state_bits": 12}}))
    assert formats["second"]["state_int"] == 5  # 16 steps: a cell state of 16
    assert formats["second"]["state_bits"] == 12
    formats = formats_of(deploy(model, frames_for(model)))
    assert (formats["second"]["state_bits"], formats["second"]["state_int"]) == (13, 5)  # 8 beside those of the cell


def test_widths_reach_the_input_and_pin_integer_bits() -> None:
    model = randomise(TINY.build())
    widths = {"input_quant": {"bits": 6, "int": 0}, "conv1": {"kernel_int": 3}, "gap_quant": {"bits": 10}}
    deployed = deploy(model, frames_for(model), widths)
    formats = formats_of(deployed)
    assert input_format_of(deployed) == (6, 0)
    assert formats["conv1"]["kernel_int"] == 3
    assert formats["gap_quant"]["bits"] == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grru": {}}, "no quantised layer is named 'grru'; choose from input_quant, gru,"),
        ({"gru": {"bits": 8}}, "layer 'gru' has no 'bits'"),
        ({"conv1": {"kernel_bits": 99}}, "must lie in 2..24"),
        ({"conv1": {"kernel_int": -1}}, "must lie in 0..24"),
    ],
)
def test_formats_refuse_what_does_not_exist(changes: dict[str, dict[str, int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        deploy_with(TINY.build(), changes)


def test_a_value_that_fits_no_format_names_its_layer() -> None:
    model = randomise(TINY.build())
    layer = model.get_layer("conv1_norm")
    gamma, *rest = layer.get_weights()
    layer.set_weights([gamma * 1e9, *rest])
    with pytest.raises(ConfigError, match=r"conv2_relu: a magnitude of \S+ is above 2\^24"):
        deploy(model, frames_for(model))


FUNCTIONS: list[tuple[Any, Line | None]] = [
    (keras.activations.linear, LINEAR),
    (keras.activations.relu, RELU),
    (hard_tanh, HARD_TANH),
    (hard_sigmoid, HARD_SIGMOID),
    (keras.activations.hard_sigmoid, Line(0.2, 0.5, 0.0, 1.0)),
    (lambda x: np.clip(x, 0, 6), Line(low=0.0, high=6.0)),
    (lambda x: np.clip(x, -64, 64), Line(low=-64.0, high=64.0)),
    (keras.activations.tanh, None),
    (keras.activations.sigmoid, None),
    (keras.activations.elu, None),
    (keras.activations.swish, None),
    (keras.activations.softplus, None),
    (K.LeakyReLU(0.1).call, None),
    (lambda x: -x, None),
    (lambda x: 0 * x, None),
    (lambda x: x[:3], None),
]


@pytest.mark.parametrize("case", range(len(FUNCTIONS)))
def test_activations_are_known_by_what_they_compute(case: int) -> None:
    function, line = FUNCTIONS[case]
    assert find_line(function) == line


def _model(*layers: Any, shape: tuple[int | None, ...] = (16, 2), batch: int | None = None) -> Any:
    return keras.Sequential([keras.Input(shape, batch), *layers])


def _twice() -> Any:
    inputs, layer = keras.Input((16, 2)), K.Dense(2, name="shared")
    return keras.Model(inputs, layer(layer(inputs)))


def _two_inputs() -> Any:
    inputs = [keras.Input((16, 2)), keras.Input((16, 2))]
    return keras.Model(inputs, K.Add()(inputs))


def _deployed() -> Any:
    return deploy_with(TINY.build())


GRU = {"return_sequences": True, "activation": hard_tanh, "recurrent_activation": hard_sigmoid}

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: _model(K.Activation(lambda x: x[..., ::-1], name="a"), K.Dense(2)), "'a' .*no function of one variable"),
    (lambda: _model(K.PReLU(name="p"), K.Dense(2)), r"\(PReLU\) has no exact form"),
    (lambda: _model(K.GRU(2, name="g", **{**GRU, "activation": "relu"})), r"layer 'g' \(GRU\): its activation is no"),
    (lambda: _model(K.LSTM(2, name="g", recurrent_activation="tanh")), r"'g' \(LSTM\): its recurrent_activation is no"),
    (lambda: _model(K.GRU(2, name="g", stateful=True, **GRU), shape=(16, 2), batch=1), "return_state and stateful"),
    (lambda: _model(K.Bidirectional(K.GRU(2), merge_mode="ave", name="b")), "merge_mode 'ave' has no exact form; take"),
    (lambda: _model(K.Bidirectional(K.SimpleRNN(2), name="b")), "only a GRU or an LSTM can be bidirectional, not Sim"),
    (lambda: _model(K.TimeDistributed(K.Flatten(), name="t"), shape=(16, 2)), "only a Dense can be at every time step"),
    (lambda: _model(K.BatchNormalization(axis=1, name="b"), K.Dense(2)), "only the last axis can be normalised"),
    (lambda: _model(K.Softmax(name="s"), K.Dense(2)), "a softmax is exact nowhere but at the end of a head"),
    (lambda: _model(K.Dense(2), shape=(None, 2)), "of a fixed number of samples"),
    (lambda: _model(K.Dense(2), shape=(32,)), r"must be \(samples, 2\)"),
    (_twice, "layer 'shared' is used twice"),
    (_two_inputs, "has 2 inputs"),
    (_deployed, "is quantised already"),
    (lambda: keras.Sequential([K.Dense(2)]), "is not a graph of layers"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_has_no_exact_form_is_refused_by_name(case: int) -> None:
    build, message = REFUSED[case]
    with pytest.raises(UnsupportedLayer, match=message) as caught:
        require_exact(deploy_with(build()))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_taken_is_said() -> None:
    model = _model(K.Conv1D(2, 3, padding="same", name="input_quant"))
    with pytest.raises(UnsupportedLayer, match="needs this name for its quantiser; rename the layer"):
        plan_deploy(model)
