"""What a float layer does beside its one operation becomes layers of its own, so that every tensor has a name."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from hw_amc.compress.activations import LINEAR, RELU, find_line, is_softmax
from hw_amc.compress.rebuild import Builder, Replace, rebuild
from hw_amc.compress.unfold import UNFOLDED
from hw_amc.compress.walk import Call, walk

#: Layers that may have an activation of their own, beside recurrent ones, whose activations are inside the recurrence.
FUSED = ("Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "Dense")


def split_layers(model: Any) -> Any:
    """Give each activation inside a layer a layer behind it, and unfold layers that are several.

    An activation is called `<layer>_relu`, `<layer>_softmax` or `<layer>_activation`.

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
        As `walk`; a layer of several that has no exact form.
    """
    split = model
    # A layer that is several may hold another one.
    while any(_replacement(call) for call in walk(split)):
        split = rebuild(split, _replacement)
    return split


def _replacement(call: Call) -> Replace | None:
    if has_activation(call):
        return _split
    return UNFOLDED[call.kind](call) if call.kind in UNFOLDED else None


def _split(builder: Builder, call: Call, x: Any) -> Any:
    function = call.layer.activation
    name = builder.free(f"{call.name}_{_ending(function)}")
    return keras.layers.Activation(function, name=name)(builder.copy(call.layer, x, activation="linear"))


def has_activation(call: Call) -> bool:
    """Whether a float layer has an activation inside that does something."""
    if call.kind not in FUSED:
        return False
    function = call.layer.activation
    return function is not None and (is_softmax(function) or find_line(function) != LINEAR)


def _ending(function: Any) -> str:
    if is_softmax(function):
        return "softmax"
    return "relu" if find_line(function) == RELU else "activation"
