"""The fast kernels and the fast form of a network against Keras; what training prunes and freezes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress import round_weights
from hw_amc.compress.deploy import round_input
from hw_amc.errors import ConfigError
from hw_amc.models import GruCnnSpec, NetworkSpec, find
from hw_amc.models.gru2 import Gru2Spec
from hw_amc.train import kernel
from hw_amc.train.fast_gru import FastGru, is_fast
from hw_amc.train.fast_model import FastModel
from hw_amc.train.select import find_kernels, trained_variables
from hw_amc.train.trainee import Trainee

#: Format of the input where nobody asks for another.
INPUT = (8, 1)
FOUR = (("a", "b", "c", "d"),)


def random_weights(seed: int, cells: int, scale: float = 0.3) -> list[Any]:
    generator = np.random.default_rng(seed)
    shapes = ((2, 3 * cells), (cells, 3 * cells), (2, 3 * cells))
    return [generator.normal(0, scale, s).astype(np.float32) for s in shapes]


def gradients(function: Any, layer: Any, x: Any, weight: Any) -> list[Any]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = tf.reduce_sum(y * weight)
    return [y, *tape.gradient(total, [x, *layer.trainable_weights])]


def hard_gru(cells: int) -> Any:
    """Keras' GRU layer of a network of ours."""
    return GruCnnSpec("t", cells, classes=FOUR, frame=(32, 2)).build().get_layer("gru")


@pytest.mark.parametrize(("batch", "steps", "cells"), [(1, 3, 5), (16, 20, 16), (37, 30, 40), (18, 12, 50)])
def test_kernel_equals_keras_forwards_and_backwards(batch: int, steps: int, cells: int) -> None:
    generator = np.random.default_rng(batch)
    x = tf.constant(generator.normal(size=(batch, steps, 2)).astype(np.float32))
    weight = generator.normal(size=(batch, steps, cells)).astype(np.float32)
    layer = hard_gru(cells)
    layer.set_weights(random_weights(cells, cells, 0.5 / np.sqrt(cells) + 0.1))
    ours, theirs = (gradients(function, layer, x, weight) for function in (FastGru(layer, True), layer))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4 * float(tf.reduce_max(tf.abs(b))))


def test_a_gru_that_gives_its_last_state_runs_on_the_kernel() -> None:
    """Seen before: such layers ran as Keras has them, about ten times slower."""
    model = Gru2Spec("t", 11, classes=FOUR, frame=(20, 2)).build()
    layer = model.get_layer("gru2")
    assert is_fast(layer)
    assert not layer.return_sequences
    generator = np.random.default_rng(17)
    x = tf.constant(generator.normal(size=(18, 20, 11)).astype(np.float32))
    weight = generator.normal(size=(18, 11)).astype(np.float32)
    ours, theirs = (gradients(function, layer, x, weight) for function in (FastGru(layer, True), layer))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4 * float(tf.reduce_max(tf.abs(b))))


def random_network(spec: NetworkSpec, scale: float, formats: dict[str, dict[str, int]], seed: int = 7) -> Any:
    """A deployed network with random weights, rounded."""
    generator = np.random.default_rng(seed)
    model = deployed.untrained(spec, formats)
    model.set_weights([generator.normal(0, scale, w.shape).astype(np.float32) for w in model.get_weights()])
    round_weights(model)
    return model


@pytest.mark.parametrize(
    ("scale", "widths"),
    [(0.2, {}), (1.5, {}), (0.4, {"gate_bits": 6, "candidate_bits": 5, "state_bits": 7, "recurrent_bits": 4})],
)
def test_quantised_kernel_equals_qgru_in_every_integer(scale: float, widths: dict[str, int]) -> None:
    slow = random_network(GruCnnSpec("t", 20, classes=FOUR, frame=(64, 2)), scale, {"gru": widths})
    words = np.random.default_rng(7).integers(-(2**15), 2**15, (19, 64, 2))
    x = words.astype(np.float32) / np.float32(2**14)
    names = ("gru_quant", "gru_relu", "head")
    expected = keras.Model(slow.input, [slow.get_layer(n).output for n in names])(x)
    for a, b in zip(expected, FastModel(slow, keep=names).tensors(names, tf.constant(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(np.unique(expected[0])) > 10


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_quantised_kernel_equals_qgru_with_extreme_weights(sign: float) -> None:
    slow = deployed.untrained(GruCnnSpec("t", 16, classes=FOUR, frame=(48, 2)))
    slow.set_weights([np.full(w.shape, sign * 4, np.float32) for w in slow.get_weights()])
    generator = np.random.default_rng(8)
    gru = slow.get_layer("gru")
    kernel_, recurrent, bias = gru.get_weights()
    recurrent = np.where(generator.uniform(size=recurrent.shape) < 0.5, recurrent, -recurrent)
    gru.set_weights([kernel_, recurrent, bias])
    round_weights(slow)
    x = np.where(generator.uniform(size=(5, 48, 2)) < 0.5, -2.0, 2.0 - 2.0**-14).astype(np.float32)
    a = keras.Model(slow.input, slow.get_layer("gru_quant").output)(x).numpy()
    (b,) = FastModel(slow, keep=["gru_quant"]).tensors(["gru_quant"], tf.constant(x))
    np.testing.assert_array_equal(a, b)
    assert len(np.unique(a)) > 1


#: Deployed networks of other layers, in which the fast form has little to replace.
OTHERS: dict[str, Callable[[], Any]] = {
    "gru2": lambda: random_network(Gru2Spec("t", 13, classes=FOUR, frame=(24, 2)), 0.3, {}),
    "mtl": lambda: random_network(find("mtl_dynamic"), 0.2, {}),
    "residual": lambda: deployed.fill(deployed.residual_model(), "random"),
    "image": lambda: deployed.fill(deployed.hakimi_model(), "random"),
}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_any_deployed_network_has_an_equal_fast_form(name: str) -> None:
    model = OTHERS[name]()
    words = np.random.default_rng(3).integers(-(2**15), 2**15, (6, *model.input_shape[1:]))
    x = words.astype(np.float32) / np.float32(2**14)
    values = model(x)
    heads = values if isinstance(values, list) else [values]
    for expected, got in zip(heads, FastModel(model).compiled()(tf.constant(x)), strict=True):
        np.testing.assert_array_equal(expected, got)


@pytest.mark.parametrize("quantised", [False, True])
def test_without_a_compiler_the_network_gives_the_same_logits(quantised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = GruCnnSpec("t", 12, classes=FOUR, frame=(40, 2))
    model = random_network(spec, 0.4, {}) if quantised else spec.build()
    x = tf.constant(round_input(np.random.default_rng(10).normal(size=(6, 40, 2)).astype(np.float32), *INPUT))
    (expected,) = FastModel(model)(x)
    monkeypatch.setattr(kernel, "available", lambda: False)
    (got,) = FastModel(model)(x)
    if quantised:
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_fused_network_equals_keras_in_loss_and_gradients() -> None:
    model = GruCnnSpec("t", 13, classes=(tuple("abcde"),), frame=(40, 2)).build(dropout=0.0)
    start = model.get_weights()
    generator = np.random.default_rng(11)
    x = tf.constant(generator.normal(size=(9, 40, 2)).astype(np.float32))
    labels = generator.integers(0, 5, 9)
    stock = keras.Model(model.input, model.get_layer("head_norm").output)
    fast = FastModel(model)
    found = []
    for logits in (stock, lambda x, training: fast(x, training)[0]):
        model.set_weights(start)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits(x, training=True)))
        grads = tape.gradient(loss, model.trainable_weights)
        moved = [np.array(weight) for weight in model.non_trainable_weights]
        found.append([loss, *grads, *moved, logits(x, training=False)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_gradients_reach_layers_in_front_of_a_recurrent_one() -> None:
    hard = {name: getattr(hard_gru(4), name) for name in ("activation", "recurrent_activation")}
    layers = [keras.layers.Conv1D(3, 3, padding="same"), keras.layers.GRU(4, return_sequences=True, **hard)]
    model = keras.Sequential([keras.Input((12, 2)), *layers, keras.layers.Dense(2)])
    x = tf.constant(np.random.default_rng(2).normal(size=(5, 12, 2)).astype(np.float32))
    fast = FastModel(model)
    found = []
    for function in (model, lambda x: fast(x)[0]):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.square(function(x)))
        found.append(tape.gradient(total, model.trainable_weights))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4 * float(tf.reduce_max(tf.abs(b))))


def test_a_softmax_inside_the_last_layer_is_left_out_too() -> None:
    model = keras.Sequential([keras.Input((6, 2)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    x = tf.constant(np.random.default_rng(2).normal(size=(5, 6, 2)).astype(np.float32))
    np.testing.assert_allclose(tf.nn.softmax(FastModel(model)(x)[0]), model(x), atol=1e-6)


def test_what_is_pruned_and_frozen_goes_by_the_layers_type() -> None:
    spec = find("mtl_dynamic")
    model = spec.build()
    kernels = find_kernels(model)
    assert sum(int(np.prod(k.variable.shape)) for k in kernels) == spec.kernel_weights
    assert all("kernel" in k.variable.name for k in kernels)
    variables = trained_variables(model, ["BatchNormalization", "signal*", "trunk"])
    assert {variable.name.split("/")[0] for variable in variables} == {
        "modulation_conv", "modulation_dense", "modulation"}  # fmt: skip
    with pytest.raises(ConfigError, match=r"freeze: no layer with weights is of type or name 'GRU'; there are Conv2D"):
        trained_variables(spec.build(), ["GRU"])
    with pytest.raises(ConfigError, match="nothing to train"):
        trained_variables(spec.build(), ["*"])


def test_a_frozen_layer_stays_and_the_others_move() -> None:
    spec = GruCnnSpec("t", 6, classes=FOUR, frame=(32, 2))
    trainee = Trainee(spec.build(0.0), INPUT, frozen=["GRU", "head_norm"])
    generator = np.random.default_rng(4)
    before = {layer.name: layer.get_weights() for layer in trainee.model.layers if layer.weights}
    trainee.step(generator.normal(size=(8, 32, 2)).astype(np.float32), np.arange(8, dtype=np.int32) % 4, 1e-2)
    moved = {
        name
        for name, weights in before.items()
        if any((a != b).any() for a, b in zip(weights, trainee.model.get_layer(name).get_weights(), strict=True))
    }
    assert moved == before.keys() - {"gru", "head_norm"}


def test_the_kernel_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = kernel.build()
    monkeypatch.setattr(kernel.tools, "run", lambda *a, **k: pytest.fail("compiled again"))
    assert kernel.build()._name == first._name


def test_training_without_a_compiler_says_what_it_costs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kernel, "_library", kernel.build)
    with pytest.warns(UserWarning, match=r"ten times as long here: no C\+\+ compiler .*: apt-get install g"):
        assert not kernel.available.__wrapped__()
