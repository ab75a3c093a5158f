"""The networks that the project offers by name."""

from __future__ import annotations

from dataclasses import dataclass

from hw_amc.config import suggest
from hw_amc.errors import ConfigError

CONV_FILTERS = 16
CONV_WIDTH = 3
INPUTS = 2


@dataclass(frozen=True)
class GruCnnSpec:
    """The pruned GRU-CNN of Kassri et al. 2024.

    Attributes
    ----------
    name : as in `MODELS`
    cells : GRU cells, C
    sparsity : fraction of zero kernel weights, 0 for a dense network
    classes : number of classes, also the filters of the second convolution
    frame_len : samples a frame, T
    """

    name: str
    cells: int
    sparsity: float = 0.0
    classes: int = 24
    frame_len: int = 1024

    @property
    def kernel_weights(self) -> int:
        """Weights that pruning may remove: 3C^2 + 6C + 48C + 1,152 with 24 classes."""
        gru = 3 * self.cells * (self.cells + INPUTS)
        return gru + CONV_WIDTH * CONV_FILTERS * (self.cells + self.classes)

    @property
    def parameters(self) -> int:
        """Trainable parameters of the float network: 3C^2 + 62C + 1,320 with 24 classes."""
        biases = 2 * 3 * self.cells + CONV_FILTERS + self.classes
        norms = 2 * (self.cells + CONV_FILTERS + self.classes + self.classes)
        return self.kernel_weights + biases + norms

    @property
    def kernel_nonzeros(self) -> int:
        """Kernel weights that remain after pruning."""
        return round(self.kernel_weights * (1.0 - self.sparsity))

    @property
    def nonzeros(self) -> int:
        """Remaining parameters of the float network, as published: biases and norms stay dense."""
        return self.parameters - self.kernel_weights + self.kernel_nonzeros


MODELS: dict[str, GruCnnSpec] = {
    spec.name: spec
    for spec in (
        *(GruCnnSpec(f"gru_cnn_c{cells}", cells) for cells in range(40, 101, 10)),
        GruCnnSpec("gru_cnn_sparse05", 80, 0.5),
        GruCnnSpec("gru_cnn_sparse07", 80, 0.7),
        GruCnnSpec("gru_cnn_sparse08", 80, 0.8),
        GruCnnSpec("gru_cnn_sparse085", 80, 0.85),
        GruCnnSpec("gru_cnn_w4_sparse085", 80, 0.85),
    )
}


def find(name: str) -> GruCnnSpec:
    """Look a network up by name.

    Raises
    ------
    ConfigError
        No network has this name; the message names the nearest.
    """
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}{suggest(name, sorted(MODELS))}")
    return MODELS[name]
