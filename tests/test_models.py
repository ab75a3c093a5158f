from __future__ import annotations

import deployed
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow import keras

from hw_amc.compress import build_deployed, load_deployed, round_weights, save_deployed
from hw_amc.compress.deployed import clipped_weights, formats_of, quantised_weights, rebuild
from hw_amc.compress.formats import DEFAULT_FORMATS, affine_bias, bias_integer_bits, integer_bits, merge
from hw_amc.errors import ConfigError, DataError
from hw_amc.models import MODELS, build_float, find
from hw_amc.models.specs import GruCnnSpec

TINY = GruCnnSpec("tiny", 6, classes=5, frame_len=32)


def random_deployed(seed: int, scale: float = 0.4, spec: GruCnnSpec = TINY, **formats):
    generator = np.random.default_rng(seed)
    model = build_deployed(spec, formats or None)
    model.set_weights([generator.normal(size=w.shape).astype(np.float32) * scale for w in model.get_weights()])
    return model


def wire_values(seed: int, shape) -> np.ndarray:
    words = np.random.default_rng(seed).integers(-(2**15), 2**15, shape)
    return words.astype(np.float32) / np.float32(2**14)


@pytest.mark.parametrize(
    ("cells", "parameters"),
    [(40, 8600), (50, 11920), (60, 15840), (70, 20360), (80, 25480), (90, 31200), (100, 37520)],
)
def test_dense_parameter_counts_are_the_published_ones(cells, parameters):
    # Kassri et al. 2024, table of dense models; 40 and 100 cells are ours (the paper's print fits no variant).
    spec = find(f"gru_cnn_c{cells}")
    assert spec.parameters == parameters == 3 * cells**2 + 62 * cells + 1320


@pytest.mark.parametrize(
    ("name", "nonzeros"),
    [("gru_cnn_sparse05", 13144), ("gru_cnn_sparse07", 8210), ("gru_cnn_sparse08", 5742), ("gru_cnn_sparse085", 4509)],
)
def test_sparse_parameter_counts_are_the_published_ones(name, nonzeros):
    assert find(name).nonzeros == nonzeros


def test_kernel_weights_at_80_cells():
    assert find("gru_cnn_sparse07").kernel_weights == 24672
    assert find("gru_cnn_sparse07").kernel_nonzeros == 7402


@pytest.mark.parametrize("name", ["gru_cnn_c40", "gru_cnn_sparse07"])
def test_float_network_has_the_parameters_of_its_spec(name):
    model = build_float(MODELS[name], 64)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == MODELS[name].parameters


def test_unknown_model_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean gru_cnn_sparse07"):
        find("gru_cnn_sparse7")
    with pytest.raises(ConfigError, match="known: gru_cnn_c100"):
        find("zzzz")


def test_deployed_layers_keep_their_names_and_order():
    names = [layer.name for layer in build_deployed(TINY).layers]
    assert names == ["frames", "input_quant", "gru", "gru_quant", "gru_affine", "gru_relu", "conv1", "conv1_relu",
                     "pool", "conv2", "conv2_relu", "gap", "gap_quant", "head"]  # fmt: skip


def test_rounding_the_weights_is_idempotent_and_changes_no_output():
    model = random_deployed(1)
    x = wire_values(2, (3, 32, 2))
    before = model.predict(x, verbose=0)
    round_weights(model)
    once = model.get_weights()
    for name in ("gru", "gru_affine", "conv1", "conv2", "head"):
        layer = model.get_layer(name)
        for saved, rounded in zip(layer.get_weights(), quantised_weights(layer), strict=True):
            np.testing.assert_array_equal(saved, rounded)
    round_weights(model)
    for a, b in zip(once, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(before, model.predict(x, verbose=0))


def test_saved_weights_lie_on_their_grids():
    model = random_deployed(3, scale=2.0)
    round_weights(model)
    for w in model.get_layer("gru").get_weights():
        raw = w * 128
        np.testing.assert_array_equal(raw, np.rint(raw))
        assert raw.min() >= -128
        assert raw.max() <= 127


def test_clipped_weights_are_counted():
    model = random_deployed(1, scale=0.0)
    conv = model.get_layer("conv1")
    kernel, bias = conv.get_weights()
    kernel.flat[:5] = [1.0, 0.999, 0.99, -1.0, -1.01]  # the format holds -1 .. 127/128, rounding up to 127.5/128
    conv.set_weights([kernel, bias])
    assert clipped_weights(model) == {"gru": 0, "gru_affine": 0, "conv1": 3, "conv2": 0, "head": 0}


def test_save_and_load_give_the_same_logits(tmp_path):
    model = random_deployed(4, gru={"kernel_int": 1}, gru_relu={"bits": 6, "int": 1}, gap_quant={"bits": 16, "int": 3})
    x = wire_values(5, (4, 32, 2))
    path = tmp_path / "weights.h5"
    save_deployed(model, path)
    loaded = load_deployed(path)
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert formats_of(loaded) == formats_of(model)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.h5"]


def lstm_model():
    inputs = keras.Input((16, 2), name="frames")
    x = deployed.act("lstm_quant")(deployed.lstm("lstm", 5)(deployed.act("input_quant", 8, 1)(inputs)))
    return keras.Model(inputs, deployed.dense("head", 3)(keras.layers.GlobalAveragePooling1D()(x)))


@pytest.mark.parametrize("build", [lstm_model, deployed.hakimi_model, deployed.mtl_model, deployed.residual_model])
def test_every_layer_that_the_frontend_admits_is_saved_as_it_is_deployed(build, tmp_path):
    model = deployed.fill(build(), "random", 11)
    x = wire_values(12, (4, *model.input_shape[1:]))
    before = model.get_weights()
    expected = model.predict(x, verbose=0)
    save_deployed(model, tmp_path / "weights.h5")
    loaded = load_deployed(tmp_path / "weights.h5")
    np.testing.assert_array_equal(np.concatenate(expected, None), np.concatenate(loaded.predict(x, verbose=0), None))
    assert all((a != b).any() for a, b in zip(before, loaded.get_weights(), strict=True))
    for weight in loaded.get_weights():
        np.testing.assert_array_equal(weight * 128, np.rint(weight * 128))  # no format here is finer


def test_a_layer_without_bias_can_be_saved(tmp_path):
    inputs = keras.Input((16, 2))
    layer = deployed.qkeras.QDense(3, use_bias=False, kernel_quantizer=deployed.signed(4))
    model = deployed.fill(keras.Model(inputs, layer(inputs)), "random")
    save_deployed(model, tmp_path / "weights.h5")
    np.testing.assert_array_equal(model.get_weights()[0] * 8, np.rint(model.get_weights()[0] * 8))


def test_loading_refuses_what_is_not_a_model(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load_deployed(tmp_path / "none.h5")
    (tmp_path / "bad.h5").write_bytes(b"not HDF5")
    with pytest.raises(DataError, match="not a deployed model"):
        load_deployed(tmp_path / "bad.h5")


def test_rebuilding_keeps_weights_and_formats_for_any_length():
    model = random_deployed(6, conv1={"kernel_int": 1, "bias_int": 5})
    copy = rebuild(model)
    assert formats_of(copy) == formats_of(model)
    x = wire_values(7, (2, 32, 2))
    np.testing.assert_array_equal(model.predict(x, verbose=0), copy.predict(x, verbose=0))
    assert copy.predict(x[:, :16], verbose=0).shape == (2, 5)


def test_affine_is_exact_in_integers():
    model = random_deployed(8)
    round_weights(model)
    affine = model.get_layer("gru_affine")
    state = np.random.default_rng(9).integers(-128, 128, (1, 50, 6))
    scale_frac = affine.scale_quantizer.bits - 1 - affine.scale_quantizer.integer
    scale, bias = affine.get_weights()
    raw_scale, raw_bias = scale * 2**scale_frac, bias * 2 ** (7 + scale_frac)
    assert all(np.array_equal(raw, np.rint(raw)) for raw in (raw_scale, raw_bias))
    expected = state * raw_scale.astype(int) + raw_bias.astype(int)
    got = np.asarray(affine((state / 128).astype(np.float32))) * 2 ** (7 + scale_frac)
    np.testing.assert_array_equal(got, expected)


@given(st.floats(1e-6, 100.0), st.integers(2, 16), st.booleans())
def test_integer_bits_hold_the_value_and_are_the_fewest(largest, bits, signed):
    def top(count):
        step = 2.0 ** (count - bits + signed)
        return 2.0**count - step / 2

    try:
        count = integer_bits(largest, bits, signed)
    except ConfigError:
        assert largest > top(bits - 1)
        return
    assert largest <= top(count)
    assert count == 0 or largest > top(count - 1)


@given(st.floats(1e-6, 1e4))
def test_bias_integer_bits_never_clip(largest):
    assert largest < 2.0 ** bias_integer_bits(largest)


def test_affine_bias_has_the_precision_of_the_product():
    bits, integer = affine_bias({"scale_bits": 8, "scale_int": 3, "bias_int": 2}, input_frac=7)
    assert (bits, integer) == (1 + 2 + 7 + 4, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grru": {}}, "no quantised layer is named 'grru'"),
        ({"gru": {"bits": 8}}, "layer 'gru' has no 'bits'"),
        ({"conv1": {"kernel_bits": 99}}, "must lie in 2..24"),
        ({"conv1": {"kernel_int": -1}}, "must lie in 0..24"),
    ],
)
def test_formats_refuse_what_does_not_exist(changes, message):
    with pytest.raises(ConfigError, match=message):
        merge(changes)


def test_merging_leaves_the_defaults_alone():
    merge({"gru": {"kernel_bits": 4}})
    assert DEFAULT_FORMATS["gru"]["kernel_bits"] == 8
