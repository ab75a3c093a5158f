"""The convolutional network for radar and communication of Jagannath and Jagannath, with one head or two."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from hw_amc.models.blocks import conv_relu, dense_relu, heads, image
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Classes, Published, find_classes

#: Filters and taps of both convolutions; both rows are read by the first.
FILTERS, TAPS, UNITS = (128, 64), (8, 16), (128, 64, 32)
DROPOUT = 0.5


@dataclass(frozen=True)
class DrcnnSpec(CountedSpec):
    """Conv2D(128, 2x8) - ReLU - Conv2D(64, 1x16) - ReLU - Dense 128, 64, 32, each with ReLU - a dense layer a head."""

    _: KW_ONLY
    classes: Classes = find_classes("radioml2016")  # noqa: RUF009 - it is a tuple
    frame: tuple[int, int] = (128, 2)

    source = "Jagannath and Jagannath 2021"
    tasks = ("modulation", "signal")

    @property
    def summary(self) -> str:
        return "DRCNN" if len(self.classes) == 1 else f"DRCNN with {len(self.classes)} heads"

    @property
    def count(self) -> Count:
        first = self.frame[0] - TAPS[0] + 1
        second = first - TAPS[1] + 1
        found = conv(2 * TAPS[0], 1, FILTERS[0], first) + conv(TAPS[1], FILTERS[0], FILTERS[1], second)
        for inputs, units in zip((second * FILTERS[1], *UNITS), (*UNITS, sum(self.outputs)), strict=True):
            found += dense(inputs, units)
        return found

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers, rate = keras.layers, DROPOUT if dropout is None else dropout
        inputs = keras.Input(self.frame, name="frames")
        x = conv_relu(image(inputs, rows_first=True), "conv1", FILTERS[0], (2, TAPS[0]), "valid")
        x = layers.Dropout(rate, name="conv1_dropout")(x)
        x = conv_relu(x, "conv2", FILTERS[1], (1, TAPS[1]), "valid")
        x = layers.Flatten(name="flat")(layers.Dropout(rate, name="conv2_dropout")(x))
        for place, units in enumerate(UNITS, start=1):
            x = layers.Dropout(rate, name=f"dense{place}_dropout")(dense_relu(x, f"dense{place}", units))
        return keras.Model(inputs, heads(x, self.head_names, self.outputs), name=self.name)


NETWORKS = (
    DrcnnSpec("drcnn"),
    DrcnnSpec(
        "drcnn_mtl", classes=find_classes("radcom-awgn"),
        published=Published(
            "Jagannath and Jagannath 2021 (real data)", memory_kb=12_200,
            more="1.01 M parameters; 77.5 % of modulations, 88.2 % of signals",
        ),
    ),
)  # fmt: skip
