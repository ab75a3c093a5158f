"""The deployed form of the networks: QKeras layers that fixed point represents exactly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.formats import Formats, affine_bias, merge
from hw_amc.compress.layers import QAffine, qkeras
from hw_amc.compress.means import QMeanPooling
from hw_amc.compress.tables import QTable
from hw_amc.errors import DataError
from hw_amc.files import atomic_path
from hw_amc.models.specs import CONV_FILTERS, CONV_WIDTH, INPUTS, GruCnnSpec


def signed(bits: int, integer: int) -> str:
    """QKeras' name of a signed power-of-two format: range -2^integer .. 2^integer - step, half to even."""
    return f"quantized_bits({bits},{integer},0,alpha=1)"


def unsigned(bits: int, integer: int) -> str:
    """QKeras' name of a ReLU onto an unsigned format."""
    return f"quantized_relu({bits},{integer})"


def affine_layer(name: str, formats: Formats, input_frac: int) -> Any:
    """`QAffine` whose bias has the precision of its product; `input_frac` are its input's fraction bits."""
    layer = formats[name]
    scale = signed(layer["scale_bits"], layer["scale_int"])
    return QAffine(scale, signed(*affine_bias(layer, input_frac)), name=name)


def _convolution(name: str, filters: int, formats: Formats) -> Any:
    layer = formats[name]
    return qkeras.QConv1D(
        filters,
        CONV_WIDTH,
        padding="same",
        kernel_quantizer=signed(layer["kernel_bits"], layer["kernel_int"]),
        bias_quantizer=signed(layer["bias_bits"], layer["bias_int"]),
        name=name,
    )


def relu_layer(name: str, formats: Formats) -> Any:
    """Quantised ReLU of a layer's format."""
    return qkeras.QActivation(unsigned(formats[name]["bits"], formats[name]["int"]), name=name)


def front_layers(spec: GruCnnSpec, formats: Formats) -> list[Any]:
    """QGRU, the state quantiser behind it (QGRU itself returns the unrounded blend), affine and ReLU."""
    gru = formats["gru"]
    state = signed(gru["state_bits"], 0)
    layer = qkeras.QGRU(
        spec.cells,
        kernel_quantizer=signed(gru["kernel_bits"], gru["kernel_int"]),
        recurrent_quantizer=signed(gru["recurrent_bits"], gru["recurrent_int"]),
        bias_quantizer=signed(gru["bias_bits"], gru["bias_int"]),
        state_quantizer=state,
        activation=f"quantized_tanh({gru['candidate_bits']})",
        recurrent_activation=f"quantized_sigmoid({gru['gate_bits']})",
        return_sequences=True,
        reset_after=True,
        name="gru",
    )
    affine = affine_layer("gru_affine", formats, gru["state_bits"] - 1)
    return [layer, qkeras.QActivation(state, name="gru_quant"), affine, relu_layer("gru_relu", formats)]


def build_deployed(
    spec: GruCnnSpec,
    formats: Mapping[str, Mapping[str, int]] | None = None,
    frame_len: int | None = 0,
    front: Any = front_layers,
) -> Any:
    """Build the deployed network with untrained weights.

    Parameters
    ----------
    spec : the network
    formats : changes to `formats.DEFAULT_FORMATS`, by layer and field
    frame_len : samples a frame; 0 takes the network's own, None any length
    front : makes the layers up to `gru_relu` from (spec, formats); training puts their fast twins here

    Returns
    -------
    keras.Model, (n, T, 2) values raw / 2^wire_frac -> logits (n, classes).

    Raises
    ------
    ConfigError
        `formats` names an unknown layer or field, or a width out of range.
    """
    full = merge(formats)
    inputs = keras.Input((spec.frame_len if frame_len == 0 else frame_len, INPUTS), name="frames")
    gap = full["gap_quant"]
    layers = [
        qkeras.QActivation(signed(full["input_quant"]["bits"], full["input_quant"]["int"]), name="input_quant"),
        *front(spec, full),
        _convolution("conv1", CONV_FILTERS, full),
        relu_layer("conv1_relu", full),
        keras.layers.AveragePooling1D(2, name="pool"),
        _convolution("conv2", spec.classes, full),
        relu_layer("conv2_relu", full),
        keras.layers.GlobalAveragePooling1D(name="gap"),
        qkeras.QActivation(signed(gap["bits"], gap["int"]), name="gap_quant"),
        affine_layer("head", full, gap["bits"] - 1 - gap["int"]),
    ]
    x = inputs
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name=spec.name)


_LINEAR = ("kernel_quantizer_internal", "bias_quantizer_internal")
_RECURRENT = ("kernel_quantizer_internal", "recurrent_quantizer_internal", "bias_quantizer_internal")

#: Every layer with weights that the frontend admits: where it has their quantisers, in the order of the weights.
_QUANTISERS = {
    "QGRU": _RECURRENT,
    "QLSTM": _RECURRENT,
    "QConv1D": _LINEAR,
    "QConv2D": _LINEAR,
    "QDense": _LINEAR,
    "QAffine": ("scale_quantizer", "bias_quantizer"),
}


def _weights(layer: Any) -> list[tuple[Any, Any]]:
    """A quantised layer's weights, each with its quantiser (None where it has none); nothing for another layer."""
    owner = getattr(layer, "cell", layer)
    quantisers = [getattr(owner, name) for name in _QUANTISERS.get(type(layer).__name__, ())]
    return list(zip(layer.get_weights(), quantisers, strict=False))  # a layer without bias has one weight less


def quantised_weights(layer: Any) -> list[Any]:
    """Return a quantised layer's weights as its quantisers round them, in the order of `get_weights`."""
    return [weight if quantiser is None else np.asarray(quantiser(weight)) for weight, quantiser in _weights(layer)]


def clipped_weights(model: Any) -> dict[str, int]:
    """Count the weights of every layer that lie outside their format and will be clipped."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        for weight, quantiser in _weights(layer):
            if quantiser is not None:
                top = 2.0 ** int(quantiser.integer)
                step = top * 2.0 ** (1 - int(quantiser.bits))
                outside = int(((weight < -top - step / 2) | (weight > top - step / 2)).sum())
                counts[layer.name] = counts.get(layer.name, 0) + outside
    return counts


def round_weights(model: Any) -> None:
    """Replace every weight by its quantised value, so that a saved file says exactly what is deployed."""
    for layer in filter(_weights, model.layers):
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
    DataError
        The file is missing or is not such a model.
    """
    if not Path(path).is_file():
        raise DataError(f"{path} does not exist; train the model or fetch its weights")
    try:
        return keras.models.load_model(path, custom_objects=custom_objects(), compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a deployed model: {str(error).splitlines()[0]}") from error


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
    objects: dict[str, Any] = {"QAffine": QAffine, "QMeanPooling": QMeanPooling, "QTable": QTable}
    qkeras.utils._add_supported_quantized_objects(objects)
    return objects


def _pair(quantiser: Any, prefix: str = "") -> dict[str, int]:
    return {f"{prefix}bits": int(quantiser.bits), f"{prefix}int": int(quantiser.integer)}


def formats_of(model: Any) -> Formats:
    """Read a deployed network's formats back from its quantisers."""
    gru = model.get_layer("gru").cell
    found: Formats = {
        "gru": {
            **_pair(gru.kernel_quantizer_internal, "kernel_"),
            **_pair(gru.recurrent_quantizer_internal, "recurrent_"),
            **_pair(gru.bias_quantizer_internal, "bias_"),
            "gate_bits": int(gru.recurrent_activation.bits),
            "candidate_bits": int(gru.activation.bits),
            "state_bits": int(gru.state_quantizer_internal.bits),
        }
    }
    for layer in model.layers:
        if type(layer).__name__ == "QActivation" and layer.name != "gru_quant":
            found[layer.name] = _pair(layer.quantizer)
        elif type(layer).__name__ == "QAffine":
            bias_int = int(layer.bias_quantizer.integer)
            found[layer.name] = {**_pair(layer.scale_quantizer, "scale_"), "bias_int": bias_int}
        elif type(layer).__name__ == "QConv1D":
            kernel, bias = layer.kernel_quantizer_internal, layer.bias_quantizer_internal
            found[layer.name] = {**_pair(kernel, "kernel_"), **_pair(bias, "bias_")}
    return merge(found)


def rebuild(model: Any, front: Any = front_layers) -> Any:
    """Build a deployed network anew with the same weights and formats, for frames of any length.

    Parameters
    ----------
    model : from `build_deployed` or `load_deployed`
    front : as in `build_deployed`
    """
    filters = model.get_layer("conv2").filters
    spec = GruCnnSpec(model.name, model.get_layer("gru").units, classes=filters)
    copy = build_deployed(spec, formats_of(model), None, front)
    copy.set_weights(model.get_weights())
    return copy
