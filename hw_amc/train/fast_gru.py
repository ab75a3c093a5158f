"""`FastGru`: a Keras layer that runs the C++ kernel, float or quantised, forwards and backwards."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.deployed import signed
from hw_amc.compress.layers import qkeras
from hw_amc.models.floating import hard_sigmoid, hard_tanh
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


@keras.utils.register_keras_serializable("hw_amc")
class FastGru(keras.layers.Layer):
    """GRU with hard gates, return_sequences and reset_after; the weights are those of Keras' GRU.

    Quantised, its output equals QGRU followed by the state quantiser in every integer.

    Parameters
    ----------
    units : cells, H
    gru : the `gru` entry of the formats; None for floats
    trainable_input : whether gradients must reach the input
    """

    def __init__(
        self, units: int, gru: dict[str, int] | None = None, trainable_input: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.gru = gru
        self.trainable_input = trainable_input
        self.levels: Levels = None
        self.quantise: Any = (hard_sigmoid, hard_tanh, lambda h: h)
        if gru is not None:
            self.levels = (2.0 ** gru["gate_bits"], 2.0 ** (gru["candidate_bits"] - 1), 2.0 ** (gru["state_bits"] - 1))
            names = ("kernel", "recurrent", "bias")
            self.rounders = [qkeras.get_quantizer(signed(gru[f"{n}_bits"], gru[f"{n}_int"])) for n in names]
            functions = (
                f"quantized_sigmoid({gru['gate_bits']})", f"quantized_tanh({gru['candidate_bits']})",
                signed(gru["state_bits"], 0),
            )  # fmt: skip
            self.quantise = tuple(qkeras.get_quantizer(name) for name in functions)

    def build(self, input_shape: Any) -> None:
        """Create kernel (D, 3H), recurrent_kernel (H, 3H) and bias (2, 3H), initialised as Keras does."""
        H = self.units
        self.kernel = self.add_weight("kernel", (int(input_shape[-1]), 3 * H), initializer="glorot_uniform")
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (H, 3 * H), initializer="orthogonal")
        self.bias = self.add_weight("bias", (2, 3 * H), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Run the recurrence: (B, T, D) -> (B, T, H)."""
        weights = (self.kernel, self.recurrent_kernel, self.bias)
        if self.gru is not None:
            weights = tuple(rounder(w) for rounder, w in zip(self.rounders, weights, strict=True))
        if not kernel.available():
            return run_gru_slowly(inputs, weights, self.quantise)
        return run_gru(inputs, weights, self.levels, self.trainable_input)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Return (B, T, H)."""
        return (*input_shape[:2], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        own = {"units": self.units, "gru": self.gru, "trainable_input": self.trainable_input}
        return {**super().get_config(), **own}


def fast_gru(units: int, name: str) -> Any:
    """Float `FastGru`, for `models.build_float`."""
    return FastGru(units, name=name)
