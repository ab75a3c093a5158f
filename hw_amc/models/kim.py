"""The lightweight backbone of Kim et al. 2020: asymmetric convolutions in bottlenecks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hw_amc.models.blocks import conv_relu, heads, image
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Published, by_snr

#: Filters of both convolutions in front, and zeros around their images.
STEM, PAD = (16, 32), ((3, 3), (1, 1))
#: Outer and inner filters of each bottleneck.
BLOCKS = ((32, 8), (64, 16), (128, 32))


@dataclass(frozen=True)
class KimSpec(CountedSpec):
    """Two convolutions of 3x3 with means of 2x2, three bottlenecks with a way around, a mean, a dense layer.

    Each convolution has BN and ReLU; a bottleneck is 1x1 - 3x1 - 1x3 - 1x1, and its first output is added to its last.
    """

    source = "Kim et al. 2020"

    @property
    def summary(self) -> str:
        return "lightweight backbone of bottlenecks"

    @property
    def count(self) -> Count:
        (rows, columns), (classes,) = self.frame[::-1], self.outputs
        found, channels = Count(), 1
        for filters in STEM:
            rows += sum(PAD[0]) - 2
            found += conv(9, channels, filters, rows * columns, norm=True)
            rows, columns, channels = rows // 2, columns // 2, filters
        for outer, inner in BLOCKS:
            sizes = ((1, channels, outer), (3, outer, inner), (3, inner, inner), (1, inner, outer))
            for taps, inputs, outputs in sizes:
                found += conv(taps, inputs, outputs, rows * columns, norm=True)
            channels = outer
        return found + dense(channels, classes)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers = keras.layers
        inputs = keras.Input(self.frame, name="frames")
        x = image(inputs, rows_first=True)
        for place, filters in enumerate(STEM, start=1):
            x = layers.ZeroPadding2D(PAD, name=f"pad{place}")(x)
            x = conv_relu(x, f"conv{place}", filters, (3, 3), "valid", norm=True)
            x = layers.AveragePooling2D(2, name=f"pool{place}")(x)
        for place, (outer, inner) in enumerate(BLOCKS, start=1):
            x = first = conv_relu(x, f"block{place}_in", outer, (1, 1), norm=True)
            x = conv_relu(x, f"block{place}_down", inner, (3, 1), norm=True)
            x = conv_relu(x, f"block{place}_along", inner, (1, 3), norm=True)
            x = conv_relu(x, f"block{place}_out", outer, (1, 1), norm=True)
            x = layers.Add(name=f"block{place}_sum")([first, x])
        x = layers.GlobalAveragePooling2D(name="mean")(x)
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


#: Accuracy, %, at -10:2:20 dB (Kim et al. 2020); the average over all SNRs is Kassri et al.'s.
_KIM = (10.97, 17.39, 26.66, 36.78, 46.65, 56.64, 65.32, 75.65, 84.01, 89.29, 91.48, 92.86, 94.21, 94.5, 94.59, 94.97)

NETWORKS = (
    KimSpec(
        "lightweight",
        published=Published(
            "Kim et al. 2020; average: Kassri et al. 2024; RadioML 2018.01A (real data)", 46_472, 60.29, 94.97,
            by_snr=by_snr(-10, _KIM),
        ),
    ),
)  # fmt: skip
