"""Files of Keras 3 (made by tests/data/keras3/make.py): the same network, read without running anything of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tensorflow import keras

from hw_amc.compress.deploy import plan_deploy
from hw_amc.compress.entry import take_frames
from hw_amc.compress.keras3 import is_keras3, to_keras2, weight_places
from hw_amc.compress.model_files import load_model_file
from hw_amc.errors import DataError, UnsupportedLayer

FOLDER = Path(__file__).parent / "data" / "keras3"
#: Layers as both files of the functional model have them.
LAYERS = [
    "input_layer_1", "conv1d", "conv1d_1", "add", "re_lu", "gru", "bidirectional", "concatenate",
    "global_average_pooling1d", "modulation", "signal",
]  # fmt: skip


@pytest.mark.parametrize("name", ["sequential.keras", "functional.keras", "functional.h5"])
def test_a_file_of_keras_3_computes_what_it_did_there(name: str) -> None:
    model, kept = load_model_file(FOLDER / name), np.load(FOLDER / f"{name.partition('.')[0]}.npz")
    found = model(kept["x"])
    for number, head in enumerate(found if isinstance(found, list) else [found]):
        # Floats of another library, in another order.
        np.testing.assert_allclose(head, kept[f"y{number}"], rtol=0, atol=1e-6)
    if name.startswith("functional"):
        assert [layer.name for layer in model.layers] == LAYERS
    assert plan_deploy(take_frames(model)).outputs


def test_both_files_hold_the_same_weights() -> None:
    one, other = (load_model_file(FOLDER / f"functional.{ending}").get_weights() for ending in ("keras", "h5"))
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def _config(name: str = "functional") -> Any:
    with zipfile.ZipFile(FOLDER / f"{name}.keras") as archive:
        return json.loads(archive.read("config.json"))


def _changed(tmp_path: Path, change: Callable[[Any], None], name: str = "functional") -> Path:
    """The file with another configuration."""
    config, path = _config(name), tmp_path / "m.keras"
    change(config)
    with zipfile.ZipFile(FOLDER / f"{name}.keras") as archive, zipfile.ZipFile(path, "w") as other:
        other.writestr("config.json", json.dumps(config))
        other.writestr("model.weights.h5", archive.read("model.weights.h5"))
    return path


def _layer(config: Any, name: str) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == name)


def test_its_hard_sigmoid_has_another_slope(tmp_path: Path) -> None:
    path = _changed(
        tmp_path, lambda config: _layer(config, "gru")["config"].update(recurrent_activation="hard_sigmoid")
    )
    gate = load_model_file(path).get_layer("gru").recurrent_activation
    np.testing.assert_allclose(gate(np.float32([-3, 0, 1, 3])), [0, 0.5, 2 / 3, 1], atol=1e-7)


def test_settings_without_a_meaning_here_are_refused_by_name(tmp_path: Path) -> None:
    path = _changed(tmp_path, lambda config: _layer(config, "signal")["config"].update(quantization_config={"a": 1}))
    with pytest.raises(UnsupportedLayer, match=r"layer 'signal' \(Dense\): quantization_config is a setting"):
        load_model_file(path)
    path = _changed(tmp_path, lambda config: _layer(config, "gru").update(class_name="Lambda"))
    with pytest.raises(UnsupportedLayer, match=r"layer 'gru' \('Lambda'\) is not loaded|layer 'gru' \(Lambda\)"):
        load_model_file(path)
    path = _changed(tmp_path, lambda config: _layer(config, "gru").update(class_name="Functional"))
    with pytest.raises(UnsupportedLayer, match=r"layer 'gru' \(Functional\) is a model inside another"):
        load_model_file(path)
    path = _changed(tmp_path, lambda config: _layer(config, "re_lu")["inbound_nodes"][0].update(kwargs={"mask": 3}))
    with pytest.raises(DataError, match="is of Keras 3, and its configuration is of a form that is not known"):
        load_model_file(path)


@pytest.mark.parametrize("damage", [
    lambda config: config["config"].pop("output_layers"),
    lambda config: config["config"].update(layers=[*config["config"]["layers"], 3]),
    lambda config: _layer(config, "add").update(inbound_nodes=[3]),
    lambda config: _layer(config, "add")["inbound_nodes"][0].update(args=[{"config": {"keras_history": 7}}]),
    lambda config: _layer(config, "conv1d").update(config=None),
])  # fmt: skip
def test_a_damaged_configuration_is_one_line(tmp_path: Path, damage: Callable[[Any], None]) -> None:
    with pytest.raises((DataError, UnsupportedLayer)) as caught:
        load_model_file(_changed(tmp_path, damage))
    assert "\n" not in str(caught.value)


def test_lost_weights_are_named(tmp_path: Path) -> None:
    weights = tmp_path / "model.weights.h5"
    with zipfile.ZipFile(FOLDER / "functional.keras") as archive:
        config = archive.read("config.json")
        archive.extract(weights.name, tmp_path)
    with h5py.File(weights, "r+") as file:
        del file["layers/gru/cell/vars/1"]
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", config)
        archive.write(weights, weights.name)
    with pytest.raises(DataError, match="has lost weights of layer 'gru'; save the model again"):
        load_model_file(tmp_path / "m.keras")


def test_the_translation_says_nothing_of_training() -> None:
    assert is_keras3(_config())
    found = to_keras2(_config(), FOLDER)
    assert not is_keras3(found)
    assert found["config"]["input_layers"] == [["input_layer_1", 0, 0]]
    assert _layer(found, "add")["inbound_nodes"] == [[["conv1d", 0, 0, {}], ["conv1d_1", 0, 0, {}]]]
    assert set(_layer(found, "conv1d")["config"]) == {
        "name", "trainable", "dtype", "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate",
        "groups", "activation", "use_bias",
    }  # fmt: skip
    places = weight_places(layer["class_name"] for layer in found["config"]["layers"])
    assert places[1:6] == ["layers/conv1d", "layers/conv1d_1", "layers/add", "layers/re_lu", "layers/gru"]
    assert places[-2:] == ["layers/dense", "layers/dense_1"]
    assert not is_keras3(json.loads(keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(2)]).to_json()))
