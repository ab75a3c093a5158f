"""`QTable` and `TableActivation`: the exact form of any function of one variable, as a layer and inside a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from hw_amc.compress.layers import qkeras
from hw_amc.errors import ConfigError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.ops.table import MAX_TABLE_BITS
from hw_amc.graph.reader import format_of


def _look_up(values: Any, inputs: Any, raw: Any, source: FixedFormat) -> Any:
    """Look `raw`, what `inputs` are as integers of a format, up; training passes the slope between neighbours on."""
    index = tf.cast(raw, tf.int32) - source.min_raw

    @tf.custom_gradient
    def look_up(_: Any) -> Any:
        def gradient(dy: Any) -> Any:
            above, below = tf.minimum(index + 1, values.shape[0] - 1), tf.maximum(index - 1, 0)
            span = tf.cast(above - below, dy.dtype) / 2.0**source.frac
            return dy * (tf.gather(values, above) - tf.gather(values, below)) / span

        return tf.gather(values, index), gradient

    return look_up(inputs)


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
        return _look_up(self.output_quantizer(self.table), inputs, inputs * 2.0**self.source.frac, self.source)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration with its quantisers serialised."""
        serialise = keras.utils.serialize_keras_object
        return {
            **super().get_config(),
            "input_quantizer": serialise(self.input_quantizer),
            "output_quantizer": serialise(self.output_quantizer),
        }


@keras.utils.register_keras_serializable("hw_amc")
class TableActivation:
    """A gate or a candidate of a recurrent cell as a table: its sum is rounded onto a format, then looked up.

    Parameters
    ----------
    bits, signed : format of the values, all bits but the sign fraction
    input_bits, input_int : signed format onto which the sum is rounded, of at most 12 bits
    table : the value for each number of that format from the least on, in integers
    """

    def __init__(self, bits: int, signed: bool, input_bits: int, input_int: int, table: Sequence[int]) -> None:
        self.fmt = FixedFormat(bits, bits - signed, bool(signed))
        self.source = FixedFormat(input_bits, input_bits - 1 - input_int)
        self.table = np.asarray(table, np.int64)
        if input_bits > MAX_TABLE_BITS or self.table.shape != (1 << input_bits,) or not self.fmt.holds(self.table):
            raise ConfigError(
                f"a table of {self.table.size} entries in {self.fmt} for sums in {self.source} is none; it has 2^bits"
                f" integers of its format, and at most {MAX_TABLE_BITS} bits"
            )

    @property
    def bits(self) -> int:
        """Bits of the values."""
        return self.fmt.bits

    def __call__(self, x: Any) -> Any:
        """Round, saturate, look up."""
        scaled = tf.round(x * 2.0**self.source.frac)
        raw = tf.clip_by_value(scaled, float(self.source.min_raw), float(self.source.max_raw))
        return _look_up(tf.constant(self.fmt.to_value(self.table), x.dtype), x, raw, self.source)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the same table again."""
        integer = self.source.bits - 1 - self.source.frac
        signs = {"bits": self.fmt.bits, "signed": self.fmt.signed}
        return {**signs, "input_bits": self.source.bits, "input_int": integer, "table": self.table.tolist()}

    @classmethod
    def from_config(cls, config: Any) -> TableActivation:
        """Make a table of what `get_config` gave."""
        return cls(**config)
