"""Reading a float Keras model into a plan, layer by layer and by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hw_amc.compress.activations import find_line, is_elementwise, is_softmax
from hw_amc.compress.plan import Clip, Copy, Frames, Linear, Norm, Plan, Recurrent, Step, Tabulate
from hw_amc.compress.unfold import UNFOLDED
from hw_amc.compress.walk import Call, walk
from hw_amc.errors import UnsupportedLayer


def read_float(model: Any) -> Plan:
    """Read a float model: its layers without those that only training has, and without the softmax of a head.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional, with one input (T, channels), from `split_layers`.

    Raises
    ------
    UnsupportedLayer
        A layer or an activation that has no exact form, with the way out.
    """
    plan = Plan(model.name, {}, [], model)
    given: dict[str, str] = {}  # a float layer -> the step that has its output
    for call in walk(model):
        sources = tuple(given[name] for name in call.inputs)
        steps = _read(call, sources)
        plan.steps.update({step.name: step for step in steps})
        given[call.name] = steps[-1].name if steps else sources[0]
    plan.outputs = [given[name] for name in model.output_names]
    _drop_softmax(plan)
    return plan


def _read(call: Call, sources: tuple[str, ...]) -> list[Step]:
    if call.kind in TRAINING_ONLY:
        return []
    if call.kind not in _READERS:
        if call.kind.startswith("Q"):
            raise UnsupportedLayer(
                f"layer {call.name!r} ({call.kind}) is quantised already; a model made of such layers needs no deploy"
                " pass: save it as weights.h5 as it is"
            )
        known = ", ".join(sorted({*_READERS, *TRAINING_ONLY, *UNFOLDED} - {"InputLayer", "ReverseTime"}))
        raise UnsupportedLayer(f"layer {call.name!r} ({call.kind}) has no exact form; known: {known}")
    return _READERS[call.kind](call, sources)


def _frames(call: Call, sources: tuple[str, ...]) -> list[Step]:
    shape = call.layer.output_shape[0][1:]
    if len(shape) != 2 or None in shape:
        raise UnsupportedLayer(f"the model's input must be (samples, 2), of a fixed number of samples, not {shape}")
    return [Frames(call.name, (), call.name, call.layer)]


def _copy(call: Call, sources: tuple[str, ...]) -> list[Step]:
    return [Copy(call.name, sources, call.name, call.layer)]


def _linear(call: Call, sources: tuple[str, ...]) -> list[Step]:
    layer = call.layer
    kernel, *bias = (np.asarray(weight, np.float32) for weight in layer.get_weights())
    outputs = int(layer.output_shape[-1])
    zeros = np.zeros(outputs, np.float32)
    return [Linear(call.name, sources, call.name, layer, kernel, bias[0] if bias else zeros)]


def _norm(call: Call, sources: tuple[str, ...]) -> list[Step]:
    layer = call.layer
    if list(layer.axis) != [len(layer.input_shape) - 1]:
        raise UnsupportedLayer(f"layer {call.name!r} ({call.kind}): only the last axis can be normalised")
    mean, variance = (np.asarray(w, np.float64) for w in (layer.moving_mean, layer.moving_variance))
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else np.ones_like(mean)
    beta = np.asarray(layer.beta, np.float64) if layer.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + layer.epsilon)
    shift = beta - mean * scale
    return [Norm(call.name, sources, call.name, layer, scale.astype(np.float32), shift.astype(np.float32))]


def _recurrent(call: Call, sources: tuple[str, ...]) -> list[Step]:
    layer = call.layer
    weights = layer.get_weights()
    if not layer.use_bias:
        columns = weights[0].shape[-1]
        weights.append(np.zeros((2, columns) if getattr(layer, "reset_after", False) else columns, np.float32))
    return [Recurrent(call.name, sources, call.name, layer, weights)]


def _activation(call: Call, sources: tuple[str, ...]) -> list[Step]:
    function = getattr(call.layer, "activation", None) or call.layer.call
    if is_softmax(function):
        return _copy(call, sources)
    line = find_line(function)
    if line is not None:
        return [Clip(call.name, sources, call.name, call.layer, line)]
    if not is_elementwise(function):
        raise UnsupportedLayer(f"layer {call.name!r} ({call.kind}): its activation is no function of one variable")
    return [Tabulate(call.name, sources, call.name, call.layer)]


def _is_softmax(step: Copy) -> bool:
    return step.kind in ("Softmax", "Activation")


def _drop_softmax(plan: Plan) -> None:
    """Leave the softmax at the end of each head to the host."""
    for step in plan.of(Copy):
        if _is_softmax(step):
            if plan.consumers(step.name):
                raise UnsupportedLayer(f"layer {step.name!r}: a softmax is exact nowhere but at the end of a head")
            plan.bypass(step.name)


#: Layers that do nothing at inference.
TRAINING_ONLY = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
    "ActivityRegularization",
)  # fmt: skip

_READERS: dict[str, Callable[[Call, tuple[str, ...]], list[Step]]] = {
    "InputLayer": _frames,
    **dict.fromkeys(("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense"), _linear),
    "BatchNormalization": _norm,
    **dict.fromkeys(("GRU", "LSTM"), _recurrent),
    **dict.fromkeys(("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Activation"), _activation),
    **dict.fromkeys(
        (
            "Add", "Subtract", "Multiply", "Concatenate", "Permute", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D",
            "Cropping2D", "AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D", "Reshape", "Flatten",
            "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Softmax",
            "ReverseTime",
        ),
        _copy,
    ),
}  # fmt: skip
