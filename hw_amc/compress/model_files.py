"""Model files of users, in the formats of Keras 2 and 3: read without running anything that they say.

A file gives a configuration, which is checked by `safe_h5` before Keras makes layers of it, and weights, which are
numbers only. The wrappers that pruning left, and names of our own hard gates, become plain on the way.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.deployed import custom_objects, variables_of
from hw_amc.compress.keras3 import datasets_of, is_keras3, to_keras2, weight_places
from hw_amc.compress.pruned import (
    ARCHIVED,
    how_to_save,
    is_of_pruning,
    require_shapes,
    restore_inner,
    strip_pruning,
    write_inner,
)
from hw_amc.compress.safe_h5 import (
    JSON_BYTES,
    WEIGHT_BYTES,
    read_config,
    require_config,
    require_finite,
    require_weights,
)
from hw_amc.errors import DataError, HwAmcError, let_interrupt_through
from hw_amc.files import temporary_folder
from hw_amc.hdf5 import ERRORS, SIGNATURE, open_dataset, open_hdf5, read_attribute
from hw_amc.models import activations
from hw_amc.untrusted import ARCHIVE_ERRORS, brief, open_regular, parse_json, read_bytes

#: What a float model may name beside Keras' own.
_OURS = {
    f"hw_amc>{function.__name__}": function
    for function in (
        activations.hard_tanh,
        activations.hard_sigmoid,
        activations.steep_sigmoid,
        activations.sine,
        activations.cosine,
    )
}

#: Names that TensorFlow takes of a model; Keras 3 takes others.
_SCOPE = re.compile(r"[A-Za-z.][A-Za-z0-9_./>-]*")

#: Fields of a configuration that say nothing of what a model computes.
_LEFT_OUT = ("shared_object_id", "build_config", "compile_config")

#: Most variables of a checkpoint.
_VARIABLES = 20_000

#: How other files begin or end, and what to do with them.
_FOREIGN = {
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".tflite": "a TensorFlow Lite file",
    ".pkl": "a pickle",
    ".json": "a model's structure without its weights",
}


def load_model_file(path: Path) -> Any:
    """Load a user's model, float or quantised, trained or not.

    Parameters
    ----------
    path : Path
        `.h5` or `.keras` of Keras 2 or 3, or the folder of a SavedModel of Keras 2; whatever its ending.

    Returns
    -------
    keras.Model
        Not compiled, without the wrappers of pruning.

    Raises
    ------
    UnsupportedLayer
        A layer of a class that is not known here.
    DataError
        The file is missing, damaged, of another format, or holds what no model of known layers needs.
    """
    if path.is_dir():
        return _load_saved_model(path)
    with open_regular(path) as stream:
        start = stream.read(len(SIGNATURE))
    if start == SIGNATURE:
        return _load_h5(path)
    if start.startswith(b"PK\x03\x04"):
        return _load_keras(path)
    what = _FOREIGN.get(path.suffix.lower(), "of no known format")
    raise DataError(
        f"{path} is {what}; a Keras model is read from .h5, .keras or the folder of a SavedModel: model.save('m.h5')"
    )


def admit(found: Any, path: Path) -> tuple[Any, dict[str, str]]:
    """Say a file's configuration as Keras 2 does, without wrappers, and require that a model can be made of it.

    Returns
    -------
    As `strip_pruning`; errors as `load_model_file`.
    """
    config, wrapped = strip_pruning(_plain(to_keras2(found, path) if is_keras3(found) else found))
    require_config(config, path)
    return config, wrapped


def _load_h5(path: Path) -> Any:
    with open_hdf5(path) as file:
        config, wrapped = admit(read_config(file, path), path)
        with _building(path, require_weights(file, path)):
            model = _build(config)
            for layer in model.layers:
                if layer.weights:
                    found = _stored(file, wrapped.get(layer.name, layer.name), path)
                    if layer.name in wrapped:
                        require_shapes(layer, [array.shape for array in found], path)
                    layer.set_weights(found)
    return model


def _stored(file: Any, layer: str, path: Path) -> list[Any]:
    """Weights of a layer, in the order in which they were saved, without those of pruning."""
    place = f"model_weights/{layer}"
    if place not in file:
        raise DataError(f"{path} holds no weights of layer {layer[:80]!r}; save the whole model")
    names = read_attribute(file[place], "weight_names", path)
    found = []
    for name in [] if names is None else names:
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        if is_of_pruning(layer, text):
            continue
        if open_dataset(file, f"{place}/{text}", path) is None:
            raise DataError(f"{path} has lost {text[:80]!r}, a weight of layer {layer[:80]!r}; {how_to_save(layer)}")
        found.append(np.asarray(file[f"{place}/{text}"]))
    return found


def _load_keras(path: Path) -> Any:
    with temporary_folder(Path(tempfile.gettempdir()), "keras") as folder:
        weights = folder / "model.weights.h5"
        try:
            with zipfile.ZipFile(path) as archive:
                found = parse_json(_member(archive, "config.json", JSON_BYTES, path), f"{path}: config.json")
                weights.write_bytes(_member(archive, weights.name, WEIGHT_BYTES, path))
        except ARCHIVE_ERRORS as error:
            raise DataError(f"{path} is not a whole .keras file ({brief(error)}); save it again") from error
        return _from_archive(found, weights, path)


def _from_archive(found: Any, weights: Path, path: Path) -> Any:
    """Make the model of an archive's configuration and of its file of weights."""
    third = is_keras3(found)
    config, wrapped = admit(found, path)
    inner = weights.with_name("inner.weights.h5")
    with open_hdf5(weights) as file:
        size = require_weights(file, path, "/layers/" if third else f"/{ARCHIVED}/")
        with _building(path, size):
            model = _build(config)
            if third:
                _set_weights(model, config, file, path)
            elif wrapped:
                write_inner(inner, model, config, wrapped, file, path)
    if not third:
        with _building(path, size):
            model.load_weights(inner if wrapped else weights)
    return model


def _set_weights(model: Any, config: Any, file: Any, path: Path) -> None:
    """Give every layer the weights that an archive of Keras 3 keeps for it."""
    layers = config["config"]["layers"]
    for layer, place in zip(layers, weight_places(layer["class_name"] for layer in layers), strict=True):
        mine = model.get_layer(layer["config"]["name"]) if layer["class_name"] != "InputLayer" else None
        if mine is not None and mine.weights:
            names = list(datasets_of(file, place))
            if len(names) != len(mine.weights) or any(open_dataset(file, name, path) is None for name in names):
                raise DataError(f"{path} has lost weights of layer {mine.name[:80]!r}; save the model again")
            mine.set_weights([np.asarray(file[name]) for name in names])


def _member(archive: zipfile.ZipFile, name: str, limit: int, path: Path) -> bytes:
    if name not in archive.namelist():
        raise DataError(f"{path} is no .keras file: it has no {name}; save the model with model.save('m.keras')")
    with archive.open(name) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise DataError(f"{path}: {name} is longer than {limit:,} bytes")
    return data


def _load_saved_model(path: Path) -> Any:
    """Read a SavedModel's configuration and checkpoint; its functions are left alone."""
    from tensorflow.python.keras.protobuf import saved_metadata_pb2

    metadata, prefix = path / "keras_metadata.pb", path / "variables" / "variables"
    if not metadata.is_file():
        raise DataError(
            f"{path} is no SavedModel of Keras 2: it has no keras_metadata.pb, and its functions are not run;"
            " load it where it was made and save it: model.save('m.h5')"
        )
    parsed = saved_metadata_pb2.SavedMetadata()
    try:
        parsed.ParseFromString(read_bytes(metadata, JSON_BYTES))
    except Exception as error:  # protobuf's own error has no fixed place
        let_interrupt_through(error)
        raise DataError(f"{metadata} is damaged ({brief(error)}); save the model again") from error
    roots = [node.metadata for node in parsed.nodes if node.node_path == "root"]
    held = parse_json(roots[0], f"{metadata}: its model") if roots else {}
    config, wrapped = admit(held.get("model_config") if isinstance(held, dict) else None, path)
    with _building(path, _checkpoint_bytes(prefix, path)):
        model = _build(config)
        if wrapped:
            restore_inner(model, config, wrapped, prefix, path)
        else:
            status = model.load_weights(str(prefix))
            status.assert_existing_objects_matched()
            status.expect_partial()
    for layer in model.layers:
        for weight in layer.weights:
            require_finite(weight.numpy(), weight.name, path)
    return model


def _checkpoint_bytes(prefix: Path, path: Path) -> int:
    """Bytes of the files of a checkpoint, which hold all that it declares."""
    files = sorted(prefix.parent.glob("variables.*"))
    if not any(file.suffix == ".index" for file in files):
        raise DataError(f"{path} has no variables/variables.index: its weights are missing; save the model again")
    for file in files:
        open_regular(file).close()
    size = sum(file.stat().st_size for file in files)
    try:
        count = len(tf.train.list_variables(str(prefix)))
    except Exception as error:  # what TensorFlow raises on a damaged checkpoint is not written down anywhere
        let_interrupt_through(error)
        raise DataError(f"{path}: its checkpoint cannot be read ({brief(error)}); save the model again") from error
    if size > WEIGHT_BYTES or count > _VARIABLES:
        raise DataError(f"{path}: its checkpoint has {size:,} bytes and {count:,} variables, too many to be read")
    return size


@contextmanager
def _building(path: Path, size: int) -> Iterator[None]:
    """Make layers with at most `size` bytes of weights; whatever Keras raises becomes one line."""
    try:
        with variables_of(size, path):
            yield
    except HwAmcError:
        raise
    except ERRORS as error:
        raise DataError(f"{path} is no model that Keras can make: {brief(error)}") from error
    except Exception as error:  # what Keras raises on a file that fits no layer is not written down anywhere
        let_interrupt_through(error)
        raise DataError(f"{path} is no model that Keras can make: {brief(error)}") from error


def _build(config: Any) -> Any:
    """Make the model; its own name, which nothing goes by, may be none or one that TensorFlow does not take."""
    inner = config["config"]
    if isinstance(inner, dict) and not _SCOPE.fullmatch(str(inner.get("name", ""))):
        config = {**config, "config": {**inner, "name": "model"}}
    return keras.models.model_from_json(json.dumps(config), custom_objects={**custom_objects(), **_OURS})


def _plain(data: Any) -> Any:
    """Write tuples as lists and functions by their names, as older versions of Keras do; leave training out."""
    if isinstance(data, list):
        return [_plain(item) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("class_name") == "__tuple__" and isinstance(data.get("items"), list):
        return _plain(data["items"])
    if data.get("class_name") == "function" and isinstance(data.get("config"), str):
        return data["config"]
    return {key: _plain(value) for key, value in data.items() if key not in _LEFT_OUT}
