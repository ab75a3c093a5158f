"""Networks of Baishya et al.'s study of edge-efficient classifiers: a residual one, and one of inception modules."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from hw_amc.errors import ConfigError
from hw_amc.models.blocks import conv_relu, dense_relu, heads, image
from hw_amc.models.counts import Count, CountedSpec, conv, dense
from hw_amc.models.network import Classes, Published, find_classes

FILTERS, UNITS = 50, 256
#: Form -> zeros before and behind each row.
FORMS = {"resnet": (2, 2), "inception": (1, 2)}
#: Taps of the residual network's convolutions, and of the branches of a module behind their first one of size 1.
RESIDUAL_TAPS, BRANCH_TAPS = 9, (3, 8)


@dataclass(frozen=True)
class EdgeSpec(CountedSpec):
    """Zeros around each row - convolutions - Dense(256) - ReLU - Dense.

    `resnet` has four convolutions of 1x9, of which two have a way around; `inception` two modules of 1x1, 1x1 - 1x3
    and 1x1 - 1x8. Counts and flattened sizes are the published ones; where the ways around go is not published.

    Attributes
    ----------
    form : one of `FORMS`
    """

    form: str
    _: KW_ONLY
    classes: Classes = find_classes("radioml2016")  # noqa: RUF009 - it is a tuple
    frame: tuple[int, int] = (128, 2)

    source = "West and O'Shea 2017; Baishya et al."

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ConfigError(f"{self.name} has form {self.form!r}; known: {', '.join(FORMS)}")

    @property
    def summary(self) -> str:
        return f"{self.form} of {FILTERS} filters"

    @property
    def count(self) -> Count:
        places, (classes,) = 2 * (self.frame[0] + sum(FORMS[self.form])), self.outputs
        found, channels = Count(), 1
        if self.form == "resnet":
            for inputs in (1, FILTERS, FILTERS, FILTERS):
                found += conv(RESIDUAL_TAPS, inputs, FILTERS, places)
            channels = FILTERS
        else:
            for _ in range(2):
                found += conv(1, channels, 3 * FILTERS, places)
                for taps in BRANCH_TAPS:
                    found += conv(taps, FILTERS, FILTERS, places)
                channels = 3 * FILTERS
        return found + dense(places * channels, UNITS) + dense(UNITS, classes)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        layers, rate = keras.layers, 0.5 if dropout is None else dropout
        inputs = keras.Input(self.frame, name="frames")
        x = layers.ZeroPadding2D(((0, 0), FORMS[self.form]), name="pad")(image(inputs, rows_first=True))
        x = _residual(x) if self.form == "resnet" else _module(_module(x, "first"), "second")
        x = dense_relu(layers.Flatten(name="flat")(x), "dense", UNITS)
        x = layers.Dropout(rate, name="dense_dropout")(x)
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


def _residual(x: Any) -> Any:
    from tensorflow.keras import layers

    size = (1, RESIDUAL_TAPS)
    x = conv_relu(x, "conv1", FILTERS, size)
    y = layers.Conv2D(FILTERS, size, padding="same", name="conv3")(conv_relu(x, "conv2", FILTERS, size))
    x = layers.ReLU(name="sum_relu")(layers.Add(name="sum")([x, y]))
    return conv_relu(x, "conv4", FILTERS, size)


def _module(x: Any, name: str) -> Any:
    from tensorflow.keras import layers

    branches = [conv_relu(x, f"{name}_point", FILTERS, (1, 1))]
    for taps in BRANCH_TAPS:
        y = conv_relu(x, f"{name}_point{taps}", FILTERS, (1, 1))
        branches.append(conv_relu(y, f"{name}_wide{taps}", FILTERS, (1, taps)))
    return layers.Concatenate(name=f"{name}_all")(branches)


_SOURCE = "Baishya et al., RadioML 2016.10A (real data)"

NETWORKS = (
    EdgeSpec(
        "resnet", "resnet", published=Published(_SOURCE, more="3.45 M parameters"),
        differs="where the way around goes is not published",
    ),
    EdgeSpec("inception", "inception", published=Published(_SOURCE, more="10.14 M parameters")),
)  # fmt: skip
