"""`QAffine`, the exact form of a batch normalisation, and `ReverseTime`, which Keras has inside of layers only."""

from __future__ import annotations

from typing import Any

from tensorflow import keras

from hw_amc.compress.qkeras_shims import load_qkeras

qkeras = load_qkeras()


@keras.utils.register_keras_serializable("hw_amc")
class QAffine(keras.layers.Layer):
    """x * q(scale) + q(bias) over the last axis.

    Weights: `scale` (C,) and `bias` (C,). For an exact result the bias has the product's precision: its fraction
    bits are the input's plus the scale's.

    Parameters
    ----------
    scale_quantizer, bias_quantizer : QKeras quantisers (objects, strings or serialised), alpha=1
    """

    def __init__(self, scale_quantizer: Any, bias_quantizer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale_quantizer = qkeras.get_quantizer(scale_quantizer)
        self.bias_quantizer = qkeras.get_quantizer(bias_quantizer)

    def build(self, input_shape: Any) -> None:
        """Create `scale` (ones) and `bias` (zeros)."""
        channels = (int(input_shape[-1]),)
        self.scale = self.add_weight("scale", channels, initializer="ones")
        self.bias = self.add_weight("bias", channels, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Apply the quantised scale and bias."""
        return inputs * self.scale_quantizer(self.scale) + self.bias_quantizer(self.bias)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration with its quantisers serialised."""
        serialise = keras.utils.serialize_keras_object
        return {
            **super().get_config(),
            "scale_quantizer": serialise(self.scale_quantizer),
            "bias_quantizer": serialise(self.bias_quantizer),
        }


@keras.utils.register_keras_serializable("hw_amc")
class ReverseTime(keras.layers.Layer):
    """A frame (n, T, C) with its last sample first."""

    def call(self, inputs: Any) -> Any:
        """Turn the frame around."""
        return inputs[:, ::-1]
