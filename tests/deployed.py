"""Small deployed QKeras models with random or adversarial weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc import models
from hw_amc.files import file_digest
from hw_amc.frontend import build_graph
from hw_amc.graph import Graph

SMALL = replace(models.find("gru_cnn_c40"), name="small", cells=6, classes=5, frame_len=16)

#: Ways to fill a weight array; each stresses another edge of the arithmetic.
FILLS = {
    "random": lambda rng, shape: rng.normal(0, 0.4, shape),
    "largest": lambda rng, shape: np.full(shape, 9.0),
    "smallest": lambda rng, shape: np.full(shape, -9.0),
    "alternating": lambda rng, shape: np.where(np.indices(shape).sum(axis=0) % 2, 9.0, -9.0),
    "zero": lambda rng, shape: np.zeros(shape),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape) / 2,
    "sparse": lambda rng, shape: rng.normal(0, 0.5, shape) * (rng.random(shape) < 0.2),
}


def build(fill: str, path: Path, formats: dict[str, dict[str, int]] | None = None, seed: int = 0) -> tuple[Any, Graph]:
    """Save a small model to `path` and return it as loaded again, with its graph."""
    rng = np.random.default_rng(seed)
    model = models.build_deployed(SMALL, formats)
    for layer in model.layers:
        layer.set_weights([FILLS[fill](rng, w.shape).astype(np.float32) for w in layer.get_weights()])
    models.save_deployed(model, path)
    loaded = models.load_deployed(path)
    classes = [f"class{i}" for i in range(SMALL.classes)]
    return loaded, build_graph(loaded, SMALL.name, classes, file_digest(path))


def wire_frames(count: int, seed: int = 1) -> np.ndarray:
    """Wire words: noise, silence, and both ends of the range."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(-(1 << 15), 1 << 15, (count, SMALL.frame_len, 2))
    frames[0], frames[1], frames[2] = 0, (1 << 15) - 1, -(1 << 15)
    return frames.astype(np.int16)
