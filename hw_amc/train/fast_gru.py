"""`FastGru`: a GRU layer on the C++ kernel, float or quantised, forwards and backwards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from hw_amc.compress.activations import HARD_SIGMOID, HARD_TANH, find_line
from hw_amc.models.activations import hard_sigmoid, hard_tanh
from hw_amc.train import kernel

Levels = tuple[float, float, float] | None


def _run(x: Any, weights: tuple[Any, Any, Any], levels: Levels, keep: bool) -> tuple[Any, Any]:
    def forward(*arrays: Any) -> tuple[Any, Any]:
        return kernel.forward(arrays[0], arrays[1:], levels, keep)

    h, saved = tf.numpy_function(forward, (x, *weights), (tf.float32, tf.float32))
    h.set_shape((*x.shape[:2], weights[1].shape[0]))
    return h, saved


def run_gru(x: Any, weights: tuple[Any, Any, Any], levels: Levels, want_dx: bool = False) -> Any:
    """Run the kernel as a differentiable TensorFlow function.

    Parameters
    ----------
    x : (B, T, D) float32 tensor
    weights : kernel (D, 3H), recurrent kernel (H, 3H), bias (2, 3H)
    levels : values per unit of gates, candidate and state; None for floats
    want_dx : whether gradients must reach x

    Returns
    -------
    (B, T, H) float32 tensor.
    """

    @tf.custom_gradient
    def call(x: Any, *weights: Any) -> Any:
        h, saved = _run(x, weights, levels, keep=True)

        def gradient(dh: Any) -> Any:
            def backward(x: Any, kernel_: Any, recurrent: Any, h: Any, saved: Any, dh: Any) -> Any:
                return kernel.backward(x, (kernel_, recurrent), levels, (h, saved, dh), want_dx)

            results = tf.numpy_function(backward, (x, *weights[:2], h, saved, dh), [tf.float32] * 4)
            dx = results[0] if want_dx else tf.zeros_like(x)
            return dx, *results[1:]

        return h, gradient

    return call(x, *weights)


def _step(x: Any, h: Any, weights: tuple[Any, Any, Any], quantise: Any) -> Any:
    kernel_, recurrent, bias = weights
    gate, candidate, state = quantise
    xz, xr, xh = tf.split(x @ kernel_ + bias[0], 3, axis=-1)
    mz, mr, mh = tf.split(h @ recurrent + bias[1], 3, axis=-1)
    z, r = gate(xz + mz), gate(xr + mr)
    return state(z * h + (1.0 - z) * candidate(xh + r * mh))


def run_gru_slowly(x: Any, weights: tuple[Any, Any, Any], quantise: Any) -> Any:
    """Compute what `run_gru` computes, in plain TensorFlow: for machines without a compiler, and for GPUs.

    Parameters
    ----------
    x : (B, T, D) float32 tensor
    weights : as in `run_gru`
    quantise : functions of the gates, the candidate and the state
    """
    start = tf.zeros((tf.shape(x)[0], weights[1].shape[0]))
    states = tf.scan(lambda h, xt: _step(xt, h, weights, quantise), tf.transpose(x, (1, 0, 2)), start)
    return tf.transpose(states, (1, 0, 2))


@dataclass(frozen=True)
class FastGru:
    """A hard-gated GRU layer as a function on the kernel: the layer's weights, its output, forwards and backwards.

    Quantised, its output equals QGRU followed by the state quantiser in every integer.

    Attributes
    ----------
    layer : Keras' GRU or QKeras' QGRU, built, with hard gates and reset_after
    trainable_input : whether gradients must reach the input
    """

    layer: Any
    trainable_input: bool = False

    @cached_property
    def _rounding(self) -> Rounding:
        return float_rounding() if type(self.layer).__name__ == "GRU" else quantised_rounding(self.layer.cell)

    def __call__(self, x: Any) -> Any:
        """Run the recurrence: (B, T, D) -> (B, T, H), or the last state (B, H) where the layer returns no sequences."""
        cell, rounding = self.layer.cell, self._rounding
        weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
        rounded = tuple(rounder(weight) for rounder, weight in zip(rounding.weights, weights, strict=True))
        if kernel.available():
            states = run_gru(x, rounded, rounding.levels, self.trainable_input)
        else:
            states = run_gru_slowly(x, rounded, rounding.values)
        return states if self.layer.return_sequences else states[:, -1]


@dataclass(frozen=True)
class Rounding:
    """What rounds a GRU: functions of its weights and of its gates, candidate and state; and the kernel's levels."""

    weights: tuple[Any, Any, Any]
    values: tuple[Any, Any, Any]
    levels: Levels


def float_rounding() -> Rounding:
    """Hard gates in floats; nothing is rounded."""
    return Rounding((tf.identity,) * 3, (hard_sigmoid, hard_tanh, tf.identity), None)


def quantised_rounding(cell: Any) -> Rounding:
    """Roundings of a QGRU's cell and of the state quantiser behind it."""
    weights = (cell.kernel_quantizer_internal, cell.recurrent_quantizer_internal, cell.bias_quantizer_internal)
    gate, candidate, state = cell.recurrent_activation, cell.activation, cell.state_quantizer_internal
    levels = (2.0 ** int(gate.bits), 2.0 ** (int(candidate.bits) - 1), 2.0 ** (int(state.bits) - 1))
    return Rounding(weights, (gate, candidate, state), levels)


def is_fast(layer: Any) -> bool:
    """Whether a layer is a GRU that the kernel computes."""
    kind = type(layer).__name__
    if kind not in ("GRU", "QGRU") or not (layer.reset_after and layer.use_bias):
        return False
    if layer.return_state or layer.go_backwards or layer.stateful or layer.dropout or layer.recurrent_dropout:
        return False
    if kind == "QGRU":
        return _is_fast_cell(layer.cell)
    gates = find_line(layer.recurrent_activation), find_line(layer.activation)
    return gates == (HARD_SIGMOID, HARD_TANH)


def _is_fast_cell(cell: Any) -> bool:
    weights = (cell.kernel_quantizer_internal, cell.recurrent_quantizer_internal, cell.bias_quantizer_internal)
    hard = (type(cell.recurrent_activation).__name__, type(cell.activation).__name__)
    state = cell.state_quantizer_internal
    if None in weights or hard != ("quantized_sigmoid", "quantized_tanh"):
        return False
    return type(state).__name__ == "quantized_bits" and int(state.integer) == 0
