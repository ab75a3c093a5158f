"""`QMeanPooling`: the exact form of average pooling over any number of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.graph import reciprocals
from hw_amc.graph.ops.windows import window_counts, window_pads


@keras.utils.register_keras_serializable("hw_amc")
class QMeanPooling(keras.layers.Layer):
    """Mean of windows of any size: the exact sum times the reciprocal of the count, of `factor_bits` bits.

    Over time, (n, T, C), or over images, (n, rows, columns, C). Where a window reaches over the edge (`same`) only
    what is inside counts, as in Keras.

    Parameters
    ----------
    pool_size : int or tuple, samples of a window along each axis; None: the whole frame or image, which gives (n, C)
    strides : the same, from one window to the next; None: `pool_size`
    padding : "valid" or "same"
    factor_bits : int
    """

    def __init__(
        self, pool_size: Any = None, strides: Any = None, padding: str = "valid", factor_bits: int = 12, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size, self.strides, self.padding, self.factor_bits = pool_size, strides, padding, factor_bits

    def build(self, input_shape: Any) -> None:
        """Count the samples of each window."""
        *sizes, _ = (int(size) for size in input_shape[1:])
        self.pool = tuple(sizes) if self.pool_size is None else _each(self.pool_size, len(sizes))
        self.stride = self.pool if self.strides is None else _each(self.strides, len(sizes))
        self.pads = window_pads(sizes, self.pool, self.stride, self.padding == "same")
        counts = window_counts(sizes, self.pool, self.stride, self.pads)
        self.factor, self.factor_fmt = reciprocals(counts, self.factor_bits)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Add up every window, then multiply: floats are exact as long as they hold the products."""
        channels, above = inputs.shape[-1], (1,) * (2 - len(self.pool))
        image = tf.expand_dims(inputs, 1) if above else inputs
        padded = tf.pad(image, ((0, 0), *((0, 0) for _ in above), *self.pads, (0, 0)))
        ones = tf.ones((*above, *self.pool, channels, 1), inputs.dtype)
        down, right = (*above, *self.stride)
        sums = tf.nn.depthwise_conv2d(padded, ones, (1, 1, 1, 1), "VALID")[:, ::down, ::right]
        factor = self.factor_fmt.to_value(self.factor).reshape(*above, *self.factor.shape, 1)
        means = sums * tf.constant(factor, inputs.dtype)
        if self.pool_size is None:
            return tf.reshape(means, (-1, channels))
        return tf.squeeze(means, 1) if above else means

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        names = ("pool_size", "strides", "padding", "factor_bits")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _each(size: Any, axes: int) -> tuple[int, ...]:
    sizes = tuple(int(one) for one in np.ravel(size))
    return sizes * axes if len(sizes) == 1 else sizes
