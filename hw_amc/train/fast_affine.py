"""Batch normalisation and the quantised affine, each fused with the ReLU behind it, on the C++ kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.deployed import affine_layer, relu_layer
from hw_amc.compress.formats import Formats
from hw_amc.compress.layers import QAffine
from hw_amc.models.specs import GruCnnSpec
from hw_amc.train import kernel
from hw_amc.train.fast_gru import FastGru

#: Top of a ReLU that never clips.
UNBOUNDED = float(np.finfo(np.float32).max)


def _forward(x: Any, scale: Any, bias: Any, steps: float, top: float) -> Any:
    y = tf.numpy_function(lambda x, s, b: kernel.affine_relu(x, s, b, steps, top), (x, scale, bias), tf.float32)
    y.set_shape(x.shape)
    return y


def _sums(x: Any, y: Any, dy: Any, top: float) -> Any:
    types = (tf.float32, tf.float32)
    sums = tf.numpy_function(lambda x, y, dy: kernel.affine_relu_sums(x, y, dy, top), (x, y, dy), types)
    return [tf.ensure_shape(s, x.shape[-1:]) for s in sums]


def _gradient(x: Any, y: Any, dy: Any, top: float, factors: tuple[Any, Any, Any]) -> Any:
    def call(x: Any, y: Any, dy: Any, *factors: Any) -> Any:
        return kernel.affine_relu_gradient(x, y, dy, top, factors)

    return tf.ensure_shape(tf.numpy_function(call, (x, y, dy, *factors), tf.float32), x.shape)


def affine_relu(x: Any, scale: Any, bias: Any, steps: float, top: float) -> Any:
    """Differentiable clip(x scale + bias, 0, top), rounded to multiples of 1/steps where steps > 0.

    The gradient passes straight through the rounding and stops at the clip.
    """

    @tf.custom_gradient
    def call(x: Any, scale: Any, bias: Any) -> Any:
        y = _forward(x, scale, bias, steps, top)

        def gradient(dy: Any) -> Any:
            sum_g, sum_gx = _sums(x, y, dy, top)
            zero = tf.zeros_like(scale)
            return _gradient(x, y, dy, top, (scale, zero, zero)), sum_gx, sum_g

        return y, gradient

    return call(x, scale, bias)


def norm_relu(x: Any, gamma: Any, beta: Any, moments: tuple[Any, Any], epsilon: float) -> Any:
    """Differentiable ReLU(batch norm of x), where `moments` are the batch's own mean and variance."""
    mean, variance = moments
    count = tf.cast(tf.size(x), tf.float32) / x.shape[-1]

    @tf.custom_gradient
    def call(x: Any, gamma: Any, beta: Any) -> Any:
        inverse = tf.math.rsqrt(variance + epsilon)
        scale = gamma * inverse
        y = _forward(x, scale, beta - mean * scale, 0.0, UNBOUNDED)

        def gradient(dy: Any) -> Any:
            sum_g, sum_gx = _sums(x, y, dy, UNBOUNDED)
            dgamma = (sum_gx - mean * sum_g) * inverse
            slope = -scale * inverse * dgamma / count
            dx = _gradient(x, y, dy, UNBOUNDED, (scale, slope, -scale * sum_g / count - slope * mean))
            return dx, dgamma, sum_g

        return y, gradient

    return call(x, gamma, beta)


@keras.utils.register_keras_serializable("hw_amc")
class FastNormRelu(keras.layers.BatchNormalization):
    """Batch normalisation over all but the last axis, then ReLU; the weights are those of Keras' layer."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Normalise by the batch's statistics in training, else by the moving ones."""
        if not training:
            scale = self.gamma * tf.math.rsqrt(self.moving_variance + self.epsilon)
            return affine_relu(inputs, scale, self.beta - self.moving_mean * scale, 0.0, UNBOUNDED)
        total, squares = tf.numpy_function(kernel.column_sums, (inputs,), (tf.float32, tf.float32))
        count = tf.cast(tf.size(inputs), tf.float32) / inputs.shape[-1]
        mean = tf.ensure_shape(total, inputs.shape[-1:]) / count
        variance = tf.maximum(tf.ensure_shape(squares, inputs.shape[-1:]) / count - tf.square(mean), 0.0)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return norm_relu(inputs, self.gamma, self.beta, (mean, variance), self.epsilon)


class FastAffineRelu(QAffine):
    """`QAffine` and the quantised ReLU behind it; the weights are those of `QAffine`."""

    def __init__(self, bits: int, integer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = 2.0 ** (bits - integer)
        self.top = 2.0**integer - 1.0 / self.steps

    def call(self, inputs: Any) -> Any:
        """Apply the quantised scale and bias, then the ReLU."""
        scale, bias = self.scale_quantizer(self.scale), self.bias_quantizer(self.bias)
        return affine_relu(inputs, scale, bias, self.steps, self.top)


def fast_norm_relu(x: Any, name: str) -> Any:
    """Float normalisation and ReLU, for `models.build_float`."""
    return FastNormRelu(name=f"{name}_norm", momentum=0.9)(x)


def fast_front_layers(spec: GruCnnSpec, formats: Formats) -> list[Any]:
    """Quantised GRU, affine and ReLU, for `compress.build_deployed`."""
    gru = FastGru(spec.cells, formats["gru"], name="gru")
    affine = affine_layer("gru_affine", formats, formats["gru"]["state_bits"] - 1)
    if not kernel.available():
        return [gru, affine, relu_layer("gru_relu", formats)]
    relu = formats["gru_relu"]
    return [gru, FastAffineRelu(relu["bits"], relu["int"], scale_quantizer=affine.scale_quantizer,
                                bias_quantizer=affine.bias_quantizer, name="gru_affine")]  # fmt: skip
