"""The residual network of O'Shea et al. 2018."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hw_amc.models.blocks import conv_relu, heads, image
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Published

STACKS, FILTERS, SIZE, UNITS = 6, 32, (3, 2), 128
DROPOUT = 0.3


@dataclass(frozen=True)
class OsheaResnetSpec(CountedSpec):
    """Six stacks (1x1 linear, two residual units of two convolutions, a maximum of two) and two dense layers with SELU.

    The size of a convolution is not published: 3x2 gives 238,840 parameters, and 236,344 are printed. I and Q are
    two columns, which the first maximum joins.
    """

    source = "O'Shea et al. 2018"

    @property
    def summary(self) -> str:
        return f"residual network of {STACKS} stacks"

    @property
    def count(self) -> Count:
        (steps, columns), (classes,), channels, found = self.frame, self.outputs, 1, Count()
        for _ in range(STACKS):
            found += conv(1, channels, FILTERS, steps * columns)
            for _ in range(4):
                found += conv(SIZE[0] * SIZE[1], FILTERS, FILTERS, steps * columns)
            steps, columns, channels = steps // 2, 1, FILTERS
        return found + dense(steps * FILTERS, UNITS) + dense(UNITS, UNITS) + dense(UNITS, classes)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers, rate = keras.layers, DROPOUT if dropout is None else dropout
        inputs = keras.Input(self.frame, name="frames")
        x = image(inputs)
        for stack in range(1, STACKS + 1):
            x = layers.Conv2D(FILTERS, 1, name=f"stack{stack}_linear")(x)
            for unit in range(1, 3):
                x = _unit(x, f"stack{stack}_unit{unit}")
            x = layers.MaxPooling2D((2, x.shape[2]), name=f"stack{stack}_pool")(x)
        x = layers.Flatten(name="flat")(x)
        for place in range(1, 3):
            x = layers.Dense(UNITS, activation="selu", name=f"dense{place}")(x)
            x = layers.AlphaDropout(rate, name=f"dense{place}_dropout")(x)
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


def _unit(x: Any, name: str) -> Any:
    from tensorflow.keras import layers

    y = conv_relu(x, f"{name}_first", FILTERS, SIZE)
    y = layers.Conv2D(FILTERS, SIZE, padding="same", name=f"{name}_second")(y)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([x, y]))


NETWORKS = (
    OsheaResnetSpec(
        "oshea_resnet",
        published=Published(
            "O'Shea et al. 2018; average: Kassri et al. 2024; RadioML 2018.01A (real data)", 236_344, 47.47
        ),
        differs="size of the kernels is not published; 3x2 is nearest",
    ),
)
