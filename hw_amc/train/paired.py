"""Two networks on the same frames: what each said, and whether their difference means something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from hw_amc.errors import ConfigError, DataError
from hw_amc.train.predictions import Predictions, load_predictions, save_predictions
from hw_amc.workspace import classes_of


def recall_predictions(folder: Path, data_folder: Path) -> Predictions:
    """Read a network's answers, or let it answer now where none are kept of these weights, and keep them.

    Parameters
    ----------
    folder : the model's, with `weights.h5` and `train.toml`, which names the held-out frames
    data_folder : where generated frames are kept

    Raises
    ------
    ConfigError
        There is no usable `train.toml`, or it is not made for the network.
    DataError
        `weights.h5` is missing or damaged.
    """
    try:
        return load_predictions(folder)
    except DataError:
        # What is missing, damaged or outdated can be made again.
        from hw_amc.compress import load_deployed
        from hw_amc.train.evaluate import predict
        from hw_amc.train.recipe import load_recipe_file
        from hw_amc.train.sets import load_test_set

        model, names = load_deployed(folder / "weights.h5"), classes_of(folder.name, folder)
        data = load_recipe_file(folder / "train.toml").data
        predictions = predict(model, *load_test_set(data, data_folder, names), names, shown=True)
        save_predictions(folder, predictions)
        return predictions


@dataclass(frozen=True)
class Paired:
    """Two networks on one set of frames.

    Attributes
    ----------
    frames : their number
    accuracy : (first, second), 0..1
    only_first, only_second : frames that only one of them had right
    p_value : of differences at least as large if both were equally good (McNemar's test, exact)
    """

    frames: int
    accuracy: tuple[float, float]
    only_first: int
    only_second: int
    p_value: float

    @property
    def error(self) -> float:
        """Standard deviation of the difference of both accuracies, as an estimate from the frames' own differences."""
        difference = (self.only_first - self.only_second) / self.frames
        return float(np.sqrt(((self.only_first + self.only_second) / self.frames - difference**2) / self.frames))


def compare_predictions(first: Predictions, second: Predictions, min_snr_db: int | None = None) -> Paired:
    """Compare two networks frame by frame.

    Parameters
    ----------
    first, second : answers to the same frames
    min_snr_db : leaves out frames of a lower SNR

    Raises
    ------
    ConfigError
        They answer different evaluation sets, or no frame is left.
    """
    same = first.eval_set == second.eval_set and first.names == second.names
    if not same or not np.array_equal(first.labels, second.labels):
        raise ConfigError("the two networks were measured on different frames; give both the same [data] test")
    chosen = first.snr_db >= (-128 if min_snr_db is None else min_snr_db)
    a, b = first.right[chosen], second.right[chosen]
    if not len(a):
        raise ConfigError(f"no frame has an SNR of {min_snr_db} dB or more")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return Paired(len(a), (float(np.mean(a)), float(np.mean(b))), only_a, only_b, p_value)


def neighbours(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs to compare: the first with each, then each with the next.

    Raises
    ------
    ConfigError
        Fewer than two names, or one twice.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError("name two different models or more")
    return [(names[0], name) for name in names[1:]] + list(pairwise(names[1:]))
