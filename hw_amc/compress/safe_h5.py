"""A weights.h5 from a stranger: its JSON is read and walked before Keras loads anything.

Keras 2 runs what a file says: a Lambda holds code, a class may be named by its module, a layer that feeds itself is
waited for without end. Only classes and quantisers that are known here pass, with numbers and names as arguments; the
layers' graph must be finite; and every object of the file must lie in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hw_amc.compress.known_classes import CLASSES, MODELS, OTHERS, QUANTISERS, WORDS
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.hdf5 import ERRORS, open_hdf5, read_attribute, walk
from hw_amc.untrusted import brief, parse_json

#: Most bytes of the model's JSON, layers of a model, and bytes of all weights.
JSON_BYTES, _LAYERS, WEIGHT_BYTES = 16 << 20, 2000, 1 << 30

#: Largest number among a layer's arguments, of a quantiser's, and most letters of a text.
_MOST, _MOST_BITS, _LETTERS = 1 << 20, 1000, 500

#: Modules that a file may name; a class of them is still one of the above.
_MODULE = re.compile(
    r"(tensorflow\.)?keras(\.src)?(\.(layers|models|initializers|regularizers|constraints|activations|engine|"
    r"mixed_precision|saving)(\.\w+)?)?|qkeras(\.\w+)?|hw_amc(\.\w+){0,2}"
)

#: Fields whose text names an object, and texts that make a quantiser: its name and numbers.
_NAMING = re.compile(r"(\w+_)?(activation|quantizer|initializer|regularizer|constraint)")
_ARGUMENT = r"\s*(?:\w{1,30}\s*=\s*)?(?:-?\d{1,3}(?:\.\d{0,20})?|True|False|None|['\"]?auto(?:_po2)?['\"]?)\s*"
_CALL = re.compile(rf"(\w{{1,40}})\((?:{_ARGUMENT}(?:,{_ARGUMENT})*)?\)")


def require_safe(path: Path) -> int:
    """Require that Keras can load a file without running anything of it, and in bounded time and memory.

    Parameters
    ----------
    path : Path
        HDF5, as `model.save(..., save_format="h5")` writes it.

    Returns
    -------
    int
        Bytes of all weights: more variables than that the model cannot have.

    Raises
    ------
    UnsupportedLayer
        A layer of a class that is not known here.
    DataError
        The file is missing, damaged, no model, or holds what no model of known layers needs.
    """
    with open_hdf5(path) as file:
        require_config(read_config(file, path), path)
        return require_weights(file, path)


def read_config(file: Any, path: Path) -> Any:
    """Configuration of the model of an open file, parsed and not checked yet; DataError where it has none."""
    text = read_attribute(file, "model_config", path, JSON_BYTES)
    if not isinstance(text, (str, bytes)):
        raise DataError(f"{path} is no Keras model: it has no model_config; save the whole model, not its weights only")
    if len(text) > JSON_BYTES:
        raise DataError(f"{path}: the configuration of its model is longer than {JSON_BYTES:,} bytes")
    return parse_json(text, f"{path}: model_config")


def require_config(config: Any, path: Path) -> None:
    """Require that Keras can make a model of a configuration without running anything; errors as `require_safe`."""
    try:
        _check_model(config)
    except ValueError as error:
        raise DataError(f"{path} is not loaded: {error}") from error


def _check_model(config: Any) -> None:
    if not isinstance(config, dict) or not _is_one(config.get("class_name"), MODELS):
        said = config.get("class_name") if isinstance(config, dict) else config
        raise ValueError(f"its model is {_shown(said)}, neither functional nor sequential")
    _check(config, "model", "")
    _check_graphs(config)


def _check(data: Any, key: str, layer: str) -> None:
    """Walk a part of the configuration; ValueError says what may not be in it. Depth is bounded by the JSON's."""
    if isinstance(data, dict):
        _check_object(data, layer)
    elif isinstance(data, list):
        for item in data:
            _check(item, key, layer)
    elif isinstance(data, str):
        _check_text(data, key, layer)
    elif isinstance(data, (int, float)) and not (math.isfinite(data) and abs(data) <= _MOST):
        raise ValueError(f"{key} = {_shown(data)} of {layer or 'the model'} is too large")


def _check_object(data: dict[str, Any], layer: str) -> None:
    if "class_name" in data:
        layer = _check_class(data, layer)
    module = data.get("module")
    if module is not None and not (isinstance(module, str) and _MODULE.fullmatch(module)):
        raise ValueError(f"{layer or 'the model'} names the module {_shown(module)}")
    registered = data.get("registered_name")
    if registered is not None and not (isinstance(registered, str) and _last(registered) in CLASSES):
        raise ValueError(f"{layer or 'the model'} names {_shown(registered)}, which is not known here")
    for key, value in data.items():
        if len(key) > _LETTERS:
            raise ValueError(f"{layer or 'the model'} has a field of {len(key)} letters")
        if key not in ("class_name", "module", "registered_name"):
            _check(value, key, layer)


def _check_class(data: dict[str, Any], layer: str) -> str:
    """Require that an object is of a known class, and return the name of the layer that it belongs to."""
    kind, config = data["class_name"], data.get("config")
    own = config.get("name") if isinstance(config, dict) else None
    inner = own if isinstance(own, str) and isinstance(kind, str) and kind not in OTHERS else layer
    if not isinstance(kind, str) or _last(kind) not in CLASSES:
        if isinstance(own, str):
            raise UnsupportedLayer(
                f"layer {own[:80]!r} ({_shown(kind)}) is not loaded: only layers known here are, others may run code of"
                " the file"
            )
        raise ValueError(f"{layer or 'the model'} holds {_shown(kind)}, which is not known here")
    if _last(kind) in QUANTISERS and isinstance(config, dict):
        for key, value in config.items():
            if isinstance(value, (int, float)) and abs(value) > _MOST_BITS:
                raise ValueError(f"{layer}: {key} = {_shown(value)} of {kind} is too large")
    return str(inner)


def _check_text(text: str, key: str, layer: str) -> None:
    if len(text) > _LETTERS:
        raise ValueError(f"{key} of {layer or 'the model'} has {len(text)} letters")
    if _NAMING.fullmatch(key):
        call = _CALL.fullmatch(text)
        if not (text in WORDS or text in CLASSES or (call and call[1] in QUANTISERS)):
            raise ValueError(f"{key} = {_shown(text)} of {layer or 'the model'} is not known here")


def _is_one(name: Any, names: frozenset[str]) -> bool:
    return isinstance(name, str) and name in names


def _last(name: str) -> str:
    """Name of a class without the package under which it is registered."""
    return name.rpartition(">")[2]


def _shown(value: Any) -> str:
    return repr(value)[:80] if isinstance(value, (str, int, float, type(None))) else type(value).__name__


def _check_graphs(data: Any) -> None:
    """Require of every functional model in a configuration that its layers form a finite graph."""
    waiting, count = [data], 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            config = item.get("config")
            if _is_one(item.get("class_name"), MODELS) and isinstance(config, dict) and "layers" in config:
                layers = config["layers"]
                count += len(layers) if isinstance(layers, list) else 1
                if count > _LAYERS:
                    raise ValueError(f"it has more than {_LAYERS} layers")
                if item["class_name"] != "Sequential":
                    _check_graph(layers)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


#: A layer's name and the number of one of its calls.
_Call = tuple[str, int]


def _check_graph(layers: Any) -> None:
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise ValueError("its layers are no list of objects")
    calls: dict[_Call, list[_Call]] = {}
    names: set[str] = set()
    for layer in layers:
        name, nodes = layer.get("name"), layer.get("inbound_nodes")
        if not isinstance(name, str) or not isinstance(nodes, list):
            raise ValueError(f"a layer {_shown(name)} has no name or no inbound_nodes")
        if name in names:
            raise ValueError(f"two layers are called {_shown(name)}")
        names.add(name)
        # An input is there without being called; any other layer that nobody calls gives nothing.
        for number, node in enumerate(nodes or ([[]] if layer.get("class_name") == "InputLayer" else [])):
            calls[name, number + _first_call(layer)] = list(_sources(node, name))
    for call, sources in calls.items():
        for source in sources:
            if source not in calls:
                raise ValueError(
                    f"layer {_shown(call[0])} is fed by {_shown(source[0])}, call {source[1]}, which is none"
                )
    _require_no_cycle(calls)


def _first_call(layer: dict[str, Any]) -> int:
    """Return the number of a layer's first call: a model that has its own input counts that as call 0."""
    config = layer.get("config")
    inner = config.get("layers") if isinstance(config, dict) else None
    if not _is_one(layer.get("class_name"), MODELS) or not isinstance(inner, list):
        return 0
    if layer["class_name"] != "Sequential":
        return 1
    first = inner[0] if inner and isinstance(inner[0], dict) else {}
    settings = first.get("config")
    shaped = isinstance(settings, dict) and "batch_input_shape" in settings
    return int(first.get("class_name") == "InputLayer" or shaped)


def _sources(node: Any, name: str) -> Iterator[_Call]:
    if not isinstance(node, list):
        raise ValueError(f"inbound_nodes of layer {_shown(name)} are of a form that is not known here")
    for source in node:
        types = [type(part) for part in source] if isinstance(source, list) else []
        if types not in ([str, int, int], [str, int, int, dict]):
            raise ValueError(f"inbound_nodes of layer {_shown(name)} are of a form that is not known here")
        if len(source) == 4 and not all(isinstance(value, (bool, type(None))) for value in source[3].values()):
            raise ValueError(f"layer {_shown(name)} is called with arguments, which are not read from a file")
        yield source[0], source[1]


def _require_no_cycle(calls: dict[_Call, list[_Call]]) -> None:
    """Take away, again and again, the calls that need no other; what is left depends on itself."""
    needed = {call: len(set(sources)) for call, sources in calls.items()}
    users: dict[_Call, list[_Call]] = {}
    for call, sources in calls.items():
        for source in set(sources):
            users.setdefault(source, []).append(call)
    free = [call for call, count in needed.items() if count == 0]
    done = 0
    while free:
        done += 1
        for user in users.get(free.pop(), ()):
            needed[user] -= 1
            if needed[user] == 0:
                free.append(user)
    if done < len(calls):
        name = min(_on_cycle(calls, {call for call, count in needed.items() if count}))
        raise ValueError(f"layer {name!r} depends on itself")


def _on_cycle(calls: dict[_Call, list[_Call]], left: set[_Call]) -> set[str]:
    """Names of the layers of a cycle: from any call that is left, sources lead into one."""
    seen: list[_Call] = []
    call = min(left)
    while call not in seen:
        seen.append(call)
        call = min(source for source in calls[call] if source in left)
    return {name for name, _ in seen[seen.index(call) :]}


def require_weights(file: Any, path: Path, place: str = "/model_weights/") -> int:
    """Require that all that an open file holds lies in it, is of bounded size, and real and finite in `place`.

    Returns
    -------
    int
        Bytes of all data sets.
    """
    total = 0
    for name, node in walk(file, path):
        for attribute in range(h5py.h5a.get_num_attrs(node)):
            _require_small_attribute(node, attribute, f"{path}: {name[:80]}")
        if not isinstance(node, h5py.h5d.DatasetID):
            continue
        total += math.prod(node.shape) * node.get_type().get_size()
        if total > WEIGHT_BYTES:
            raise DataError(f"{path}: its weights take more than {WEIGHT_BYTES >> 20} MiB")
        if name.startswith(place):
            _require_finite(node, name, name.removeprefix(place)[:80], path)
    return total


def _require_small_attribute(node: Any, number: int, name: str) -> None:
    try:
        attribute = h5py.h5a.open(node, index=number)
        size = attribute.get_space().get_simple_extent_npoints() * attribute.get_type().get_size()
    except ERRORS as error:
        raise DataError(f"{name}: an attribute cannot be read ({brief(error)}); fetch it again") from error
    if size > JSON_BYTES:
        raise DataError(f"{name}: an attribute takes {size:,} bytes")


def _require_finite(node: Any, name: str, tensor: str, path: Path) -> None:
    try:
        dtype = node.dtype
        values = np.empty(node.shape, dtype)
        if dtype.kind in "fiu":
            node.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    except ERRORS as error:
        raise DataError(f"{path}: {name[:80]!r} cannot be read ({brief(error)}); fetch it again") from error
    if dtype.kind not in "fiu":
        raise DataError(f"{path}: {name[:80]!r} holds {dtype}, not real numbers")
    require_finite(values, tensor, path)


def require_finite(values: Any, tensor: str, path: Path) -> None:
    """Require weights that are numbers.

    Raises
    ------
    DataError
        Some are infinite or none.
    """
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise DataError(
            f"{path}: {bad} of the {values.size} values of {tensor!r} are not finite; take the weights of another"
            " checkpoint, or train again"
        )
