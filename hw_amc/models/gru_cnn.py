"""The pruned GRU-CNN of Kassri et al. 2024, with hard gates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hw_amc.models.blocks import HARD_GATES
from hw_amc.models.network import NetworkSpec, Published

CONV_FILTERS = 16
CONV_WIDTH = 3
DROPOUT = 0.2


@dataclass(frozen=True)
class GruCnnSpec(NetworkSpec):
    """GRU - BN - ReLU - Conv1D - BN - ReLU - mean of two - Conv1D - BN - ReLU - mean of all - BN - softmax.

    Attributes
    ----------
    cells : GRU cells, C
    """

    cells: int

    source = "Kassri et al. 2024"

    @property
    def summary(self) -> str:
        return f"GRU-CNN with {self.cells} cells"

    @property
    def kernel_weights(self) -> int:
        """3C^2 + 6C + 48C + 1,152 with 24 classes."""
        gru = 3 * self.cells * (self.cells + self.frame[1])
        return gru + CONV_WIDTH * CONV_FILTERS * (self.cells + self.outputs[0])

    @property
    def parameters(self) -> int:
        """3C^2 + 62C + 1,320 with 24 classes."""
        (classes,) = self.outputs
        biases = 2 * 3 * self.cells + CONV_FILTERS + classes
        norms = 2 * (self.cells + CONV_FILTERS + classes + classes)
        return self.kernel_weights + biases + norms

    @property
    def macs(self) -> int:
        steps, channels = self.frame
        gru = 3 * self.cells * (self.cells + channels)
        first, second = (CONV_WIDTH * CONV_FILTERS * others for others in (self.cells, self.outputs[0]))
        return steps * (gru + first) + steps // 2 * second

    def build(self, dropout: float | None = None) -> Any:
        from tensorflow import keras

        from hw_amc.models.activations import hard_sigmoid, hard_tanh

        layers, rate, (classes,) = keras.layers, DROPOUT if dropout is None else dropout, self.outputs

        def norm_relu(x: Any, name: str) -> Any:
            x = layers.BatchNormalization(name=f"{name}_norm", momentum=0.9)(x)
            return layers.ReLU(name=f"{name}_relu")(x)

        inputs = keras.Input(self.frame, name="frames")
        hard = {"activation": hard_tanh, "recurrent_activation": hard_sigmoid}
        x = layers.GRU(self.cells, return_sequences=True, reset_after=True, name="gru", **hard)(inputs)
        x = layers.Dropout(rate, name="gru_dropout")(norm_relu(x, "gru"))
        x = layers.Conv1D(CONV_FILTERS, CONV_WIDTH, padding="same", name="conv1")(x)
        x = layers.AveragePooling1D(2, name="pool")(norm_relu(x, "conv1"))
        x = layers.Dropout(rate, name="conv1_dropout")(x)
        x = layers.Conv1D(classes, CONV_WIDTH, padding="same", name="conv2")(x)
        x = layers.GlobalAveragePooling1D(name="gap")(norm_relu(x, "conv2"))
        x = layers.BatchNormalization(name="head_norm", momentum=0.9)(x)
        return keras.Model(inputs, layers.Softmax(name="softmax")(x), name=self.name)


def _published(parameters: int, average: float, best: float, memory: float, **by_snr: float) -> Published:
    snrs = {int(snr.removeprefix("db")): share for snr, share in by_snr.items()}
    return Published("Kassri et al. 2024, RadioML 2018.01A (real data)", parameters, average, best, memory, snrs)


#: Accuracies (percent) and memory (kB) as the paper prints them, by cells and sparsity.
_PUBLISHED = {
    (40, 0.0): _published(8632, 57.36, 90.72, 34),
    (50, 0.0): _published(11920, 60.38, 95.35, 48),
    (60, 0.0): _published(15840, 60.77, 95.79, 63),
    (70, 0.0): _published(20360, 60.85, 95.93, 81),
    (80, 0.0): _published(25480, 61.66, 96.65, 102),
    (90, 0.0): _published(31200, 61.56, 96.45, 125),
    (100, 0.0): _published(37107, 62.04, 96.78, 148),
    (80, 0.5): _published(13144, 61.31, 96.43, 13.1),
    (80, 0.7): _published(8210, 60.88, 95.95, 8.2, db0=0.5449, db10=0.9383),
    (80, 0.8): _published(5742, 60.18, 95.27, 5.7),
    (80, 0.85): _published(4509, 58.7, 94.01, 4.5),
}


def _network(name: str, cells: int, sparsity: float = 0.0, published: bool = True) -> GruCnnSpec:
    figures = _PUBLISHED[cells, sparsity] if published else None
    spec = GruCnnSpec(name, cells, sparsity=sparsity, published=figures, differs=HARD_GATES)
    if figures is not None and figures.parameters != spec.nonzeros:
        return replace(spec, differs=f"{HARD_GATES}; {figures.parameters:,} parameters, which no variant has")
    return spec


NETWORKS = (
    *(_network(f"gru_cnn_c{cells}", cells) for cells in range(40, 101, 10)),
    _network("gru_cnn_sparse05", 80, 0.5),
    _network("gru_cnn_sparse07", 80, 0.7),
    _network("gru_cnn_sparse08", 80, 0.8),
    _network("gru_cnn_sparse085", 80, 0.85),
    _network("gru_cnn_w4_sparse085", 80, 0.85, published=False),
)
