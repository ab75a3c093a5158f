"""hls4ml's readers of Keras layers, and ours beside them.

hls4ml reads a network layer by layer, and builds one of its own layers for each; our back ends then read the whole
network themselves (`adopt`). So here it is enough that hls4ml does not stop at a layer that it lacks. What it can read
stays its own, so that its back ends do not change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

Read = Callable[..., tuple[dict[str, Any], list[int | None]]]

#: Layers that do nothing at inference and that hls4ml does not know, beside those that our graph computes.
_OTHERS = (
    "QAffine", "QMeanPooling", "QTable", "ReverseTime",
    "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
)  # fmt: skip
_MARK = "hw_amc_reader"


#: What hls4ml imports when it has its own readers of Keras layers.
_NEXT = "hls4ml.converters.pytorch"


class _Watch(MetaPathFinder):
    """Finds no module: it waits until hls4ml has its own readers, which it admits only before ours."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == _NEXT:
            sys.meta_path.remove(self)
            install()


def install_in_turn() -> None:
    """Add our readers behind hls4ml's own, which are not there yet while it is being imported."""
    converters = sys.modules.get("hls4ml.converters")
    if getattr(getattr(converters, "__spec__", None), "_initializing", False):
        sys.meta_path.insert(0, _Watch())
    else:
        install()


def install() -> None:
    """Add our readers to hls4ml's table, once a process."""
    import hls4ml.converters  # noqa: F401
    from hls4ml.converters.keras_v2_to_hls import get_layer_handlers

    table = get_layer_handlers()
    for name, stock in list(table.items()):
        if not hasattr(stock, _MARK):
            table[name] = _ours_where_refused(stock)
    for name in _OTHERS:
        table.setdefault(name, _ours_where_refused(None))


def read_unknown(
    keras_layer: dict[str, Any], input_names: list[str], input_shapes: Any, data_reader: Any
) -> tuple[dict[str, Any], list[int | None]]:
    """Say no more of a layer than its name and shape (hls4ml's interface)."""
    name = keras_layer["config"]["name"]
    shape = list(data_reader.model.get_layer(name).output_shape)
    layer = {
        "name": name,
        "class_name": "HwAmcUnread",
        "keras_class": keras_layer["class_name"],
        "inputs": input_names,
        "output_shape": shape[1:],
    }
    return layer, shape


def _ours_where_refused(stock: Read | None) -> Read:
    """Wrap hls4ml's reader: a layer that it refuses - hard gates, more than two branches - becomes ours."""

    def read(
        keras_layer: dict[str, Any], input_names: list[str], input_shapes: Any, data_reader: Any
    ) -> tuple[dict[str, Any], list[int | None]]:
        refusal = "gates that are tables are not supported" if _has_tables(keras_layer) else ""
        if stock is not None and not refusal:
            try:
                return stock(keras_layer, input_names, input_shapes, data_reader)
            except Exception as error:  # hls4ml asserts, or raises Exception itself
                if not hasattr(data_reader, "model"):  # it reads files of weights, which our back ends do not take
                    raise
                refusal = str(error) or type(error).__name__
        layer, shape = read_unknown(keras_layer, input_names, input_shapes, data_reader)
        return {**layer, "refusal": refusal}, shape

    setattr(read, _MARK, True)
    return read


def _has_tables(keras_layer: dict[str, Any]) -> bool:
    """Whether a recurrent layer's gates or its candidate are a table of ours, which hls4ml cannot read."""
    activations = (keras_layer["config"].get(key) for key in ("activation", "recurrent_activation"))
    names = (str(each.get("class_name", "")) for each in activations if isinstance(each, dict))
    return any(name.rpartition(">")[2] == "TableActivation" for name in names)
