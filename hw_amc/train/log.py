"""Figures of a training run for TensorBoard, where TensorFlow is there to write them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class TrainingLog:
    """A folder that TensorBoard reads; nothing is written without TensorFlow."""

    def __init__(self, folder: Path) -> None:
        self._writer: Any = None
        if find_spec("tensorflow"):
            import tensorflow as tf

            self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, stage: str, step: int, figures: Mapping[str, float]) -> None:
        """Add the figures of one step."""
        if self._writer is not None:
            import tensorflow as tf

            with self._writer.as_default(step=step):
                for name, value in figures.items():
                    tf.summary.scalar(f"{stage}/{name}", value)

    def flush(self) -> None:
        """Put down what was added."""
        if self._writer is not None:
            self._writer.flush()
