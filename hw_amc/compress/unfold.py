"""Float layers that are several operations, or one in another guise: the plain layers that compute the same.

Each function gives what makes those layers, or None where a layer is plain already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.layers import ReverseTime
from hw_amc.compress.rebuild import Builder, Replace, config_of
from hw_amc.compress.walk import Call
from hw_amc.errors import UnsupportedLayer

K = keras.layers


def _refuse(call: Call, reason: str) -> UnsupportedLayer:
    return UnsupportedLayer(f"layer {call.name!r} ({call.kind}): {reason}")


def _separable(call: Call) -> Replace:
    """A separable convolution is a depthwise one, then one of size 1, with a rounding between."""

    def replace(builder: Builder, call: Call, x: Any) -> Any:
        old = call.layer
        depthwise, pointwise, *bias = old.get_weights()
        settings = {name: getattr(old, name) for name in ("strides", "padding", "dilation_rate", "depth_multiplier")}
        over_time = call.kind == "SeparableConv1D"
        if over_time:
            settings["padding"], x = _padded(builder, call, x)
        kind, point = (K.DepthwiseConv1D, K.Conv1D) if over_time else (K.DepthwiseConv2D, K.Conv2D)
        if over_time:
            settings |= {name: int(np.ravel(settings[name])[0]) for name in ("strides", "dilation_rate")}
        name = builder.free(f"{call.name}_depthwise")
        x = builder.put(kind(old.kernel_size, use_bias=False, name=name, **settings), x, [depthwise])
        last = point(old.filters, 1, use_bias=old.use_bias, activation=old.activation, name=call.name)
        return builder.put(last, x, [pointwise, *bias])

    return replace


def _padded(builder: Builder, call: Call, x: Any) -> tuple[str, Any]:
    """Padding of a convolution over time that knows no `causal`, and its input with the zeros of that."""
    old = call.layer
    if old.padding != "causal":
        return str(old.padding), x
    span = (old.kernel_size[0] - 1) * int(np.ravel(old.dilation_rate)[0])
    return "valid", K.ZeroPadding1D((span, 0), name=builder.free(f"{call.name}_zeros"))(x)


def _depthwise_over_time(call: Call) -> Replace:
    """QKeras has depthwise convolutions over images only: here over one of height 1."""

    def replace(builder: Builder, call: Call, x: Any) -> Any:
        old = call.layer
        kernel, *bias = old.get_weights()
        steps, channels = x.shape[1:]
        strides, dilation = (int(np.ravel(value)[0]) for value in (old.strides, old.dilation_rate))
        x = K.Reshape((1, steps, channels), name=builder.free(f"{call.name}_image"))(x)
        layer = K.DepthwiseConv2D(
            (1, old.kernel_size[0]), strides=(strides, strides), padding=old.padding, use_bias=old.use_bias,
            dilation_rate=(1, dilation), depth_multiplier=old.depth_multiplier, activation=old.activation,
            name=call.name,
        )  # fmt: skip
        x = builder.put(layer, x, [kernel[np.newaxis], *bias])
        return K.Reshape(x.shape[2:], name=builder.free(f"{call.name}_frame"))(x)

    return replace


def _grouped(call: Call) -> Replace | None:
    """A convolution in groups is one over all channels, with zeros between the groups."""
    groups = call.layer.groups
    if groups == 1:
        return None

    def replace(builder: Builder, call: Call, x: Any) -> Any:
        kernel, *bias = call.layer.get_weights()
        *window, inputs, outputs = kernel.shape
        whole = np.zeros((*window, groups * inputs, outputs), np.float32)
        for group, part in enumerate(np.split(kernel, groups, axis=-1)):
            columns = slice(group * outputs // groups, (group + 1) * outputs // groups)
            whole[..., group * inputs : (group + 1) * inputs, columns] = part
        layer = type(call.layer).from_config({**config_of(call.layer), "groups": 1})
        return builder.put(layer, x, [whole, *bias])

    return replace


def _distributed(call: Call) -> Replace:
    """A dense layer at every time step is one over the last axis."""
    inner = call.layer.layer
    if type(inner).__name__ != "Dense":
        raise _refuse(call, f"only a Dense can be at every time step, not {type(inner).__name__}")
    return lambda builder, call, x: builder.copy(inner, x, name=call.name)


def _recurrent(call: Call) -> Replace | None:
    """A recurrent layer gives all states, forwards: behind it the last is taken, before it time is turned around."""
    layer = call.layer
    if layer.return_state or layer.stateful:
        raise _refuse(call, "return_state and stateful are not supported: a state begins at zero in every frame")
    if layer.return_sequences and not layer.go_backwards:
        return None

    def replace(builder: Builder, call: Call, x: Any) -> Any:
        steps = x.shape[1]
        if layer.go_backwards:
            x = ReverseTime(name=builder.free(f"{call.name}_reversed"))(x)
        x = builder.copy(layer, x, go_backwards=False, return_sequences=True, unroll=False)
        if layer.return_sequences:
            return x
        x = K.Cropping1D((steps - 1, 0), name=builder.free(f"{call.name}_last"))(x)
        return K.Flatten(name=builder.free(f"{call.name}_state"))(x)

    return replace


#: How a bidirectional layer joins its halves.
_MERGES = {"concat": K.Concatenate, "sum": K.Add, "mul": K.Multiply}


def _bidirectional(call: Call) -> Replace:
    """Two recurrent layers, one of which reads the frame from its end; its states are turned around again."""
    wrapper = call.layer
    if wrapper.merge_mode not in _MERGES:
        raise _refuse(call, f"merge_mode {wrapper.merge_mode!r} has no exact form; take one of {', '.join(_MERGES)}")
    halves = wrapper.forward_layer, wrapper.backward_layer
    for half in halves:
        if type(half).__name__ not in ("GRU", "LSTM"):
            raise _refuse(call, f"only a GRU or an LSTM can be bidirectional, not {type(half).__name__}")

    def replace(builder: Builder, call: Call, x: Any) -> Any:
        forward, backward = halves
        first = builder.copy(forward, x, name=builder.free(f"{call.name}_forward"))
        second = builder.copy(backward, x, name=builder.free(f"{call.name}_backward"))
        if backward.return_sequences:
            second = ReverseTime(name=builder.free(f"{call.name}_in_order"))(second)
        return _MERGES[wrapper.merge_mode](name=call.name)([first, second])

    return replace


UNFOLDED: dict[str, Callable[[Call], Replace | None]] = {
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    "DepthwiseConv1D": _depthwise_over_time,
    **dict.fromkeys(("Conv1D", "Conv2D"), _grouped),
    "TimeDistributed": _distributed,
    **dict.fromkeys(("GRU", "LSTM"), _recurrent),
    "Bidirectional": _bidirectional,
}
