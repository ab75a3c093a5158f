"""A network under training on the processor: one optimiser step, pruning masks, batch-norm statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.deploy import round_input
from hw_amc.compress.magnitude import choose_masks, choose_masks_by_layer, masks_of
from hw_amc.train.data import crop
from hw_amc.train.fast_model import FastModel
from hw_amc.train.learner import by_head, draw_kernel
from hw_amc.train.optimiser import Adam
from hw_amc.train.select import find_kernels, trained_variables
from hw_amc.train.teacher import Teacher, soft_loss

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Trainee:
    """A network, its logits, its optimiser: a `Learner` on the processor, by TensorFlow.

    Parameters
    ----------
    model : float or deployed Keras model, of any layers that `hw_amc.compress.deploy` knows
    input_format : (bits, integer bits) onto which its input is rounded; None where the model does it itself
    teacher : network whose logits are learned beside the labels
    shares : weight of every head in the loss; equal ones by default
    frozen : layers that stay as they are, by type or name (`select.trained_variables`)
    """

    def __init__(
        self,
        model: Any,
        input_format: tuple[int, int] | None,
        teacher: Teacher | None = None,
        shares: Sequence[float] = (),
        frozen: Sequence[str] = (),
    ) -> None:
        self.model, self.input_format, self.teacher = model, input_format, teacher
        heads = len(model.outputs)
        self.shares = tuple(shares) or (1.0 / heads,) * heads
        variables = trained_variables(model, frozen)
        self.logits = FastModel(model)
        self.adam = Adam(variables)
        self.kernels = find_kernels(model)
        self.masks = [tf.Variable(tf.ones_like(k.variable), trainable=False) for k in self.kernels]
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._forward = self.logits.compiled()

    @property
    def kernel_weights(self) -> int:
        """Weights that pruning may remove."""
        return sum(int(np.prod(kernel.variable.shape)) for kernel in self.kernels)

    def _loss(self, labels: Any, logits: list[Any], taught: list[Any]) -> Any:
        losses = []
        for head, (given, share) in enumerate(zip(logits, self.shares, strict=True)):
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels[:, head], given))
            if self.teacher is not None:
                soft = soft_loss(taught[head], given, self.teacher.temperature)
                loss = (1.0 - self.teacher.share) * loss + self.teacher.share * soft
            losses.append(share * loss)
        return tf.add_n(losses)

    def _train_step(self, x: Any, labels: Any, rate: Any, taught: list[Any]) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            logits = self.logits(x, training=True)
            loss = self._loss(labels, logits, taught)
        self.adam.apply(tape.gradient(loss, self.adam.variables), rate)
        for kernel, mask in zip(self.kernels, self.masks, strict=True):
            kernel.variable.assign(kernel.variable * mask)
        answers = tf.stack([tf.argmax(head, -1, tf.int32) for head in logits], axis=1)
        right = tf.reduce_all(answers == labels, axis=1)
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    def _prepare(self, x: Floats) -> Any:
        return tf.constant(x if self.input_format is None else round_input(x, *self.input_format))

    def step(self, x: Floats, labels: Any, rate: float) -> tuple[float, float]:
        """Take one optimiser step; return its loss and its share of frames with every head right.

        Parameters
        ----------
        x : (n, T, channels) values
        labels : (n,) int32, or (n, heads)
        rate : learning rate
        """
        taught = self.teacher.logits(x) if self.teacher else []
        columns = tf.constant(by_head(labels), tf.int32)
        loss, accuracy = self._step(self._prepare(x), columns, tf.constant(rate, tf.float32), taught)
        return float(loss), float(accuracy)

    def predict(self, x: Floats) -> list[Floats]:
        """Logits (n, classes) of every head for (n, T, channels) values."""
        return [np.asarray(head) for head in self._forward(self._prepare(x))]

    def prune(self, keep: int, by_layer: bool = False) -> None:
        """Set masks that leave exactly `keep` kernel weights, and apply them."""
        choose = choose_masks_by_layer if by_layer else choose_masks
        self._set_masks(choose([k.variable.numpy() for k in self.kernels], keep))

    def keep_zeros(self) -> None:
        """Take the masks from the weights: what is zero stays zero."""
        self._set_masks(masks_of([k.variable.numpy() for k in self.kernels]))

    def _set_masks(self, masks: Any) -> None:
        for kernel, variable, mask in zip(self.kernels, self.masks, masks, strict=True):
            variable.assign(mask.astype(np.float32))
            kernel.variable.assign(kernel.variable * variable)

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

    crop = staticmethod(crop)

    @property
    def weights(self) -> list[Floats]:
        """Weights and statistics of the model, as arrays."""
        return [variable.numpy() for variable in self.model.weights]

    @property
    def state(self) -> list[Floats]:
        """What a checkpoint must keep, as arrays: weights, statistics, optimiser, masks."""
        return [variable.numpy() for variable in self._state]

    @property
    def _state(self) -> list[Any]:
        return [*self.model.weights, *self.adam.state, *self.masks]

    def draw_weights(self, generator: np.random.Generator) -> None:
        """Draw the first weights of the kernels, by `draw_kernel`."""
        for kernel in self.kernels:
            kernel.variable.assign(draw_kernel(kernel.variable.shape.as_list(), kernel.gates, generator))

    def set_weights(self, arrays: Sequence[Floats]) -> None:
        """Take weights and statistics in the order of `weights`."""
        self.model.set_weights(arrays)

    def set_state(self, arrays: Sequence[Floats]) -> None:
        """Take the arrays of `state`."""
        for variable, array in zip(self._state, arrays, strict=True):
            variable.assign(array)
