"""What an accelerator answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Classified(NamedTuple):
    """Answer of the accelerator for n frames, or for one (then without the first axis)."""

    #: (n,) int64: class of the first head, or `UNKNOWN`.
    labels: NDArray[np.int64]
    #: (n, classes) int32: raw logits of all heads; real value = raw / 2**logit_frac.
    logits: NDArray[np.int32]


def join(parts: list[Classified], classes: int) -> Classified:
    """Put the answers of successive batches into one; `classes` logits a frame where there is none."""
    if not parts:
        return Classified(np.zeros(0, np.int64), np.zeros((0, classes), np.int32))
    return Classified(np.concatenate([p.labels for p in parts]), np.concatenate([p.logits for p in parts]))
