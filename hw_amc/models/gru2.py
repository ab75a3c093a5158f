"""Networks of recurrent layers alone: two GRUs and a dense layer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from hw_amc.models.blocks import HARD_GATES, heads
from hw_amc.models.counts import Count, CountedSpec, dense, gru
from hw_amc.models.network import Published, find_classes


@dataclass(frozen=True)
class Gru2Spec(CountedSpec):
    """GRU - GRU, whose last state is classified - dense - softmax; hard gates.

    Attributes
    ----------
    cells : GRU cells of each layer
    authors : whose network it is
    """

    cells: int
    _: KW_ONLY
    authors: str = "Hong et al. 2017"

    source = "Hong et al. 2017, Utrilla et al. 2020"

    @property
    def summary(self) -> str:
        return f"two GRUs of {self.cells} cells ({self.authors})"

    @property
    def count(self) -> Count:
        steps, inputs = self.frame
        (classes,) = self.outputs
        return gru(inputs, self.cells, steps) + gru(self.cells, self.cells, steps) + dense(self.cells, classes)

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        from hw_amc.models.activations import hard_sigmoid, hard_tanh

        inputs = keras.Input(self.frame, name="frames")
        hard = {"activation": hard_tanh, "recurrent_activation": hard_sigmoid}
        x = keras.layers.GRU(self.cells, return_sequences=True, reset_after=True, name="gru1", **hard)(inputs)
        x = keras.layers.GRU(self.cells, reset_after=True, name="gru2", **hard)(x)
        return keras.Model(inputs, heads(x, ("head",), self.outputs), name=self.name)


NETWORKS = (
    Gru2Spec(
        "gru2", 64, published=Published("Kassri et al. 2024, RadioML 2018.01A (real data)", 39_224, 60.26),
        differs=f"{HARD_GATES}; 39,224 parameters, which no variant has",
    ),
    # Layer sizes are ours: the published text names 73.5 kB and no sizes. In floats this is 71.6 kB.
    Gru2Spec("gru_utrilla", 43, authors="footprint of Utrilla et al. 2020", classes=find_classes("radioml2016"),
             frame=(128, 2), published=Published("Utrilla et al. 2020, over the air", memory_kb=73.5, more="92.4 %"),
             differs=f"layer sizes are not published, these are ours; {HARD_GATES}"),
)  # fmt: skip
