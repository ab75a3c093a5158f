"""Knowledge distillation: a trained float network whose logits another one learns (Hinton et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow import keras

from hw_amc.models.floating import build_float, keras_norm_relu
from hw_amc.models.specs import GruCnnSpec
from hw_amc.train import kernel
from hw_amc.train.checkpoint import load_arrays, set_arrays
from hw_amc.train.fast_affine import fast_norm_relu
from hw_amc.train.fast_gru import fast_gru


@dataclass(frozen=True)
class Teacher:
    """A frozen network and its weight in the loss.

    Attributes
    ----------
    logits : (n, T, 2) values in the network's input format -> (n, classes)
    share : weight of the teacher's term, 0..1; the labels have the rest
    temperature : divides both logits
    """

    logits: Any
    share: float
    temperature: float


def load_teacher(path: Path, student: GruCnnSpec, share: float, temperature: float) -> Teacher:
    """Build the teacher whose float weights are kept in `path`; its cells are counted there.

    Raises
    ------
    ConfigError
        The file is missing, or holds no network of the student's classes.
    DataError
        The file is damaged.
    """
    recurrent = load_arrays(path)[0][1]
    norm_relu = fast_norm_relu if kernel.available() else keras_norm_relu
    model = build_float(replace(student, cells=recurrent.shape[0]), None, fast_gru, norm_relu, 0.0)
    set_arrays(model, path)
    logits = keras.Model(model.input, model.get_layer("head_norm").output)
    return Teacher(tf.function(lambda x: logits(x, training=False), reduce_retracing=True), share, temperature)


def soft_loss(taught: Any, logits: Any, temperature: float) -> Any:
    """Mean Kullback-Leibler divergence of the student from the teacher at a temperature t, times t^2.

    The factor keeps the gradient's size whatever the temperature (Hinton et al. 2015, section 2).
    """
    wanted = tf.nn.log_softmax(taught / temperature)
    given = tf.nn.log_softmax(logits / temperature)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(tf.exp(wanted) * (wanted - given), axis=-1))
