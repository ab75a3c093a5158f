"""Activations that Keras does not have: hard ones, which fixed point computes exactly, and the sides of a rotation."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


@keras.utils.register_keras_serializable("hw_amc")
def hard_sigmoid(x: Any) -> Any:
    """Return clip(x/2 + 1/2, 0, 1): QKeras' hard sigmoid before its rounding."""
    return tf.clip_by_value(0.5 * x + 0.5, 0.0, 1.0)


@keras.utils.register_keras_serializable("hw_amc")
def hard_tanh(x: Any) -> Any:
    """Return clip(x, -1, 1): QKeras' hard tanh before its rounding."""
    return tf.clip_by_value(x, -1.0, 1.0)


@keras.utils.register_keras_serializable("hw_amc")
def steep_sigmoid(x: Any) -> Any:
    """Return clip(x/6 + 1/2, 0, 1): the hard sigmoid of Keras 3."""
    return tf.clip_by_value(x / 6.0 + 0.5, 0.0, 1.0)


@keras.utils.register_keras_serializable("hw_amc")
def sine(x: Any) -> Any:
    """Return the sine of an angle in radians."""
    return tf.math.sin(x)


@keras.utils.register_keras_serializable("hw_amc")
def cosine(x: Any) -> Any:
    """Return the cosine of an angle in radians."""
    return tf.math.cos(x)
