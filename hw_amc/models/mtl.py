"""The multi-task learner of Jagannath and Jagannath: one trunk, a head for the modulation and one for the signal."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from hw_amc.errors import ConfigError
from hw_amc.models.network import Classes, NetworkSpec, Published, find_classes

#: The 128 complex samples of a frame are seen as an image of so many rows and columns.
SIDE = 16
TRUNK_FILTERS, TASK_FILTERS, WINDOW, UNITS = 8, 4, 3, 256
#: Rates of the dropout behind the trunk and each convolution, and behind each dense layer.
DROPOUT, DENSE_DROPOUT = 0.25, 0.5


@dataclass(frozen=True)
class MtlSpec(NetworkSpec):
    """Conv2D - BN - ReLU - maximum; for each head Conv2D - BN - ReLU - Dense - ReLU - Dense - softmax.

    Sizes: 16x16x1, behind the trunk 14x14x8, behind the maximum (2x2, stride 1) 13x13x8, in each head 11x11x4, 256.
    The published count of parameters leaves no room for a batch normalisation behind the dense layers.
    """

    _: KW_ONLY
    classes: Classes = find_classes("radcom-awgn")  # noqa: RUF009 - it is a tuple
    frame: tuple[int, int] = (SIDE * SIDE // 2, 2)

    source = "Jagannath and Jagannath 2021"
    tasks = ("modulation", "signal")

    def __post_init__(self) -> None:
        samples = SIDE * SIDE // 2
        if self.frame != (samples, 2):
            raise ConfigError(f"{self.name} takes frames of {samples} samples, 2 values each, not {self.frame}")

    @property
    def summary(self) -> str:
        return f"multi-task learner with {len(self.classes)} heads"

    @property
    def _flat(self) -> int:
        """Values that each head's dense layer takes."""
        return (SIDE - 2 * (WINDOW - 1) - 1) ** 2 * TASK_FILTERS

    @property
    def kernel_weights(self) -> int:
        window = WINDOW * WINDOW
        task = window * TRUNK_FILTERS * TASK_FILTERS + self._flat * UNITS
        return window * TRUNK_FILTERS + sum(task + UNITS * classes for classes in self.outputs)

    @property
    def parameters(self) -> int:
        # Each filter has a bias, a gamma and a beta; each unit and class a bias.
        filters = TRUNK_FILTERS + len(self.outputs) * TASK_FILTERS
        return self.kernel_weights + 3 * filters + len(self.outputs) * UNITS + sum(self.outputs)

    @property
    def macs(self) -> int:
        window, trunk = WINDOW * WINDOW, SIDE - WINDOW + 1
        task = (trunk - WINDOW) ** 2 * window * TRUNK_FILTERS * TASK_FILTERS + self._flat * UNITS
        return trunk**2 * window * TRUNK_FILTERS + sum(task + UNITS * classes for classes in self.outputs)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers = keras.layers
        rate, dense_rate = (DROPOUT, DENSE_DROPOUT) if dropout is None else (dropout, dropout)

        def norm_relu(x: Any, name: str) -> Any:
            x = layers.BatchNormalization(name=f"{name}_norm", momentum=0.9)(x)
            return layers.ReLU(name=f"{name}_relu")(x)

        inputs = keras.Input(self.frame, name="frames")
        x = layers.Reshape((SIDE, SIDE, 1), name="image")(inputs)
        x = norm_relu(layers.Conv2D(TRUNK_FILTERS, WINDOW, name="trunk")(x), "trunk")
        x = layers.MaxPooling2D(2, strides=1, name="trunk_pool")(x)
        trunk = layers.Dropout(rate, name="trunk_dropout")(x)
        heads = []
        for task, classes in zip(self.head_names, self.outputs, strict=True):
            x = norm_relu(layers.Conv2D(TASK_FILTERS, WINDOW, name=f"{task}_conv")(trunk), f"{task}_conv")
            x = layers.Flatten(name=f"{task}_flat")(layers.Dropout(rate, name=f"{task}_conv_dropout")(x))
            x = layers.ReLU(name=f"{task}_dense_relu")(layers.Dense(UNITS, name=f"{task}_dense")(x))
            x = layers.Dropout(dense_rate, name=f"{task}_dense_dropout")(x)
            x = layers.Dense(classes, name=task)(x)
            heads.append(layers.Softmax(name=f"{task}_softmax")(x))
        return keras.Model(inputs, heads, name=self.name)


_SOURCE = "Jagannath and Jagannath 2021 (real data)"

NETWORKS = (
    MtlSpec(
        "mtl",
        published=Published(
            _SOURCE, memory_kb=3_200,
            more="0.253 M parameters; modulations / signals 97.87 / 92.3 % at 0 dB, 99.53 / 99.53 % at 10 dB,"
            " 82.4 / 90.1 % over the air; 251.6 kB in 8 bits",
        ),
        differs="0.253 M parameters are those of 6 and 8 classes (`mtl_dynamic`)",
    ),
    MtlSpec(
        "mtl_dynamic", classes=find_classes("radcom-dynamic"),
        published=Published(_SOURCE, memory_kb=3_200, more="0.253 M parameters"),
    ),
)  # fmt: skip
