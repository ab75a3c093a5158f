"""Files of Keras 3: their configurations in the words of Keras 2, and where they keep a layer's weights.

Nothing is made here of what a file says: `safe_h5` checks the translation as it checks a file of Keras 2.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorflow import keras

from hw_amc.compress.known_classes import LAYERS, MODELS
from hw_amc.errors import DataError, UnsupportedLayer

#: Settings of Keras 3 that Keras 2 has not, and that say nothing of what a trained layer computes.
_IDLE = {"seed", "renorm_momentum", "optional", "sparse", "ragged", "zero_output_for_mask", "activity_regularizer"}
#: Settings under other names.
_RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}, "InputLayer": {"batch_shape": "batch_input_shape"}}
#: Words that mean another function: Keras 3's hard sigmoid has a slope of 1/6, that of Keras 2 one of 1/5.
_FUNCTIONS = {"hard_sigmoid": "hw_amc>steep_sigmoid"}
#: Settings of every layer of Keras 2, beside those of its class.
_COMMON = {"name", "trainable", "dtype", "batch_input_shape"}
_LAID_DOWN = re.compile(r"\w+_(initializer|regularizer|constraint)")

#: Where a layer inside another keeps its weights, in the order of Keras 2.
_INNER = ("cell", "forward_layer", "backward_layer", "layer")


def is_keras3(config: Any) -> bool:
    """Whether a model's configuration is one of Keras 3, whose inputs have a `batch_shape`."""
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not isinstance(layers, list):
        return False
    settings = [layer.get("config") for layer in layers if isinstance(layer, dict)]
    return any(isinstance(each, dict) and "batch_shape" in each for each in settings)


def to_keras2(config: Any, path: Path) -> dict[str, Any]:
    """Say a Keras 3 model's configuration as Keras 2 does.

    Raises
    ------
    UnsupportedLayer
        A layer has a setting that Keras 2 has not.
    DataError
        The configuration is of no form that Keras 3 writes.
    """
    try:
        return _model(config)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is of Keras 3, and its configuration is of a form that is not known here") from error


def _model(data: dict[str, Any]) -> dict[str, Any]:
    config = data["config"]
    found = {"name": config["name"], "layers": [_layer(layer) for layer in config["layers"]]}
    if data["class_name"] != "Sequential":
        found |= {key: _calls(config[key]) for key in ("input_layers", "output_layers")}
    return {"class_name": data["class_name"], "config": found}


def _calls(places: list[Any]) -> list[Any]:
    """List the inputs or outputs of a model; Keras 3 writes a single one without a list around it."""
    return [places] if isinstance(places[0], str) else places


def _layer(data: dict[str, Any]) -> dict[str, Any]:
    kind = data["class_name"]
    if kind in MODELS:
        name = str(data["config"]["name"])[:80]
        raise UnsupportedLayer(f"layer {name!r} ({kind}) is a model inside another; put its layers into the outer one")
    found = {"class_name": kind, "config": _settings(kind, data["config"])}
    if "inbound_nodes" in data:
        found |= {"name": data["name"], "inbound_nodes": [_node(node) for node in data["inbound_nodes"]]}
    return found


def _node(node: dict[str, Any]) -> list[Any]:
    """Say what feeds a layer in one call: [[layer, call, tensor, {}], ...]."""
    given = {key: value for key, value in node["kwargs"].items() if value is not None and not isinstance(value, bool)}
    if given:
        raise ValueError
    return [[*place, {}] for place in _tensors(node["args"])]


def _tensors(data: Any) -> Iterator[Any]:
    if isinstance(data, list):
        for item in data:
            yield from _tensors(item)
    else:
        yield data["config"]["keras_history"]


def _settings(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """Keep what Keras 2 knows of a layer's settings; initial values and training are not needed."""
    known = _COMMON | _parameters(kind)
    found: dict[str, Any] = {}
    for name, value in config.items():
        key = _RENAMED.get(kind, {}).get(name, name)
        if _LAID_DOWN.fullmatch(key):
            continue
        if key == "dtype":
            found[key] = "float32"
        elif key in ("layer", "backward_layer") and value is not None:
            found[key] = _layer(value)
        elif key in known:
            found[key] = _FUNCTIONS.get(value, value) if isinstance(value, str) and "activation" in key else value
        elif value and key not in _IDLE:
            raise UnsupportedLayer(
                f"layer {str(config.get('name'))[:80]!r} ({kind}): {key[:80]} is a setting of Keras 3 that has no exact"
                " form here; build it without"
            )
    return found


def _parameters(kind: str) -> set[str]:
    """Names of the settings of a layer of Keras 2; of one that is not known all pass, and it is refused by name."""
    if kind not in LAYERS or not hasattr(keras.layers, kind):
        return set()
    return set(inspect.signature(getattr(keras.layers, kind).__init__).parameters)


def weight_places(classes: Iterable[str], root: str = "layers") -> list[str]:
    """Groups of an archive's weights, one a layer: names of the layers' classes, numbered."""
    seen: Counter[str] = Counter()
    places = []
    for name in classes:
        word = _snake(name)
        places.append(f"{root}/{word}_{seen[word]}" if seen[word] else f"{root}/{word}")
        seen[word] += 1
    return places


def _snake(name: str) -> str:
    word = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", word).lower()


def datasets_of(file: Any, place: str) -> Iterator[str]:
    """Name the data sets of a layer's weights, in the order of `get_weights`; seeds of random numbers are none."""
    own = f"{place}/vars"
    names = [name for name in file[own] if name.isdecimal()] if own in file else []
    yield from (f"{own}/{name}" for name in sorted(names, key=int))
    for inner in _INNER:
        if f"{place}/{inner}" in file:
            yield from datasets_of(file, f"{place}/{inner}")
