"""How far a network comes on frames with noise only, beside the limit that noise sets.

Both choose among the limit's classes, the linear modulations, on balanced frames of these alone: the limit's
classifier, which is told symbol timing, pulse, level and noise power, and the network, which is told nothing and was
perhaps trained on frames of another channel. Neither knows the carrier's phase. Of the network's logits only those of
the limit's classes count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.compress import load_deployed
from hw_amc.errors import ConfigError
from hw_amc.radio import CLASSES
from hw_amc.radio.generator.limit import Limit
from hw_amc.train.data import Floats, FrameSet, load_frames
from hw_amc.train.evaluate import find_logits
from hw_amc.verify.heldout import TEST_SPLIT


@dataclass(frozen=True)
class Reach:
    """A network's accuracy beside the limit's, by SNR in dB; shares 0..1."""

    accuracy: Mapping[int, float]
    limit: Mapping[int, float]
    #: Frames at each SNR.
    frames: int

    def share(self, snrs_db: Sequence[int]) -> float:
        """Share of the limit that the network reaches: its mean accuracy at these SNRs over the limit's."""
        return sum(self.accuracy[snr] for snr in snrs_db) / sum(self.limit[snr] for snr in snrs_db)


def load_linear_set(recipe_name: str, limit: Limit, frames: int, data_folder: Path) -> FrameSet:
    """Held-out frames of the limit's classes, `frames` of each at each of its SNRs.

    The errors are those of `hw_amc.train.data.load_frames`.
    """
    found = load_frames(recipe_name, [([point.snr_db for point in limit.points], frames)], TEST_SPLIT, data_folder)
    rows = np.flatnonzero(np.isin(found.labels, _places(limit)))
    return FrameSet(found.wire[rows], found.labels[rows], found.snr_db[rows])


def measure_reach(weights: Path, frames: FrameSet, limit: Limit, shown: bool = True) -> Reach:
    """Let a network classify frames of the limit's classes.

    Parameters
    ----------
    weights : Path
        The deployed model.
    frames : FrameSet
        From `load_linear_set`.
    limit : Limit
    shown : bool
        Show a progress bar on stderr.

    Raises
    ------
    ConfigError
        The network has other classes than RadioML 2018.01A's.
    DataError
        The file is missing or damaged.
    """
    model = load_deployed(weights)
    sizes = [output.shape[-1] for output in model.outputs]
    if sizes != [len(CLASSES)]:
        raise ConfigError(
            f"{weights}: heads of {sizes} classes, but the limit is for RadioML 2018.01A's {len(CLASSES)}"
        )
    return judge(find_logits(model, frames, shown)[0], frames, limit)


def judge(logits: Floats, frames: FrameSet, limit: Limit) -> Reach:
    """Judge the logits (n, classes) of frames of the limit's classes."""
    places = _places(limit)
    right = places[np.argmax(logits[:, places], axis=1)] == frames.labels
    accuracy = {point.snr_db: float(np.mean(right[frames.snr_db == point.snr_db])) for point in limit.points}
    return Reach(accuracy, limit.bound(limit.classes), len(frames) // len(limit.points))


def _places(limit: Limit) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where the limit's classes stand among all."""
    return np.array([CLASSES.index(name) for name in limit.classes])
