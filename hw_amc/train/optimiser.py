"""Adam with clipped gradients, whose whole state is a list of variables that a checkpoint can hold."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class Adam:
    """Adam (Kingma and Ba 2015); the gradients are first clipped to a global norm of `clip`.

    A step whose gradient overflows is left out: that of a recurrent layer over a thousand samples does now and then.
    """

    def __init__(self, variables: list[Any], clip: float = 1.0) -> None:
        self.variables = variables
        self.clip = clip
        self.count = tf.Variable(0.0, trainable=False)
        self.first = [tf.Variable(tf.zeros_like(v), trainable=False) for v in variables]
        self.second = [tf.Variable(tf.zeros_like(v), trainable=False) for v in variables]

    @property
    def state(self) -> list[Any]:
        """Everything that a checkpoint must keep."""
        return [self.count, *self.first, *self.second]

    def apply(self, gradients: list[Any], rate: Any) -> None:
        """Take one step, if the gradient is finite."""
        norm = tf.linalg.global_norm(gradients)
        clipped, _ = tf.clip_by_global_norm(gradients, self.clip, norm)
        tf.cond(tf.math.is_finite(norm), lambda: self._take(clipped, rate), lambda: tf.constant(False))

    def _take(self, gradients: list[Any], rate: Any) -> Any:
        count = self.count.assign_add(1.0)
        correction = tf.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
        for variable, gradient, m, v in zip(self.variables, gradients, self.first, self.second, strict=True):
            m.assign(0.9 * m + 0.1 * gradient)
            v.assign(0.999 * v + 0.001 * tf.square(gradient))
            variable.assign_sub(rate * correction * m / (tf.sqrt(v) + 1e-8))
        return tf.constant(True)
