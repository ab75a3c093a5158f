"""`QTable`: the exact form of any activation of one variable."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.layers import qkeras
from hw_amc.graph.reader import format_of


@keras.utils.register_keras_serializable("hw_amc")
class QTable(keras.layers.Layer):
    """Any function of one variable, as a table with one entry for every number of the input's format.

    Weight: `table` (2^bits,), the function's values from the least input on; rounded onto the output's format.

    Parameters
    ----------
    input_quantizer : QKeras quantiser of the tensor that comes in, of at most 12 bits
    output_quantizer : QKeras quantiser of the values
    """

    def __init__(self, input_quantizer: Any, output_quantizer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_quantizer = qkeras.get_quantizer(input_quantizer)
        self.output_quantizer = qkeras.get_quantizer(output_quantizer)

    def build(self, input_shape: Any) -> None:
        """Create `table` (zeros)."""
        self.source = format_of(self.input_quantizer, self)
        self.table = self.add_weight("table", (1 << self.source.bits,), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Look up every number."""
        index = tf.cast(inputs * 2.0**self.source.frac, tf.int32) - self.source.min_raw
        values = self.output_quantizer(self.table)

        @tf.custom_gradient
        def look_up(_: Any) -> Any:
            def gradient(dy: Any) -> Any:
                # The slope between the neighbours of each number: what training passes on.
                last = self.table.shape[0] - 1
                above, below = tf.minimum(index + 1, last), tf.maximum(index - 1, 0)
                span = tf.cast(above - below, dy.dtype) / 2.0**self.source.frac
                return dy * (tf.gather(values, above) - tf.gather(values, below)) / span

            return tf.gather(values, index), gradient

        return look_up(inputs)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration with its quantisers serialised."""
        serialise = keras.utils.serialize_keras_object
        return {
            **super().get_config(),
            "input_quantizer": serialise(self.input_quantizer),
            "output_quantizer": serialise(self.output_quantizer),
        }
