from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_amc.compress import build_deployed
from hw_amc.compress.deployed import quantised_weights
from hw_amc.compress.magnitude import choose_masks, choose_masks_by_layer, count_nonzeros, masks_of, ramp_keep
from hw_amc.compress.quantise import (
    _best_integer_bits,
    activation_tops,
    choose_formats,
    equalise,
    fold_norms,
    set_weights,
)
from hw_amc.errors import ConfigError
from hw_amc.models import build_float
from hw_amc.models.specs import GruCnnSpec

SPEC = GruCnnSpec("tiny", 10, classes=6, frame_len=64)


def kernels(seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(0, scale, shape).astype(np.float32) for scale, shape in ((1.0, (4, 9)), (0.01, (3, 5, 2)))]


@given(st.integers(0, 66), st.integers(0, 5))
def test_masks_keep_exactly_what_is_asked(keep, seed):
    masks = choose_masks(kernels(seed), keep)
    assert sum(int(m.sum()) for m in masks) == keep


@given(st.integers(0, 66), st.integers(0, 5))
def test_masks_by_layer_keep_one_share_of_every_layer(keep, seed):
    ks = kernels(seed)
    masks = choose_masks_by_layer(ks, keep)
    assert sum(int(m.sum()) for m in masks) == keep
    for k, m in zip(ks, masks, strict=True):
        assert abs(m.sum() - keep * k.size / 66) < 1


def test_a_layer_that_has_lost_more_keeps_what_it_has():
    ks = kernels(2)
    ks[0].flat[5:] = 0
    assert [int(m.sum()) for m in choose_masks_by_layer(ks, 20)] == [5, 15]
    with pytest.raises(ConfigError, match="35 nonzero"):
        choose_masks_by_layer(ks, 36)


def test_few_bits_clip_an_outlier_rather_than_lose_the_rest():
    weights = np.append(np.full(99, 0.125, np.float32), np.float32(1.1))
    assert _best_integer_bits(weights, 4) == 0
    assert _best_integer_bits(np.full(4, 3.0, np.float32), 4) == 2


def test_masks_keep_the_largest_of_each_layer_relative_to_its_scale():
    ks = kernels(1)
    masks = choose_masks(ks, 33)
    for k, m in zip(ks, masks, strict=True):
        assert np.abs(k[m]).min() >= np.abs(k[~m]).max()
        assert 0.3 < m.mean() < 0.7  # the layer of small weights is not emptied


def test_pruning_further_brings_nothing_back():
    ks = kernels(2)
    first = choose_masks(ks, 40)
    pruned = [k * m for k, m in zip(ks, first, strict=True)]
    second = choose_masks(pruned, 20)
    assert all(not np.any(b & ~a) for a, b in zip(first, second, strict=True))
    assert count_nonzeros(pruned) == 40
    assert all(np.array_equal(a, b) for a, b in zip(masks_of(pruned), first, strict=True))


def test_ties_are_broken_by_position():
    masks = choose_masks([np.ones((2, 2), np.float32), np.ones(3, np.float32)], 3)
    assert [m.ravel().tolist() for m in masks] == [[True, True, True, False], [False] * 3]


def test_keeping_more_than_is_left_is_refused():
    with pytest.raises(ConfigError, match="4 nonzero weights are left"):
        choose_masks([np.array([1, 0, 2, 3, 4], np.float32)], 5)


def test_ramp_runs_from_start_to_target():
    assert ramp_keep(100, 90, 30, 0.0) == 90
    assert ramp_keep(100, 90, 30, 1.0) == ramp_keep(100, 90, 30, 2.0) == 30
    values = [ramp_keep(1000, 1000, 300, i / 20) for i in range(21)]
    assert values == sorted(values, reverse=True)


def float_model(seed: int = 3):
    generator = np.random.default_rng(seed)
    model = build_float(SPEC, 64)
    for layer in model.layers:
        weights = [generator.normal(0, 0.4, w.shape).astype(np.float32) for w in layer.get_weights()]
        if layer.name.endswith("_norm"):
            weights[0] = np.abs(weights[0]) + 0.5
            weights[3] = np.abs(weights[3]) + 0.1
        layer.set_weights(weights)
    return model


def logits_of(model, x):
    from tensorflow import keras

    return keras.Model(model.input, model.get_layer("head_norm").output).predict(x, verbose=0)


def folded(model, x):
    weights, tops = fold_norms(model), activation_tops(model, x)
    equalise(weights, tops)
    return weights, tops


def test_folding_keeps_the_function():
    model = float_model()
    x = np.random.default_rng(4).uniform(-1, 1, (8, 64, 2)).astype(np.float32)
    weights, _ = folded(model, x)
    # Wide formats make rounding negligible, so that only the folding is left to differ.
    wide = {"kernel_bits": 20, "recurrent_bits": 20, "bias_bits": 20, "gate_bits": 20, "candidate_bits": 20,
            "state_bits": 16, "kernel_int": 3, "recurrent_int": 3, "bias_int": 3}  # fmt: skip
    relu = {"bits": 20, "int": 8}
    conv = {"kernel_bits": 20, "kernel_int": 1, "bias_bits": 24, "bias_int": 8}
    affine = {"scale_bits": 20, "scale_int": 10, "bias_int": 8}
    formats = {"input_quant": {"bits": 20, "int": 1}, "gru": wide, "gru_affine": affine, "head": affine,
               "gru_relu": relu, "conv1": conv, "conv1_relu": relu, "conv2": conv, "conv2_relu": relu,
               "gap_quant": {"bits": 20, "int": 8}}  # fmt: skip
    deployed = build_deployed(SPEC, formats)
    set_weights(deployed, weights)
    expected = logits_of(model, x)
    np.testing.assert_allclose(deployed.predict(x, verbose=0), expected, atol=0.02 * np.abs(expected).max())


def test_chosen_formats_hold_the_weights_they_were_chosen_from():
    model = float_model()
    x = np.random.default_rng(5).uniform(-1, 1, (8, 64, 2)).astype(np.float32)
    weights, tops = folded(model, x)
    deployed = build_deployed(SPEC, choose_formats(weights, tops, {"gru": {"kernel_bits": 6}}))
    set_weights(deployed, weights)
    for name in ("gru", "conv1", "conv2"):
        layer = deployed.get_layer(name)
        for before, after in zip(layer.get_weights(), quantised_weights(layer), strict=True):
            assert np.max(np.abs(before - after)) <= 0.1 * np.max(np.abs(before)) + 2.0**-6
    for name in ("gru_affine", "head"):
        layer = deployed.get_layer(name)
        step = 2.0 ** (layer.bias_quantizer.integer + 1 - layer.bias_quantizer.bits)
        assert np.max(np.abs(layer.get_weights()[1] - quantised_weights(layer)[1])) <= step / 2
    assert deployed.get_layer("gru").cell.kernel_quantizer_internal.bits == 6


def test_convolution_biases_are_no_finer_than_their_products():
    model = float_model()
    x = np.random.default_rng(5).uniform(-1, 1, (8, 64, 2)).astype(np.float32)
    formats = choose_formats(*folded(model, x))
    for name, source, pooled in (("conv1", "gru_relu", 0), ("conv2", "conv1_relu", 1)):
        layer = formats[name]
        product_frac = formats[source]["bits"] - formats[source]["int"] + pooled
        product_frac += layer["kernel_bits"] - 1 - layer["kernel_int"]
        assert layer["bias_bits"] - 1 - layer["bias_int"] <= product_frac


def test_convolution_kernels_fill_their_range():
    model = float_model()
    x = np.random.default_rng(6).uniform(-1, 1, (4, 64, 2)).astype(np.float32)
    weights, _ = folded(model, x)
    for name in ("conv1", "conv2"):
        assert 0.5 < np.max(np.abs(weights[name][0])) <= 1.0


def test_one_large_scale_does_not_coarsen_the_others():
    scale = np.full(40, 0.1, np.float32)
    scale[0] = 60.0
    assert _best_integer_bits(scale, 8, relative=True) == 0  # holding 60 would round 0.1 to nothing
    assert _best_integer_bits(np.full(4, 60.0, np.float32), 8, relative=True) == 6
