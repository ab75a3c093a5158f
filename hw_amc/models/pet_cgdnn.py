"""PET-CGDNN of Zhang et al. 2021: the frame is turned by an angle that the network estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hw_amc.models.blocks import HARD_GATES, conv_relu, heads
from hw_amc.models.counts import Count, CountedSpec, conv, dense, gru
from hw_amc.models.network import Published, by_snr

FIRST, SECOND, CELLS = 75, 25, 128
TAPS = (8, 5)


@dataclass(frozen=True)
class PetCgdnnSpec(CountedSpec):
    """angle = Dense(frame); I cos + Q sin, Q cos - I sin - Conv2D(75, 8x2) - Conv2D(25, 5x1) - GRU(128) - dense.

    The GRU has hard gates here.
    """

    source = "Zhang et al. 2021"

    @property
    def summary(self) -> str:
        return f"phase estimation, two convolutions, a GRU of {CELLS} cells"

    @property
    def count(self) -> Count:
        (steps, channels), (classes,) = self.frame, self.outputs
        first = steps - TAPS[0] + 1
        second = first - TAPS[1] + 1
        convolutions = conv(TAPS[0] * channels, 1, FIRST, first) + conv(TAPS[1], FIRST, SECOND, second)
        return dense(steps * channels, 1) + convolutions + gru(SECOND, CELLS, second) + dense(CELLS, classes)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        from hw_amc.models.activations import hard_sigmoid, hard_tanh

        layers = keras.layers
        inputs = keras.Input(self.frame, name="frames")
        x = layers.Reshape((*self.frame, 1), name="image")(_turned(inputs))
        x = conv_relu(x, "conv1", FIRST, (TAPS[0], self.frame[1]), "valid")
        x = conv_relu(x, "conv2", SECOND, (TAPS[1], 1), "valid")
        x = layers.Reshape((x.shape[1], SECOND), name="steps")(x)
        gates = {"activation": hard_tanh, "recurrent_activation": hard_sigmoid}
        x = layers.GRU(CELLS, reset_after=True, name="gru", **gates)(x)
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


def _turned(inputs: Any) -> Any:
    """Turn frames (T, 2) by the angle that a dense layer makes of them."""
    from tensorflow.keras import layers

    from hw_amc.models.activations import cosine, sine

    steps = inputs.shape[1]
    angle = layers.Dense(1, name="angle")(layers.Flatten(name="flat")(inputs))
    turns = {
        name: layers.Reshape((1, 1), name=f"{name}_all")(layers.Activation(function, name=name)(angle))
        for name, function in (("cos", cosine), ("sin", sine))
    }
    rows = layers.Permute((2, 1), name="rows")(inputs)
    parts = {"i": layers.Cropping1D((0, 1), name="i")(rows), "q": layers.Cropping1D((1, 0), name="q")(rows)}
    products = {
        part + turn: layers.Multiply(name=f"{part}_{turn}")([parts[part], turns[turn]])
        for part in parts
        for turn in turns
    }
    first = layers.Add(name="turned_i")([products["icos"], products["qsin"]])
    second = layers.Subtract(name="turned_q")([products["qcos"], products["isin"]])
    columns = [layers.Reshape((steps, 1), name=f"{name}_column")(x) for name, x in (("i", first), ("q", second))]
    return layers.Concatenate(name="turned")(columns)


#: Accuracy, %, at -20:2:30 dB.
_BY_SNR = (
    4.7, 4.8, 5.4, 6.9, 8.6, 13.2, 18.1, 24.9, 33.9, 45.2, 58.1, 69.6, 81.1, 91.0, 95.8, 97.0, 97.8, 97.7, 98.1, 97.9,
    98.0, 98.1, 98.0, 98.2, 97.9, 98.1,
)  # fmt: skip

NETWORKS = (
    PetCgdnnSpec(
        "pet_cgdnn",
        published=Published(
            "Zhang et al. 2021; half pruned: Kassri et al. 2024; RadioML 2018.01A (real data)", 75_340,
            best_percent=98.2, by_snr=by_snr(-20, _BY_SNR), more="half pruned 59.6 % on average",
        ),
        differs=HARD_GATES,
    ),
)  # fmt: skip
