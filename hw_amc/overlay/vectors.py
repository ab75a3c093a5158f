"""The golden vectors of an accelerator: extremes, and noise at every level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver.vectors import Vectors
from hw_amc.graph import Graph
from hw_amc.interface.manifest import Manifest
from hw_amc.verify.results import golden_logits

#: Frames at least, and samples at most.
FRAMES, SAMPLES = 16, 1 << 18
SEED = 20180207
_LOW, _HIGH = -32768, 32767


def build_vectors(graph: Graph, manifest: Manifest) -> Vectors:
    """Choose frames for an accelerator and execute them.

    Parameters
    ----------
    graph : Graph
        What the accelerator computes.
    manifest : Manifest
        Says how many channels take turns.

    Returns
    -------
    Vectors
        16 frames (fewer, where they are long), or as many as fill every channel: silence, full scale of either sign,
        both at the highest frequency, and noise from one bit to full scale.
    """
    count = max(min(FRAMES, SAMPLES // manifest.frame_len), 1)
    count = -(-count // manifest.n_channels) * manifest.n_channels
    wire = choose_frames(count, manifest.frame_len)
    return Vectors(wire, golden_logits(graph, wire, manifest.input_shift), graph.digest())


def choose_frames(count: int, frame_len: int) -> NDArray[np.int16]:
    """Return (count, frame_len, 2) wire words: the extremes first, then noise whose level grows frame by frame."""
    turns = np.where(np.arange(frame_len) % 2, _LOW, _HIGH)
    frames = np.zeros((count, frame_len, 2), np.int64)
    for index, extreme in enumerate((0, _HIGH, _LOW, turns)[:count]):
        frames[index] = extreme if np.isscalar(extreme) else np.stack([turns, -1 - turns], axis=1)
    rng = np.random.default_rng(SEED)
    for index in range(4, count):
        half = 1 << 1 + 14 * (index - 4) // max(count - 5, 1)
        frames[index] = rng.integers(-half, half, (frame_len, 2))
    return frames.astype(np.int16)
