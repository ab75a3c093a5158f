"""Deployed models: rounding, saving, loading, and the formats that their quantisers have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deployed
import numpy as np
import pytest
from tensorflow import keras

from hw_amc.compress import load_deployed, round_weights, save_deployed
from hw_amc.compress.build import formats_of
from hw_amc.compress.deployed import clipped_weights, quantised_weights
from hw_amc.errors import DataError
from hw_amc.models import GruCnnSpec

TINY = GruCnnSpec("tiny", 6, classes=deployed.FIVE, frame=(32, 2))


def random_deployed(seed: int, scale: float = 0.4, **formats: dict[str, int]) -> Any:
    generator = np.random.default_rng(seed)
    model = deployed.untrained(TINY, formats)
    model.set_weights([generator.normal(size=w.shape).astype(np.float32) * scale for w in model.get_weights()])
    return model


def wire_values(seed: int, shape: tuple[int, ...]) -> Any:
    words = np.random.default_rng(seed).integers(-(2**15), 2**15, shape)
    return words.astype(np.float32) / np.float32(2**14)


def test_rounding_the_weights_is_idempotent_and_changes_no_output() -> None:
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


def test_saved_weights_lie_on_their_grids() -> None:
    model = random_deployed(3, scale=2.0)
    round_weights(model)
    for w in model.get_layer("gru").get_weights():
        raw = w * 128
        np.testing.assert_array_equal(raw, np.rint(raw))
        assert raw.min() >= -128
        assert raw.max() <= 127


def test_clipped_weights_are_counted() -> None:
    model = random_deployed(1, scale=0.0)
    conv = model.get_layer("conv1")
    kernel, bias = conv.get_weights()
    kernel.flat[:5] = [1.0, 0.999, 0.99, -1.0, -1.01]  # the format holds -1 .. 127/128, rounding up to 127.5/128
    conv.set_weights([kernel, bias])
    assert clipped_weights(model) == {"gru": 0, "gru_affine": 0, "conv1": 3, "conv2": 0, "head": 0}


def test_save_and_load_give_the_same_logits(tmp_path: Path) -> None:
    model = random_deployed(4, gru={"kernel_int": 1}, gru_relu={"bits": 6, "int": 1}, gap_quant={"bits": 16, "int": 3})
    x = wire_values(5, (4, 32, 2))
    path = tmp_path / "weights.h5"
    save_deployed(model, path)
    loaded = load_deployed(path)
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert formats_of(loaded) == formats_of(model)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.h5"]


def lstm_model() -> Any:
    inputs = keras.Input((16, 2), name="frames")
    x = deployed.act("lstm_quant")(deployed.lstm("lstm", 5)(deployed.act("input_quant", 8, 1)(inputs)))
    return keras.Model(inputs, deployed.dense("head", 3)(keras.layers.GlobalAveragePooling1D()(x)))


@pytest.mark.parametrize("build", [lstm_model, deployed.hakimi_model, deployed.mtl_model, deployed.residual_model])
def test_every_layer_that_the_frontend_admits_is_saved_as_it_is_deployed(build: Any, tmp_path: Path) -> None:
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


def test_a_layer_without_bias_can_be_saved(tmp_path: Path) -> None:
    inputs = keras.Input((16, 2))
    layer = deployed.qkeras.QDense(3, use_bias=False, kernel_quantizer=deployed.signed(4))
    model = deployed.fill(keras.Model(inputs, layer(inputs)), "random")
    save_deployed(model, tmp_path / "weights.h5")
    np.testing.assert_array_equal(model.get_weights()[0] * 8, np.rint(model.get_weights()[0] * 8))


def test_loading_refuses_what_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_deployed(tmp_path / "none.h5")
    (tmp_path / "bad.h5").write_bytes(b"not HDF5")
    with pytest.raises(DataError, match="not a whole HDF5 file"):
        load_deployed(tmp_path / "bad.h5")


def test_affine_is_exact_in_integers() -> None:
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
