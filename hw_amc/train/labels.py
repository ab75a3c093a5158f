"""Labels by name: from the classes of a data set to those of a network's heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hw_amc.errors import ConfigError
from hw_amc.models.network import Classes
from hw_amc.radio.names import class_places
from hw_amc.train.data import FrameSet


def relabel(frames: FrameSet, labels: Any, names: Sequence[Sequence[str]], classes: Classes, source: str) -> FrameSet:
    """Number the classes of frames as a network does, and leave out frames of classes that it does not know.

    Parameters
    ----------
    frames : their wire words and SNRs are taken
    labels : (n, columns), one column a label
    names : what the numbers of each column mean
    classes : class names of every head
    source : where the frames come from, for messages

    Raises
    ------
    ConfigError
        A head knows no class of any column, or no frame is left.
    """
    found = find_labels(labels, names, classes, source)
    known = (found >= 0).all(axis=1)
    if len(known) and not known.any():
        raise ConfigError(f"{source} has no frame whose classes the network knows; set `classes` in project.toml")
    final = found.astype(np.uint8)[:, 0] if len(classes) == 1 else found.astype(np.uint8)
    if known.all():
        return FrameSet(frames.wire, final, frames.snr_db)
    rows = np.flatnonzero(known)
    return FrameSet(frames.wire[rows], final[rows], frames.snr_db[rows])


def find_labels(labels: Any, names: Sequence[Sequence[str]], classes: Classes, source: str) -> Any:
    """Place of each frame's class in every head, (n, heads), -1 where a head does not have it.

    Of several labels that frames have, each head takes the one of whose classes it knows most.

    Raises
    ------
    ConfigError
        A head knows no class of any label.
    """
    found = []
    for head in classes:
        places = [class_places(column, head) for column in names]
        counts = [int((place >= 0).sum()) for place in places]
        best = counts.index(max(counts))
        if not counts[best]:
            raise ConfigError(f"{source} names none of the classes {', '.join(head)}; set `classes` in project.toml")
        found.append(places[best][labels[:, best]])
    return np.stack(found, axis=1)
