"""QKeras models of users in plain layers: the same numbers, whatever their quantisers of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from deployed import act, relu, signed
from tensorflow import keras

from hw_amc.compress.build import formats_of
from hw_amc.compress.layers import qkeras
from hw_amc.compress.plain import plain
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import golden
from hw_amc.graph.reader import build_graph

T = 16
K = keras.layers
#: Quantisers whose values are multiples of a power of two.
EXACT = (
    "quantized_bits(4,0,1,alpha='auto_po2')", "quantized_bits(6,1,1,alpha=1)", "ternary(alpha='auto_po2')",
    "binary(alpha=1)", "quantized_po2(4,1)", "quantized_bits(3,0,0,alpha=1)",
)  # fmt: skip


def convolutional(kernel: str, **settings: Any) -> Any:
    """Without biases, with activations inside."""
    x = inputs = keras.Input((T, 2), name="frames")
    x = act("iq", 8, 1)(x)
    x = qkeras.QConv1D(3, 3, padding="same", kernel_quantizer=kernel, use_bias=False, name="conv", **settings)(x)
    x = K.Reshape((1, T, 3), name="image")(relu("conv_relu", 8, 2)(x))
    x = qkeras.QDepthwiseConv2D((1, 3), depthwise_quantizer=kernel, use_bias=False, depth_multiplier=2, name="each")(x)
    x = K.Flatten(name="flat")(relu("each_relu", 8, 2)(x))
    x = qkeras.QDense(4, kernel_quantizer=kernel, bias_quantizer=signed(8, 1), activation="quantized_relu(8,2)",
                      name="dense")(x)  # fmt: skip
    model = keras.Model(inputs, qkeras.QDense(3, kernel_quantizer=kernel, use_bias=False, name="head")(x))
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("kernel", EXACT)
def test_the_plain_form_gives_the_same_numbers(kernel: str) -> None:
    model = convolutional(kernel)
    found = plain(model)
    assert [layer.name for layer in found.layers if layer.name.startswith("dense")] == ["dense", "dense_activation"]
    wire = np.random.default_rng(1).integers(-(2**15), 2**15, (32, T, 2)).astype(np.int16)
    frames = (wire / 2.0**14).astype(np.float32)
    expected = np.asarray(model(frames))
    np.testing.assert_array_equal(found(frames), expected)
    graph = build_graph(found, "plain", ["a", "b", "c"])
    np.testing.assert_array_equal(golden.run(graph, wire)["head"] / 2.0**graph.logit_frac, expected)
    assert len(np.unique(expected)) > 20
    assert plain(found) is found


def test_scales_by_channel_are_shifts_of_one_wider_format() -> None:
    model = convolutional("quantized_bits(4,0,1,alpha='auto_po2')")
    kernel, *rest = model.get_layer("conv").get_weights()
    model.get_layer("conv").set_weights([kernel * np.array([1, 1 / 8, 1 / 64]), *rest])
    fields = formats_of(plain(model))["conv"]
    assert fields["kernel_bits"] > 8
    assert (fields["bias_bits"], fields["bias_int"]) == (8, 7)


def test_a_recurrent_layer_gives_its_last_state_and_reads_backwards() -> None:
    bits = signed(8)
    gru = qkeras.QGRU(
        3, kernel_quantizer=bits, recurrent_quantizer="quantized_bits(8,0,1,alpha='auto_po2')", bias_quantizer=bits,
        state_quantizer=bits, activation="quantized_tanh(8)", recurrent_activation="quantized_sigmoid(8)",
        reset_after=True, use_bias=False, go_backwards=True, name="gru",
    )  # fmt: skip
    inputs = keras.Input((5, 2), name="frames")
    states = gru(act("iq", 8, 1)(inputs))
    model = keras.Model(inputs, act("gru_rounded", 8, 0)(states))
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    found = plain(model)
    wire = rng.integers(-(2**15), 2**15, (8, 5, 2)).astype(np.int16)
    frames = (wire / 2.0**14).astype(np.float32)
    expected = np.asarray(model(frames))
    np.testing.assert_array_equal(found(frames), expected)
    graph = build_graph(found, "last", ["a", "b", "c"])
    assert [node.op for node in graph.nodes[2:]] == ["reverse", "gru", "crop", "reshape", "quantize"]
    np.testing.assert_array_equal(golden.run(graph, wire)["gru_rounded"] / 128, expected)
    with pytest.raises(UnsupportedLayer, match=r"layer 'gru': put a QActivation with its state quantiser \(s8.7\)"):
        plain(keras.Model(inputs, states))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (
            "quantized_bits(4,0,1,alpha='auto')",
            "'conv': the values of its quantized_bits are no multiples of one",
        ),
        ("stochastic_ternary(alpha=1)", "layer 'conv': stochastic_ternary is drawn anew each time; take ternary"),
    ],
)
def test_quantisers_without_an_exact_form_are_refused_with_the_nearest(kernel: str, message: str) -> None:
    with pytest.raises(UnsupportedLayer, match=message):
        plain(convolutional(kernel))
