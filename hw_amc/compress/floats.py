"""Reading a float Keras model into a plan, layer by layer and by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hw_amc.compress.activations import LINEAR, RELU, Line, find_line, is_softmax
from hw_amc.compress.plan import Clip, Copy, Floats, Frames, Linear, Norm, Plan, Recurrent, Step
from hw_amc.compress.walk import Call, walk
from hw_amc.errors import UnsupportedLayer

#: What an activation may be.
EXACT = "use relu, or hw_amc.models.hard_tanh or hard_sigmoid, and train with it"


def read_float(model: Any) -> Plan:
    """Read a float model: its layers without those that only training has, and without the softmax of a head.

    An activation inside a layer becomes a step of its own behind it, named after the layer.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional, with one input (T, channels).

    Raises
    ------
    UnsupportedLayer
        A layer or an activation that has no exact form, with the way out.
    """
    plan = Plan(model.name, {}, [])
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
        known = ", ".join(sorted({*_READERS, *TRAINING_ONLY} - {"InputLayer"}))
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
    step = Linear(call.name, sources, call.name, layer, kernel, bias[0] if bias else _zeros(kernel))
    if getattr(layer, "groups", 1) != 1:
        raise UnsupportedLayer(f"layer {call.name!r} ({call.kind}): groups must be 1")
    return [step, *_activation(step, layer.activation)]


def _zeros(kernel: Floats) -> Floats:
    return np.zeros(kernel.shape[-1], np.float32)


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
    if not layer.use_bias:
        raise UnsupportedLayer(f"layer {call.name!r} ({call.kind}): use_bias must be True")
    return [Recurrent(call.name, sources, call.name, layer, layer.get_weights())]


def _relu(call: Call, sources: tuple[str, ...]) -> list[Step]:
    return [_clip(call.name, call.name, sources, find_line(call.layer.call))]


def _activation_layer(call: Call, sources: tuple[str, ...]) -> list[Step]:
    if is_softmax(call.layer.activation):
        return _copy(call, sources)
    return [_clip(call.name, call.name, sources, find_line(call.layer.activation))]


def _activation(step: Linear, function: Any) -> list[Step]:
    """Read the activation inside a layer as a step behind it, which then gives what the float layer gives."""
    if is_softmax(function):
        return [Copy(f"{step.name}_softmax", (step.name,), "", None)]
    line = LINEAR if function is None else find_line(function)
    if line == LINEAR:
        return []
    step.source = ""
    kind = "relu" if line == RELU else "activation"
    return [_clip(f"{step.name}_{kind}", step.name, (step.name,), line)]


def _clip(name: str, source: str, sources: tuple[str, ...], line: Line | None) -> Clip:
    if line is None:
        raise UnsupportedLayer(f"layer {source!r}: its activation is no straight line between two limits; {EXACT}")
    return Clip(name, sources, source, None, line)


def _is_softmax(step: Step) -> bool:
    if not isinstance(step, Copy):
        return False
    return step.layer is None or type(step.layer).__name__ in ("Softmax", "Activation")


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
    **dict.fromkeys(("Conv1D", "Conv2D", "Dense"), _linear),
    "BatchNormalization": _norm,
    **dict.fromkeys(("GRU", "LSTM"), _recurrent),
    "ReLU": _relu,
    "Activation": _activation_layer,
    **dict.fromkeys(
        (
            "Add", "AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D", "GlobalAveragePooling1D",
            "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Reshape", "Flatten", "Softmax",
        ),
        _copy,
    ),
}  # fmt: skip
