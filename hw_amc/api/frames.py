"""Frames as users have them: the path of a file, or an array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hw_amc.errors import ConfigError

if TYPE_CHECKING:
    from hw_amc.models import Classes
    from hw_amc.radio.files.memory import Source

#: A file of any format of `hw-amc data info`, or an array: frames complex (n, T) or real (n, T, 2), a recording (n,).
Frames: TypeAlias = Any


def to_source(
    frames: Frames,
    labels: Sequence[str] | Sequence[int] | None = None,
    snrs_db: Sequence[int] | None = None,
    classes: Classes | None = None,
) -> Source:
    """Return what the flows take.

    Parameters
    ----------
    frames : str, Path or array
    labels : sequence, optional
        Class of every frame of an array, by name, or by number among `classes`.
    snrs_db : sequence of int, optional
    classes : by head, optional

    Raises
    ------
    ConfigError
        Labels for a file, which has its own; or numbers that no class has.
    """
    from hw_amc.radio.files.memory import Samples

    if isinstance(frames, (str, Path)):
        if labels is not None or snrs_db is not None:
            raise ConfigError(f"{frames} says itself what its frames are; leave labels and snrs_db out")
        return Path(frames)
    try:
        array = np.asarray(frames)
    except ValueError as error:
        raise ConfigError("frames must be of one length; cut them to the network's") from error
    names = None if labels is None else _names(labels, classes)
    return Samples(array, names, None if snrs_db is None else list(snrs_db))


def _names(labels: Sequence[str] | Sequence[int], classes: Classes | None) -> list[str]:
    found = list(labels)
    if all(isinstance(each, str) for each in found):
        return [str(each) for each in found]
    if classes is None or len(classes) != 1:
        raise ConfigError("labels by number need the names of one head's classes: classes=[...]; or give names")
    numbers = np.asarray(found)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ConfigError(f"labels are names or whole numbers, one for each frame, not {numbers.dtype} {numbers.shape}")
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(classes[0]):
        raise ConfigError(f"labels go from {numbers.min()} to {numbers.max()}, and there are {len(classes[0])} classes")
    return [classes[0][number] for number in numbers]
