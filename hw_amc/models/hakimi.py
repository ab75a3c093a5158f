"""The compressed convolutional networks of Hakimi 2024."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import reduce
from operator import add
from typing import Any

from hw_amc.models.blocks import conv_relu, heads
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Classes, Published, find_classes


@dataclass(frozen=True)
class HakimiSpec(CountedSpec):
    """Convolutions over time, each with BN, ReLU and (but the last) a maximum of two; a mean; a dense layer.

    Attributes
    ----------
    filters, taps : of each convolution
    """

    filters: tuple[int, ...]
    taps: tuple[int, ...]
    _: KW_ONLY
    classes: Classes = find_classes("radioml2016")  # noqa: RUF009 - it is a tuple

    source = "Hakimi 2024"

    def __post_init__(self) -> None:
        # What JSON gives are lists.
        object.__setattr__(self, "filters", tuple(self.filters))
        object.__setattr__(self, "taps", tuple(self.taps))

    @property
    def summary(self) -> str:
        return f"{len(self.filters)} convolutions over time"

    @property
    def count(self) -> Count:
        steps, channels = self.frame
        inputs = (channels, *self.filters)
        layers = [
            conv(taps, inputs[place], filters, steps >> place, norm=True)
            for place, (filters, taps) in enumerate(zip(self.filters, self.taps, strict=True))
        ]
        return reduce(add, [*layers, dense(self.filters[-1], self.outputs[0])])

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        inputs = keras.Input(self.frame, name="frames")
        x = keras.layers.Reshape((1, *self.frame), name="image")(inputs)
        for place, (filters, taps) in enumerate(zip(self.filters, self.taps, strict=True), start=1):
            x = conv_relu(x, f"conv{place}", filters, (1, taps), norm=True)
            if place < len(self.filters):
                x = keras.layers.MaxPooling2D((1, 2), name=f"pool{place}")(x)
        x = keras.layers.Flatten(name="flat")(keras.layers.AveragePooling2D((1, x.shape[2]), name="mean")(x))
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


_SOURCE = "Hakimi 2024 (real data); float32"
_NORMS = "without batch normalisation"

NETWORKS = (
    HakimiSpec(
        "hakimi", (16, 24, 32, 48, 64, 96), (8,) * 6,
        published=Published(
            _SOURCE, 96_835, memory_kb=387.3, by_snr={30: 0.977}, more=f"97.7 % at 30 dB; 8,127,520 MACs; {_NORMS}"
        ),
    ),
    HakimiSpec(
        "hakimi_optimised", (16, 24, 32, 48, 64, 96, 128), (4, *(2,) * 6),
        published=Published(
            _SOURCE, 50_339, memory_kb=201.4, by_snr={30: 0.9743},
            more=f"97.43 % at 30 dB, 97.05 % and 54.6 kB in 8 bits; 2,491,798 MACs, a sum of rounded values; {_NORMS}",
        ),
    ),
)  # fmt: skip
