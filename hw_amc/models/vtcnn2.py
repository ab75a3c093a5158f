"""VTCNN2 of O'Shea et al. 2016, with one head or two."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from hw_amc.models.blocks import conv_relu, dense_relu, heads, image
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Classes, Published, find_classes

#: Zeros before and behind each row, in front of both convolutions.
PAD = 2
FIRST, SECOND, UNITS, WINDOW = 256, 80, 256, 3
DROPOUT = 0.5


@dataclass(frozen=True)
class Vtcnn2Spec(CountedSpec):
    """Pad - Conv2D(256, 1x3) - ReLU - pad - Conv2D(80, 2x3) - ReLU - Dense(256) - ReLU - a dense layer a head."""

    _: KW_ONLY
    classes: Classes = find_classes("radioml2016")  # noqa: RUF009 - it is a tuple
    frame: tuple[int, int] = (128, 2)

    source = "O'Shea et al. 2016; Jagannath and Jagannath 2021"
    tasks = ("modulation", "signal")

    @property
    def summary(self) -> str:
        return "VTCNN2" if len(self.classes) == 1 else f"VTCNN2 with {len(self.classes)} heads"

    @property
    def count(self) -> Count:
        steps = self.frame[0] + 2 * PAD - WINDOW + 1
        last = steps + 2 * PAD - WINDOW + 1
        trunk = conv(WINDOW, 1, FIRST, 2 * steps) + conv(2 * WINDOW, FIRST, SECOND, last) + dense(last * SECOND, UNITS)
        return trunk + dense(UNITS, sum(self.outputs))

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers, rate = keras.layers, DROPOUT if dropout is None else dropout
        inputs = keras.Input(self.frame, name="frames")
        x = layers.ZeroPadding2D((0, PAD), name="pad1")(image(inputs, rows_first=True))
        x = layers.Dropout(rate, name="conv1_dropout")(conv_relu(x, "conv1", FIRST, (1, WINDOW), "valid"))
        x = layers.ZeroPadding2D((0, PAD), name="pad2")(x)
        x = layers.Dropout(rate, name="conv2_dropout")(conv_relu(x, "conv2", SECOND, (2, WINDOW), "valid"))
        x = dense_relu(layers.Flatten(name="flat")(x), "dense", UNITS)
        x = layers.Dropout(rate, name="dense_dropout")(x)
        return keras.Model(inputs, heads(x, self.head_names, self.outputs), name=self.name)


NETWORKS = (
    Vtcnn2Spec("vtcnn2", published=Published("Baishya et al., RadioML 2016.10A (real data)", 2_830_427)),
    Vtcnn2Spec(
        "vtcnn_mtl", classes=find_classes("radcom-awgn"),
        published=Published(
            "Jagannath and Jagannath 2021 (real data)", memory_kb=34_000,
            more="2.83 M parameters; 80.14 % of modulations, 87.65 % of signals",
        ),
    ),
)  # fmt: skip
