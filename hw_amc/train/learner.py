"""What a training run asks of a network, whichever device it learns on; and its validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hw_amc.train.data import STILL, FrameSet, Varied

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Learner(Protocol):
    """A network under training, with its optimiser and its masks of removed weights."""

    #: Weight of every head in the loss.
    shares: tuple[float, ...]

    @property
    def kernel_weights(self) -> int:
        """Weights that pruning may remove."""

    @property
    def weights(self) -> list[Floats]:
        """Weights and statistics, in the order of Keras' `get_weights`."""

    @property
    def state(self) -> list[Floats]:
        """What a checkpoint must keep: weights, statistics, optimiser, masks."""

    def set_weights(self, arrays: Sequence[Floats]) -> None:
        """Take weights and statistics in the order of `weights`."""

    def set_state(self, arrays: Sequence[Floats]) -> None:
        """Take the arrays of `state`."""

    def draw_weights(self, generator: np.random.Generator) -> None:
        """Draw the first weights of the kernels, by `draw_kernel`."""

    def crop(
        self,
        frames: FrameSet,
        rows: Any,
        length: int,
        generator: np.random.Generator,
        varied: Varied = STILL,
    ) -> tuple[Any, Any]:
        """Cut, turn and scale frames as `hw_amc.train.data.crop` does; values for `step` and `predict`, and labels."""

    def step(self, x: Any, labels: Any, rate: float) -> tuple[float, float]:
        """Take one optimiser step; return its loss and its share of frames with every head right."""

    def predict(self, x: Any) -> list[Floats]:
        """Logits (n, classes) of every head for (n, T, channels) values."""

    def prune(self, keep: int, by_layer: bool = False) -> None:
        """Remove all but `keep` kernel weights."""

    def keep_zeros(self) -> None:
        """Take the masks from the weights: what is zero stays zero."""

    def recalibrate(self, batches: list[Any]) -> None:
        """Replace the batch-norm statistics by their mean over batches of frames."""


def draw_kernel(shape: Sequence[int], gates: int, generator: np.random.Generator) -> Floats:
    """Draw first weights: He's normal ones; for a recurrent kernel of `gates`, orthogonal blocks at half their size."""
    if gates:
        blocks = [np.linalg.qr(generator.normal(size=(shape[0], shape[0])))[0] for _ in range(gates)]
        return np.asarray(np.concatenate(blocks, axis=1) * 0.5, np.float32)
    fan = float(np.prod(shape[:-1]) + shape[-1])
    return np.asarray(generator.normal(size=shape).astype(np.float32) * np.sqrt(2.0 / fan), np.float32)


def by_head(labels: Any) -> Any:
    """Labels as one column a head: (n,) -> (n, 1)."""
    array = np.asarray(labels)
    return array[:, None] if array.ndim == 1 else array


def validate(learner: Learner, x: Any, labels: Any, batch: int = 256) -> tuple[float, float]:
    """Mean loss, and share with every head right, over frames (n, T, channels)."""
    parts = [learner.predict(x[i : i + batch]) for i in range(0, len(x), batch)]
    logits = [np.concatenate(head) for head in zip(*parts, strict=True)]
    columns = by_head(labels)
    loss = 0.0
    for head, (given, share) in enumerate(zip(logits, learner.shares, strict=True)):
        wide = given.astype(np.float64)
        wide -= wide.max(-1, keepdims=True)
        right = np.take_along_axis(wide, columns[:, head, None].astype(np.int64), -1)[:, 0]
        loss += share * float(np.mean(np.log(np.exp(wide).sum(-1)) - right))
    answers = np.stack([np.argmax(head, -1) for head in logits], axis=1)
    return loss, float(np.mean((answers == columns).all(axis=1)))
