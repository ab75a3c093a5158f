"""Deployed models: their weights as the quantisers round them, saving, loading, float64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.layers import QAffine, ReverseTime, qkeras
from hw_amc.compress.means import QMeanPooling
from hw_amc.compress.safe_h5 import require_safe
from hw_amc.compress.tables import QTable, TableActivation
from hw_amc.errors import DataError, HwAmcError, let_interrupt_through
from hw_amc.files import atomic_path
from hw_amc.graph.reader import format_of
from hw_amc.untrusted import brief

#: What layers make beside their weights: seeds, counters.
_SLACK_BYTES = 1 << 20

_LINEAR = ("kernel_quantizer_internal", "bias_quantizer_internal")
_RECURRENT = ("kernel_quantizer_internal", "recurrent_quantizer_internal", "bias_quantizer_internal")

#: Every layer with weights that the frontend admits: where it has their quantisers, in the order of the weights.
_QUANTISERS = {
    "QGRU": _RECURRENT,
    "QLSTM": _RECURRENT,
    "QConv1D": _LINEAR,
    "QConv2D": _LINEAR,
    "QDense": _LINEAR,
    "QDepthwiseConv2D": ("depthwise_quantizer_internal", "bias_quantizer_internal"),
    "QAffine": ("scale_quantizer", "bias_quantizer"),
    "QTable": ("output_quantizer",),
}


def weights_of_layer(layer: Any) -> list[tuple[Any, Any]]:
    """A quantised layer's weights, each with its quantiser (None where it has none); nothing for another layer."""
    owner = getattr(layer, "cell", layer)
    quantisers = [getattr(owner, name) for name in _QUANTISERS.get(type(layer).__name__, ())]
    return list(zip(layer.get_weights(), quantisers, strict=False))  # a layer without bias has one weight less


def quantised_weights(layer: Any) -> list[Any]:
    """Return a quantised layer's weights as its quantisers round them, in the order of `get_weights`."""
    return [
        weight if quantiser is None else np.asarray(quantiser(weight)) for weight, quantiser in weights_of_layer(layer)
    ]


def clipped_weights(model: Any) -> dict[str, int]:
    """Count the weights of every layer that lie outside their format and will be clipped."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        for weight, quantiser in weights_of_layer(layer):
            if quantiser is not None:
                fmt = format_of(quantiser, layer)
                raw = np.ldexp(weight, fmt.frac)
                outside = int(((raw < fmt.min_raw - 0.5) | (raw > fmt.max_raw + 0.5)).sum())
                counts[layer.name] = counts.get(layer.name, 0) + outside
    return counts


def round_weights(model: Any) -> None:
    """Replace every weight by its quantised value, so that a saved file says exactly what is deployed."""
    for layer in filter(weights_of_layer, model.layers):
        # Twice: QKeras' x + (q(x) - x) may be off by one float32 step for a clipped x, but not for a grid value.
        for _ in range(2):
            layer.set_weights(quantised_weights(layer))


def save_deployed(model: Any, path: Path) -> None:
    """Round the weights and save the whole model (HDF5), atomically."""
    round_weights(model)
    with atomic_path(path) as temporary:
        model.save(temporary, save_format="h5", include_optimizer=False)


def load_deployed(path: Path) -> Any:
    """Load a model that `save_deployed` wrote.

    Raises
    ------
    UnsupportedLayer
        It holds a layer that is not known here, which is not loaded.
    DataError
        The file is missing or is not such a model.
    """
    if not Path(path).exists():
        raise DataError(f"{path} does not exist; train the model or fetch its weights")
    most = require_safe(path)
    try:
        with variables_of(most, path):
            return keras.models.load_model(path, custom_objects=custom_objects(), compile=False)
    except HwAmcError:
        raise
    except Exception as error:  # what Keras raises on a file that fits no layer is not written down anywhere
        let_interrupt_through(error)
        raise DataError(f"{path} is not a deployed model: {brief(error)}") from error


@contextmanager
def variables_of(size: int, path: Path) -> Iterator[None]:
    """Allow variables of `size` bytes in all: those whose values a file holds, and no more."""
    left = size + _SLACK_BYTES

    def create(make: Any, **arguments: Any) -> Any:
        nonlocal left
        shape = arguments.get("shape")
        left -= 4 * math.prod(shape) if shape is not None and shape.is_fully_defined() else 0
        if left < 0:
            raise DataError(f"{path}: its layers need more weights than the file holds; take the file of this model")
        return make(**arguments)

    with tf.variable_creator_scope(create):
        yield


def to_float64(model: Any) -> Any:
    """Rebuild a deployed model with float64 arithmetic, for weights whose sums float32 would round.

    Call it, and the model that it returns, under `keras.backend.set_floatx("float64")`.
    """
    with keras.utils.custom_object_scope(custom_objects()):
        wide = keras.models.clone_model(
            model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float64"})
        )
    wide.set_weights(model.get_weights())
    return wide


def custom_objects() -> dict[str, Any]:
    """Classes that Keras needs to make a deployed model's layers from their configurations, by name."""
    ours = (QAffine, QMeanPooling, QTable, ReverseTime, TableActivation)
    objects: dict[str, Any] = {kind.__name__: kind for kind in ours}
    qkeras.utils._add_supported_quantized_objects(objects)
    return objects
