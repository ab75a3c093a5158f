"""The float form of the networks, as published, with hard gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import keras

from hw_amc.models.specs import CONV_FILTERS, CONV_WIDTH, INPUTS, GruCnnSpec


@keras.utils.register_keras_serializable("hw_amc")
def hard_sigmoid(x: Any) -> Any:
    """Return clip(x/2 + 1/2, 0, 1): QKeras' hard sigmoid before its rounding."""
    return tf.clip_by_value(0.5 * x + 0.5, 0.0, 1.0)


@keras.utils.register_keras_serializable("hw_amc")
def hard_tanh(x: Any) -> Any:
    """Return clip(x, -1, 1): QKeras' hard tanh before its rounding."""
    return tf.clip_by_value(x, -1.0, 1.0)


def keras_gru(units: int, name: str) -> Any:
    """Keras' own GRU, with hard gates."""
    return keras.layers.GRU(
        units,
        activation=hard_tanh,
        recurrent_activation=hard_sigmoid,
        return_sequences=True,
        reset_after=True,
        name=name,
    )


def keras_norm_relu(x: Any, name: str) -> Any:
    """Keras' own batch normalisation and ReLU."""
    x = keras.layers.BatchNormalization(name=f"{name}_norm", momentum=0.9)(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def build_float(
    spec: GruCnnSpec,
    frame_len: int | None = None,
    gru: Callable[[int, str], Any] = keras_gru,
    norm_relu: Callable[[Any, str], Any] = keras_norm_relu,
    dropout: float = 0.2,
) -> Any:
    """Build the trainable float network (Kassri et al. 2024, with hard gates).

    Parameters
    ----------
    spec : the network
    frame_len : samples a frame; None takes any length
    gru : makes the recurrent layer from (units, name)
    norm_relu : applies batch normalisation and ReLU, given (tensor, name of the layer before)
    dropout : rate of both dropout layers

    Returns
    -------
    keras.Model, (n, T, 2) -> class probabilities (n, classes); its layer `head_norm` gives the logits.
    """
    layers = keras.layers
    inputs = keras.Input((frame_len, INPUTS), name="frames")
    x = gru(spec.cells, "gru")(inputs)
    x = norm_relu(x, "gru")
    x = layers.Dropout(dropout, name="gru_dropout")(x)
    x = layers.Conv1D(CONV_FILTERS, CONV_WIDTH, padding="same", name="conv1")(x)
    x = norm_relu(x, "conv1")
    x = layers.AveragePooling1D(2, name="pool")(x)
    x = layers.Dropout(dropout, name="conv1_dropout")(x)
    x = layers.Conv1D(spec.classes, CONV_WIDTH, padding="same", name="conv2")(x)
    x = norm_relu(x, "conv2")
    x = layers.GlobalAveragePooling1D(name="gap")(x)
    x = layers.BatchNormalization(name="head_norm", momentum=0.9)(x)
    return keras.Model(inputs, layers.Softmax(name="softmax")(x), name=spec.name)
