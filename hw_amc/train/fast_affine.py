"""Batch normalisation and the quantised affine, each fused with the ReLU behind it, on the C++ kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from hw_amc.train import kernel

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


@dataclass(frozen=True)
class FastNormRelu:
    """A batch normalisation over all but the last axis and the ReLU behind it, on the weights of Keras' layer."""

    norm: Any

    def __call__(self, x: Any, training: bool) -> Any:
        """Normalise by the batch's statistics in training, else by the moving ones."""
        norm = self.norm
        if not (training and norm.trainable):
            scale = norm.gamma * tf.math.rsqrt(norm.moving_variance + norm.epsilon)
            return affine_relu(x, scale, norm.beta - norm.moving_mean * scale, 0.0, UNBOUNDED)
        total, squares = tf.numpy_function(kernel.column_sums, (x,), (tf.float32, tf.float32))
        count = tf.cast(tf.size(x), tf.float32) / x.shape[-1]
        mean = tf.ensure_shape(total, x.shape[-1:]) / count
        variance = tf.maximum(tf.ensure_shape(squares, x.shape[-1:]) / count - tf.square(mean), 0.0)
        for moving, value in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            moving.assign(moving * norm.momentum + value * (1.0 - norm.momentum))
        return norm_relu(x, norm.gamma, norm.beta, (mean, variance), norm.epsilon)


@dataclass(frozen=True)
class FastAffineRelu:
    """A `QAffine` and the quantised ReLU behind it."""

    affine: Any
    bits: int
    integer: int

    def __call__(self, x: Any, training: bool) -> Any:
        """Apply the quantised scale and bias, then the ReLU."""
        affine, steps = self.affine, 2.0 ** (self.bits - self.integer)
        scale, bias = affine.scale_quantizer(affine.scale), affine.bias_quantizer(affine.bias)
        return affine_relu(x, scale, bias, steps, 2.0**self.integer - 1.0 / steps)
