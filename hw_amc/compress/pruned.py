"""Models pruned by TensorFlow Model Optimization that still have its wrappers: read without the class of these.

A wrapper's configuration holds that of the layer in it, and each format keeps this layer's weights beside those of
pruning: in .h5 under names in one group, in an archive and in a checkpoint under the wrapper's `layer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from hw_amc.compress.keras3 import weight_places
from hw_amc.errors import DataError

#: The wrapper that pruning leaves around a layer, how its name begins, and the weights that it adds.
_WRAPPER, _PREFIX, _OF_PRUNING = "PruneLowMagnitude", "prune_low_magnitude_", ("mask:", "threshold:", "pruning_step:")

#: Where a .keras archive of Keras 2 keeps the weights of its layers.
ARCHIVED = "_layer_checkpoint_dependencies"

#: What mends a file whose weights are not found.
_MEND = "save it without wrappers: tfmot.sparsity.keras.strip_pruning(model)"

#: Most groups and data sets of an archive's layers: of groups that lie in each other, a file may show each many times.
_OBJECTS = 20_000


def strip_pruning(config: Any) -> tuple[Any, dict[str, str]]:
    """Take the wrappers of pruning off a model's configuration.

    Returns
    -------
    (configuration, layer -> name that its wrapper had, under which its weights are stored)
    """
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list):
        return config, {}
    wrapped: dict[str, str] = {}
    plain = [_unwrapped(layer, wrapped) for layer in layers]
    if not wrapped:
        return config, {}
    names = {wrapper: layer for layer, wrapper in wrapped.items()}
    return _renamed({**config, "config": {**config["config"], "layers": plain}}, names), wrapped


def _unwrapped(layer: Any, wrapped: dict[str, str]) -> Any:
    """Return the layer in a wrapper, and note both names; another layer as it is."""
    if not isinstance(layer, dict) or str(layer.get("class_name")).rpartition(">")[2] != _WRAPPER:
        return layer
    outer = layer.get("config")
    inner = outer.get("layer") if isinstance(outer, dict) else None
    own = inner.get("config") if isinstance(inner, dict) else None
    if not isinstance(outer, dict) or not isinstance(inner, dict) or not isinstance(own, dict):
        return layer
    if not isinstance(own.get("name"), str) or not isinstance(outer.get("name"), str):
        return layer
    wrapped[own["name"]] = outer["name"]
    kept = {key: value for key, value in layer.items() if key in ("name", "inbound_nodes")}
    return {**inner, **kept}


def _renamed(data: Any, names: dict[str, str]) -> Any:
    """Replace the names of wrappers wherever layers are named: as `name`, and at the head of a connection."""
    if isinstance(data, dict):
        return {
            key: names.get(value, value) if key == "name" and isinstance(value, str) else _renamed(value, names)
            for key, value in data.items()
        }
    if isinstance(data, list):
        if len(data) >= 3 and isinstance(data[0], str):
            return [names.get(data[0], data[0]), *data[1:]]
        return [_renamed(item, names) for item in data]
    return data


def is_of_pruning(layer: str, weight: str) -> bool:
    """Whether a weight of an .h5 file is one that a wrapper added to those of its layer."""
    return layer.startswith(_PREFIX) and weight.rpartition("/")[2].startswith(_OF_PRUNING)


def how_to_save(layer: str) -> str:
    """Say what mends an .h5 file that has lost weights of a layer, which may be a wrapper."""
    return _MEND if layer.startswith(_PREFIX) else "save the model again"


def require_shapes(layer: Any, shapes: Iterable[tuple[int, ...]], path: Path) -> None:
    """Require that a file holds the weights that a layer has; DataError says what mends the file."""
    if Counter(shapes) != Counter(tuple(weight.shape) for weight in layer.weights):
        raise _lost(layer, path)


def _lost(layer: Any, path: Path) -> DataError:
    return DataError(
        f"{path} has lost weights of layer {layer.name[:80]!r} of a pruned model, or has them in other shapes; {_MEND}"
    )


def write_inner(target: Path, model: Any, config: Any, wrapped: dict[str, str], file: Any, path: Path) -> None:
    """Write an archive's weights anew, as they are named without wrappers.

    Parameters
    ----------
    target : Path
        Another file, for `model.load_weights`.
    model, config
        Made of the archive's configuration without wrappers.
    wrapped : dict of layer -> wrapper
        As `strip_pruning` found them.
    file
        The archive's open HDF5 file, whose objects all lie in it.

    Raises
    ------
    DataError
        A layer's weights are not there.
    """
    layers = config["config"]["layers"]
    names = [layer["config"]["name"] for layer in layers]
    kinds = [_WRAPPER if name in wrapped else layer["class_name"] for name, layer in zip(names, layers, strict=True)]
    places = dict(zip(names, weight_places(kinds, ARCHIVED), strict=True))
    now = weight_places((type(layer).__name__ for layer in model.layers), ARCHIVED)
    room = _OBJECTS
    with h5py.File(target, "w") as plain:
        for layer, place in zip(model.layers, now, strict=True):
            stored = f"{places[layer.name]}/layer" if layer.name in wrapped else places[layer.name]
            held = _objects(file, stored, room)
            room -= len(held)
            weights = {name: node for name, node in held.items() if isinstance(node, h5py.Dataset)}
            # Before they are read: no more is copied than the model has.
            require_shapes(layer, (node.shape for node in weights.values()), path)
            for name in held.keys() - weights.keys():
                plain.require_group(f"{place}/{name}")
            for name, node in weights.items():
                plain[f"{place}/{name}"] = np.asarray(node)
        plain.create_group("vars")  # the model's own, without which Keras reads no file


def _objects(file: Any, place: str, most: int) -> dict[str, Any]:
    """Find the objects in a group and in those below, each once; none where there is no such group."""
    found: dict[str, Any] = {}

    def note(name: str, node: Any) -> bool | None:
        found[name] = node
        return len(found) >= most or None  # all but None ends the visit

    if place in file:
        file[place].visititems(note)
    return found


def restore_inner(model: Any, config: Any, wrapped: dict[str, str], prefix: Path, path: Path) -> None:
    """Give a model the weights of a SavedModel's checkpoint, where its layers lie in wrappers.

    Raises
    ------
    DataError
        A layer's weights are not there.
    """
    layers = config["config"]["layers"]
    # A sequential model does not count its input among its layers.
    first = int(config["class_name"] == "Sequential" and layers[0]["class_name"] == "InputLayer")
    for number, data in enumerate(layers[first:]):
        layer = model.get_layer(data["config"]["name"])
        if not layer.weights:
            continue
        # Stands for the wrapper: an object that has the layer under the same name.
        held = tf.train.Checkpoint(layer=layer) if layer.name in wrapped else layer
        try:
            status = tf.train.Checkpoint(**{f"layer-{number}": held}).read(str(prefix))
            status.assert_existing_objects_matched()
            status.expect_partial()
        except (AssertionError, ValueError) as error:  # a weight is not there, or of another shape
            raise _lost(layer, path) from error
