"""Activations inside layers become layers of their own, so that every tensor of a float model has a name."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from hw_amc.compress.activations import LINEAR, RELU, find_line, is_softmax
from hw_amc.compress.walk import Call, walk

#: Layers that may have an activation of their own, beside recurrent ones, whose activations are inside the recurrence.
FUSED = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")


def split_activations(model: Any) -> Any:
    """Give each activation inside a layer a layer behind it, `<layer>_relu`, `<layer>_softmax` or `<layer>_activation`.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional.

    Returns
    -------
    keras.Model
        With copies of the weights; the model itself where it has no such layer.

    Raises
    ------
    UnsupportedLayer
        As `walk`.
    """
    calls = walk(model)
    if not any(_has_activation(call) for call in calls):
        return model
    tensors: dict[str, Any] = {}
    copies: list[tuple[Any, Any]] = []
    inputs = None
    for call in calls:
        if not call.inputs:
            inputs = tensors[call.name] = keras.Input(call.layer.output_shape[0][1:], name=call.name)
            continue
        fused = _has_activation(call)
        layer = type(call.layer).from_config({**config_of(call.layer), **({"activation": "linear"} if fused else {})})
        fed = [tensors[name] for name in call.inputs]
        tensors[call.name] = layer(fed if len(fed) > 1 else fed[0])
        copies.append((layer, call.layer))
        if fused:
            function = call.layer.activation
            name = f"{call.name}_{_ending(function)}"
            tensors[call.name] = keras.layers.Activation(function, name=name)(tensors[call.name])
    outputs = [tensors[name] for name in model.output_names]
    split = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)
    for layer, old in copies:
        layer.set_weights(old.get_weights())
    return split


def config_of(layer: Any) -> dict[str, Any]:
    """Configuration of a layer with its functions as they are: a user's own need no name."""
    functions = {name: getattr(layer, name, None) for name in ("activation", "recurrent_activation")}
    return {**layer.get_config(), **{name: function for name, function in functions.items() if function is not None}}


def _has_activation(call: Call) -> bool:
    if call.kind not in FUSED:
        return False
    function = call.layer.activation
    return function is not None and (is_softmax(function) or find_line(function) != LINEAR)


def _ending(function: Any) -> str:
    if is_softmax(function):
        return "softmax"
    return "relu" if find_line(function) == RELU else "activation"
