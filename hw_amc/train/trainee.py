"""A network under training: one optimiser step, pruning masks, validation, batch-norm statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.deployed import build_deployed
from hw_amc.compress.formats import DEFAULT_FORMATS, Formats
from hw_amc.compress.magnitude import choose_masks, choose_masks_by_layer, masks_of
from hw_amc.models.floating import build_float, keras_norm_relu
from hw_amc.models.specs import GruCnnSpec
from hw_amc.train import kernel
from hw_amc.train.fast_affine import fast_front_layers, fast_norm_relu
from hw_amc.train.fast_gru import fast_gru
from hw_amc.train.optimiser import Adam
from hw_amc.train.teacher import Teacher, soft_loss

Floats = np.ndarray[Any, np.dtype[np.float32]]


def quantise_input(x: Floats) -> Floats:
    """Round values to the deployed network's input format, so that float training sees what hardware will."""
    bits, integer = DEFAULT_FORMATS["input_quant"]["bits"], DEFAULT_FORMATS["input_quant"]["int"]
    step, top = 2.0 ** (bits - 1 - integer), 2 ** (bits - 1)
    rounded: Floats = (np.clip(np.rint(x * step), -top, top - 1) / step).astype(np.float32)
    return rounded


class Trainee:
    """A network, its logits, its optimiser.

    Parameters
    ----------
    spec : the network
    formats : formats of the deployed form; None trains the float form
    dropout : rate of the float form's dropout layers
    teacher : network whose logits are learned beside the labels
    """

    def __init__(
        self, spec: GruCnnSpec, formats: Formats | None, dropout: float, teacher: Teacher | None = None
    ) -> None:
        self.spec, self.teacher = spec, teacher
        self.quantised = formats is not None
        if formats is None:
            self.model = build_float(
                spec, None, fast_gru, fast_norm_relu if kernel.available() else keras_norm_relu, dropout
            )
            self.logits = keras.Model(self.model.input, self.model.get_layer("head_norm").output)
        else:
            self.model = build_deployed(spec, formats, None, fast_front_layers)
            self.logits = self.model
        self.adam = Adam(self.model.trainable_weights)
        gru, conv1, conv2 = (self.model.get_layer(name) for name in ("gru", "conv1", "conv2"))
        self.kernels = [gru.kernel, gru.recurrent_kernel, conv1.kernel, conv2.kernel]
        self.masks = [tf.Variable(tf.ones_like(k), trainable=False) for k in self.kernels]
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._forward = tf.function(lambda x: self.logits(x, training=False), reduce_retracing=True)

    def _train_step(self, x: Any, labels: Any, rate: Any, taught: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            logits = self.logits(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            if self.teacher is not None:
                share = self.teacher.share
                loss = (1.0 - share) * loss + share * soft_loss(taught, logits, self.teacher.temperature)
        self.adam.apply(tape.gradient(loss, self.adam.variables), rate)
        for weights, mask in zip(self.kernels, self.masks, strict=True):
            weights.assign(weights * mask)
        return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, -1, tf.int32) == labels, tf.float32))

    def _prepare(self, x: Floats) -> Any:
        return tf.constant(x if self.quantised else quantise_input(x))

    def step(self, x: Floats, labels: Any, rate: float) -> tuple[float, float]:
        """Take one optimiser step on (n, T, 2) values; return its loss and accuracy."""
        taught = self.teacher.logits(tf.constant(quantise_input(x))) if self.teacher else tf.zeros((0, 0))
        loss, accuracy = self._step(self._prepare(x), tf.constant(labels), tf.constant(rate, tf.float32), taught)
        return float(loss), float(accuracy)

    def predict(self, x: Floats) -> Floats:
        """Logits (n, classes) of (n, T, 2) values."""
        logits: Floats = self._forward(self._prepare(x)).numpy()
        return logits

    def prune(self, keep: int, by_layer: bool = False) -> None:
        """Set masks that leave exactly `keep` kernel weights, and apply them."""
        choose = choose_masks_by_layer if by_layer else choose_masks
        self._set_masks(choose([k.numpy() for k in self.kernels], keep))

    def keep_zeros(self) -> None:
        """Take the masks from the weights: what is zero stays zero."""
        self._set_masks(masks_of([k.numpy() for k in self.kernels]))

    def _set_masks(self, masks: Any) -> None:
        for weights, variable, mask in zip(self.kernels, self.masks, masks, strict=True):
            variable.assign(mask.astype(np.float32))
            weights.assign(weights * variable)

    def recalibrate(self, batches: list[Floats]) -> None:
        """Replace the batch-norm statistics by their mean over batches of frames; a no-op on the deployed form."""
        norms = [layer for layer in self.model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        usual = [norm.momentum for norm in norms]
        for number, batch in enumerate(batches if norms else []):
            for norm in norms:
                norm.momentum = number / (number + 1.0)
            self.logits(self._prepare(batch), training=True)
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum

    @property
    def state(self) -> list[Any]:
        """Variables that a checkpoint must keep: weights, statistics, optimiser, masks."""
        return [*self.model.weights, *self.adam.state, *self.masks]


def validate(trainee: Trainee, x: Floats, labels: Any, batch: int = 256) -> tuple[float, float]:
    """Mean loss and accuracy over frames (n, T, 2)."""
    logits = np.concatenate([trainee.predict(x[i : i + batch]) for i in range(0, len(x), batch)])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits).numpy()
    return float(np.mean(losses)), float(np.mean(np.argmax(logits, -1) == labels))
