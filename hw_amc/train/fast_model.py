"""`FastModel`: a Keras model as one function on the C++ kernels, with the model's own weights.

Layers are found by type: hard-gated GRUs, batch normalisations and quantised affines before a ReLU run on this
project's kernels, all others as Keras has them. The model itself is not changed, and frames may have another length
than its input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from hw_amc.compress.activations import RELU, find_line, is_softmax
from hw_amc.compress.calibrate import BATCH
from hw_amc.compress.walk import Call, consumers, walk
from hw_amc.train import kernel
from hw_amc.train.fast_affine import FastAffineRelu, FastNormRelu
from hw_amc.train.fast_gru import FastGru, is_fast

Floats = np.ndarray[Any, np.dtype[np.float32]]
#: From the inputs of a layer, and whether it is training, to its output.
Function = Callable[[Sequence[Any], bool], Any]


@dataclass(frozen=True)
class _Stage:
    """One layer, or two that run as one: the layer whose output it gives, those that feed it, and what it computes."""

    name: str
    inputs: tuple[str, ...]
    function: Function


class FastModel:
    """A float or deployed model as a function: (n, T, channels) -> the logits of every head.

    Parameters
    ----------
    model : keras.Model
        A softmax at the end of a head is left out.
    keep : layers whose outputs `tensors` will be asked for
    """

    def __init__(self, model: Any, keep: Collection[str] = ()) -> None:
        self.model = model
        calls = walk(model)
        self._following = consumers(calls)
        self._kept = {*keep, *model.output_names}
        self._input = calls[0].name
        self._stages: list[_Stage] = []
        reached = _reached_by_gradients(calls)
        fused: set[str] = set()
        for call in calls[1:]:
            if call.name not in fused:
                stage = self._stage(call, reached)
                self._stages.append(stage)
                fused.add(stage.name)

    def __call__(self, x: Any, training: bool = False) -> list[Any]:
        """Logits (n, classes) of every head."""
        return self.tensors(self.model.output_names, x, training)

    def compiled(self) -> Any:
        """The function compiled, for inference: (n, T, channels) -> logits of every head."""
        return tf.function(lambda x: self(x), reduce_retracing=True)

    def tensors(self, names: Sequence[str], x: Any, training: bool = False) -> list[Any]:
        """Outputs of some layers; of those that are not heads, only layers that were named in `keep`."""
        values = {self._input: x}
        for stage in self._stages:
            values[stage.name] = stage.function([values[name] for name in stage.inputs], training)
        return [values[name] for name in names]

    def _stage(self, call: Call, reached: Collection[str]) -> _Stage:
        behind = self._private_follower(call)
        if is_fast(call.layer):
            gru = FastGru(call.layer, call.inputs[0] in reached)
            if call.kind == "GRU":
                return _Stage(call.name, call.inputs, lambda inputs, _: gru(inputs[0]))
            if behind is not None and _is_state_quantiser(behind.layer, call.layer):
                return _Stage(behind.name, call.inputs, lambda inputs, _: gru(inputs[0]))
        function = _fused(call, behind)
        if behind is not None and function is not None:
            return _Stage(behind.name, call.inputs, lambda inputs, training: function(inputs[0], training))
        return _Stage(call.name, call.inputs, _plain(call, call.name in self.model.output_names))

    def _private_follower(self, call: Call) -> Call | None:
        """The one layer behind a layer whose output nobody else takes."""
        following = self._following[call.name]
        return following[0] if len(following) == 1 and call.name not in self._kept else None


def _reached_by_gradients(calls: list[Call]) -> set[str]:
    """Layers whose outputs depend on weights that are trained."""
    reached: set[str] = set()
    for call in calls:
        if call.layer.trainable_weights or reached.intersection(call.inputs):
            reached.add(call.name)
    return reached


def _is_state_quantiser(layer: Any, gru: Any) -> bool:
    if type(layer).__name__ != "QActivation":
        return False
    ours, theirs = layer.quantizer, gru.cell.state_quantizer_internal
    return type(ours) is type(theirs) and bool(ours.get_config() == theirs.get_config())


def _fused(call: Call, behind: Call | None) -> Callable[[Any, bool], Any] | None:
    """Two layers as one function on the kernels; None where they have none."""
    if behind is None or not kernel.available():
        return None
    layer, other = call.layer, behind.layer
    if call.kind == "BatchNormalization" and _is_relu(behind):
        whole = layer.scale and layer.center and list(layer.axis) == [len(layer.input_shape) - 1]
        return FastNormRelu(layer) if whole else None
    if call.kind == "QAffine" and behind.kind == "QActivation" and type(other.quantizer).__name__ == "quantized_relu":
        return FastAffineRelu(layer, int(other.quantizer.bits), int(other.quantizer.integer))
    return None


def _is_relu(call: Call) -> bool:
    if call.kind == "ReLU":
        return find_line(call.layer.call) == RELU
    return call.kind == "Activation" and find_line(call.layer.activation) == RELU


def _plain(call: Call, is_head: bool) -> Function:
    """A layer as Keras computes it; the softmax of a head does nothing."""
    layer = call.layer
    if is_head and (call.kind == "Softmax" or (call.kind == "Activation" and is_softmax(layer.activation))):
        return lambda inputs, _: inputs[0]
    if is_head and is_softmax(getattr(layer, "activation", None)):
        return lambda inputs, _: tf.nn.bias_add(tf.tensordot(inputs[0], layer.kernel, 1), layer.bias)
    takes_training = "training" in inspect.signature(layer.call).parameters

    def run(inputs: Sequence[Any], training: bool) -> Any:
        fed = inputs[0] if len(inputs) == 1 else list(inputs)
        return layer(fed, training=training) if takes_training else layer(fed)

    return run


def fast_probe(model: Any) -> Callable[[Sequence[str], Floats], list[Floats]]:
    """Probe for `compress.deploy` that runs the float model on the kernels."""

    def probe(names: Sequence[str], frames: Floats) -> list[Floats]:
        fast = FastModel(model, keep=names)
        run = tf.function(lambda x: fast.tensors(names, x), reduce_retracing=True)
        parts = [run(tf.constant(frames[first : first + BATCH])) for first in range(0, len(frames), BATCH)]
        return [np.concatenate([np.asarray(value) for value in column]) for column in zip(*parts, strict=True)]

    return probe
