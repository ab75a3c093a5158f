"""The frames of a recipe's parts, labelled as the network's heads number its classes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.models.network import Classes
from hw_amc.radio import SPLITS, load_recipe
from hw_amc.train.data import FrameSet, load_frames
from hw_amc.train.labels import relabel
from hw_amc.train.recipe import Data
from hw_amc.train.recorded import load_recorded
from hw_amc.verify.heldout import TEST_SPLIT


def load_part(data: Data, part: str, folder: Path, classes: Classes) -> FrameSet:
    """Take the training, validation or test frames of a recipe's data: generated, or out of a file.

    Parameters
    ----------
    data : what `[data]` says
    part : "train", "validation" or "test"
    folder : where the arrays are kept
    classes : the network's; frames of others are left out

    Raises
    ------
    ConfigError
        Unknown recipe, an empty set, or data that name none of a head's classes.
    DataError
        The file is damaged or serves nobody, or a kept array is damaged.
    """
    if data.recipe is None:
        return load_recorded(data, part, folder, classes)
    made = load_recipe(data.recipe).classes
    frames = load_frames(data.recipe, data.cells(part), SPLITS[part], folder, data.normalise)
    names = [head.classes for head in made.heads]
    return relabel(frames, made.labels[frames.labels], names, classes, data.recipe)


def load_test_set(data: Data, folder: Path, classes: Classes) -> tuple[FrameSet, dict[str, Any]]:
    """Held-out frames and what identifies them: recipe or file, digest, split, counts.

    The errors are those of `load_part`.
    """
    frames = load_part(data, "test", folder, classes)
    if data.recipe is not None:
        source = {"recipe": data.recipe, "digest": load_recipe(data.recipe).digest()}
    else:
        # What was read is all that counts of a file.
        words = np.ascontiguousarray(frames.wire)
        source = {"file": Path(str(data.file)).name, "digest": hashlib.sha256(words.data).hexdigest()}
    per_cell = ", ".join(f"{count} at {min(snrs)}..{max(snrs)} dB" for snrs, count in data.cells("test"))
    counts = {"split": TEST_SPLIT, "frames": len(frames), "frames_per_class_and_snr_db": per_cell}
    return frames, {**source, **counts}


def beside(data: Data) -> list[Data]:
    """Held-out frames of the other recipes that `data` names, each as data of its own."""
    return [data.model_copy(update={"recipe": name, "file": None, "beside": []}) for name in data.beside]
