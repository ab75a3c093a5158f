"""Figures of the published system that a page shows apart from ours: other hardware, real recordings."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Kassri et al. 2024, RadioML 2018.01A (real data)"


@dataclass(frozen=True)
class Row:
    """One published variant: GRU-CNN of `cells` cells."""

    cells: int
    sparsity: float
    parameters: int
    average_percent: float
    best_percent: float
    memory_kb: float


ROWS = (
    Row(80, 0.0, 25480, 61.66, 96.65, 102),
    Row(80, 0.5, 13144, 61.31, 96.43, 13.1),
    Row(80, 0.7, 8210, 60.88, 95.95, 8.2),
    Row(80, 0.8, 5742, 60.18, 95.27, 5.7),
    Row(80, 0.85, 4509, 58.7, 94.01, 4.5),
)
#: Accuracy of the variant of sparsity 0.7 by SNR in dB.
BY_SNR = {0: 0.5449, 10: 0.9383}
#: The same network on a Quadro M6000.
GPU_FRAMES_PER_S = 13700


def applies(model: str) -> bool:
    """Whether a model is of the published family."""
    return model.startswith("gru_cnn")
