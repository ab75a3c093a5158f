"""MCNet of Huynh-The et al. 2020: asymmetric convolutions side by side, with ways around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hw_amc.models.blocks import conv_relu, heads, image
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Published, by_snr

#: Filters of the first convolution, of the branches of the block behind it, and in front of each block's branches.
STEM, BRANCH, POINT = 64, 32, 32
#: Filters of the branches 3x1, 1x3 and 1x1 of each block, and whether it halves the steps.
BLOCKS = {name: ((48, 48, 32), name in "ACE") for name in "ABCDE"} | {"F": ((96, 96, 64), False)}
DROPOUT = 0.5


@dataclass(frozen=True)
class McnetSpec(CountedSpec):
    """A convolution of 3x7, a block of two branches, six blocks of three, a mean over all, a dense layer.

    Blocks A to E are added to what they read: in front of A it goes through 1x1, where a block halves the steps through
    a maximum. The counts are those of the authors' layers (126,616); 151,224 is printed as well.
    """

    source = "Huynh-The et al. 2020"

    @property
    def summary(self) -> str:
        return "MCNet of six blocks"

    @property
    def count(self) -> Count:
        (steps, rows), (classes,) = self.frame, self.outputs
        places = rows * steps // 2
        found = conv(21, 1, STEM, places)
        places //= 2
        found += conv(3, STEM, BRANCH, places)
        places //= 2
        found += conv(3, STEM, BRANCH, places)
        channels = STEM
        for name, ((down, along, point), halves) in BLOCKS.items():
            found += conv(1, channels, POINT, places)
            places //= 2 if halves else 1
            found += conv(3, POINT, down, places) + conv(3, POINT, along, places) + conv(1, POINT, point, places)
            found += conv(1, channels, down + along + point, places) if name == "A" else Count()
            skipped, channels = channels, down + along + point
        return found + dense(channels + skipped, classes)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers, rate = keras.layers, DROPOUT if dropout is None else dropout
        inputs = keras.Input(self.frame, name="frames")
        x = conv_relu(image(inputs, rows_first=True), "conv", STEM, (3, 7), strides=(1, 2))
        x = _halved(x, "pool", layers.MaxPooling2D)
        first = _halved(conv_relu(x, "pre_down", BRANCH, (3, 1)), "pre_pool", layers.AveragePooling2D)
        second = conv_relu(x, "pre_along", BRANCH, (1, 3), strides=(1, 2))
        x = layers.Concatenate(name="pre")([first, second])
        for name, (filters, halves) in BLOCKS.items():
            y = _block(x, name, filters, halves)
            if name == "F":
                break
            if name == "A":
                x = conv_relu(x, "a_around", sum(filters), (1, 1), strides=(1, 2))
            elif halves:
                x = _halved(x, f"{name.lower()}_around", layers.MaxPooling2D)
            x = layers.Add(name=f"{name.lower()}_sum")([x, y])
        x = layers.GlobalAveragePooling2D(name="mean")(layers.Concatenate(name="last")([y, x]))
        x = layers.Dropout(rate, name="dropout")(x)
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


def _halved(x: Any, name: str, kind: Any) -> Any:
    return kind((1, 3), strides=(1, 2), padding="same", name=name)(x)


def _block(x: Any, name: str, filters: tuple[int, ...], halves: bool) -> Any:
    from tensorflow.keras import layers

    word, strides = name.lower(), (1, 2) if halves else 1
    x = conv_relu(x, f"{word}_point", POINT, (1, 1))
    branches = [
        conv_relu(x, f"{word}_{size[0]}x{size[1]}", count, size, strides=strides)
        for count, size in zip(filters, ((3, 1), (1, 3), (1, 1)), strict=True)
    ]
    return layers.Concatenate(name=f"{word}_all")(branches)


#: Accuracy, %, at -10:2:20 dB, as Kim et al. 2020 print it; parameters and average are Kassri et al.'s.
_MCNET = (15.19, 22.32, 29.53, 36.62, 46.12, 53.51, 62.38, 67.48, 74.45, 80.52, 86.06, 89.2, 89.86, 91.23, 92.69, 93.59)

NETWORKS = (
    McnetSpec(
        "mcnet",
        published=Published(
            "Kim et al. 2020; parameters, average: Kassri et al. 2024; RadioML 2018.01A (real data)", 151_224, 58.3,
            93.59, by_snr=by_snr(-10, _MCNET),
        ),
        differs="151,224 parameters, which the authors' layers do not give",
    ),
)  # fmt: skip
