"""A user's QKeras model in the form that the graph has: the same function, said with fewer kinds of layers.

What a quantiser of weights makes of the trained ones is a constant. Where all values are multiples of a power of two,
whatever the quantiser - scales by channel, ternary, powers of two, symmetric - a plain quantiser holds the same values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.build import signed
from hw_amc.compress.deployed import custom_objects, weights_of_layer
from hw_amc.compress.known_classes import QUANTISERS
from hw_amc.compress.layers import ReverseTime, qkeras
from hw_amc.compress.plan import Floats
from hw_amc.compress.rebuild import Builder, Replace, config_of, rebuild
from hw_amc.compress.walk import Call, consumers, walk
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.reader import format_of

K = keras.layers

#: Layers with weights -> the settings that name their quantisers, in the order of the weights.
_LINEAR = ("kernel_quantizer", "bias_quantizer")
_RECURRENT = ("kernel_quantizer", "recurrent_quantizer", "bias_quantizer")
_SETTINGS = {
    **dict.fromkeys(("QDense", "QConv1D", "QConv2D"), _LINEAR),
    "QDepthwiseConv2D": ("depthwise_quantizer", "bias_quantizer"),
    **dict.fromkeys(("QGRU", "QLSTM"), _RECURRENT),
}
#: Most bits of a weight, and most fraction bits that are looked for.
_BITS, _FRACTION = 24, 31
#: A bias of zeros in steps of 1, which no product is coarser than.
_NO_BIAS = signed(8, 7)


def plain(model: Any) -> Any:
    """Write a quantised model in plain layers; the model itself where it is written so.

    A bias of zeros for `use_bias=False`, activations behind layers, the last state and the backward half of recurrent
    layers, and weights under plain quantisers.

    Raises
    ------
    UnsupportedLayer
        A quantiser's values have no common power of two, by name, with the nearest that have.
    """
    followers = consumers(walk(model))

    def replacement_of(call: Call) -> Replace | None:
        return _replacement(call, followers[call.name])

    with keras.utils.custom_object_scope(custom_objects()):
        if not any(replacement_of(call) for call in walk(model)):
            return model
        return rebuild(model, replacement_of)


def _replacement(call: Call, followers: list[Call]) -> Replace | None:
    if call.kind not in _SETTINGS:
        return None
    changes, weights = _changes(call.layer)
    recurrent = call.kind in ("QGRU", "QLSTM")
    turned = recurrent and (call.layer.go_backwards or not call.layer.return_sequences)
    activation = None if recurrent else _inner_quantiser(call.layer)
    if not (changes or turned or activation is not None):
        return None

    def replace(builder: Builder, call: Call, x: Any) -> Any:
        layer = call.layer
        if turned:
            _require_rounded(layer, followers)
            return _all_states(builder, layer, x, changes, weights)
        idle = {} if activation is None else {"activation": None}
        x = builder.put(type(layer).from_config({**config_of(layer), **changes, **idle}), x, weights)
        if activation is None:
            return x
        return qkeras.QActivation(activation, name=builder.free(f"{call.name}_activation"))(x)

    return replace


def _inner_quantiser(layer: Any) -> Any:
    """Quantiser that a layer has as its activation, None where it has none or another function."""
    function = layer.activation
    return function if type(function).__name__ in QUANTISERS else None


def _all_states(builder: Builder, layer: Any, x: Any, changes: dict[str, Any], weights: list[Floats]) -> Any:
    """All states, rounded as the layer behind rounds them, then the last one."""
    name, steps = layer.name, x.shape[1]
    if layer.go_backwards:
        x = ReverseTime(name=builder.free(f"{name}_reversed"))(x)
    settings = {**config_of(layer), **changes, "go_backwards": False, "return_sequences": True, "unroll": False}
    x = builder.put(type(layer).from_config(settings), x, weights)
    x = qkeras.QActivation(layer.cell.state_quantizer_internal, name=builder.free(f"{name}_quant"))(x)
    if layer.return_sequences:
        return x
    x = K.Cropping1D((steps - 1, 0), name=builder.free(f"{name}_last"))(x)
    return K.Flatten(name=builder.free(f"{name}_state"))(x)


def _require_rounded(layer: Any, followers: list[Call]) -> None:
    """Require that all that take a state round it to the state's format: QKeras hands it out before it is rounded."""
    state = format_of(layer.cell.state_quantizer_internal, layer)
    rounds = [call.kind == "QActivation" and format_of(call.layer.quantizer, call.layer) == state for call in followers]
    if not rounds or not all(rounds):
        raise UnsupportedLayer(
            f"layer {layer.name!r}: put a QActivation with its state quantiser ({state}) right behind it"
        )


def _changes(layer: Any) -> tuple[dict[str, Any], list[Floats]]:
    """Settings of a layer's plain form that differ from its own, and its weights; nothing where it is plain."""
    changes: dict[str, Any] = {}
    weights: list[Floats] = []
    for setting, (weight, quantiser) in zip(_SETTINGS[type(layer).__name__], weights_of_layer(layer), strict=False):
        if quantiser is None or _is_plain(quantiser, layer):
            weights.append(weight)
            continue
        name, values = _constant(np.asarray(quantiser(weight), np.float32), quantiser, layer)
        changes[setting] = name
        weights.append(values)
    if not layer.use_bias:
        outputs = (2, weights[0].shape[-1]) if getattr(layer, "reset_after", False) else _outputs(layer, weights)
        changes |= {"use_bias": True, "bias_quantizer": _NO_BIAS}
        weights.append(np.zeros(outputs, np.float32))
    return changes, weights


def _outputs(layer: Any, weights: list[Floats]) -> int:
    """Number of a layer's biases: one for each output; of a depthwise kernel the last two axes are outputs."""
    kernel = weights[0].shape
    return int(np.prod(kernel[-2:])) if type(layer).__name__ == "QDepthwiseConv2D" else int(kernel[-1])


def _is_plain(quantiser: Any, layer: Any) -> bool:
    try:
        format_of(quantiser, layer)
    except UnsupportedLayer:
        return False
    return type(quantiser).__name__ == "quantized_bits"


def _constant(values: Floats, quantiser: Any, layer: Any) -> tuple[str, Floats]:
    """Find the plain quantiser that holds all values of another one."""
    kind, wide = type(quantiser).__name__, values.astype(np.float64)
    if kind.startswith(("stochastic", "bernoulli")) or getattr(quantiser, "use_stochastic_rounding", False):
        raise UnsupportedLayer(f"layer {layer.name!r}: {kind} is drawn anew each time; take ternary or binary")
    for frac in range(_FRACTION + 1):
        raw = np.ldexp(wide, frac)
        if (raw == np.rint(raw)).all():
            bits = max(int(np.abs(raw).max()).bit_length() + 1, frac + 1, 2)
            if bits > _BITS:
                break
            return signed(bits, bits - 1 - frac), values
    raise UnsupportedLayer(
        f"layer {layer.name!r}: the values of its {kind} are no multiples of one power of two within {_BITS} bits;"
        " take quantized_bits with alpha=1 or alpha='auto_po2'"
    )
