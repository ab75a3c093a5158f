"""The rhythm of results: cycles from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def cycles_between_results(ends: Sequence[int], contexts: int) -> int | None:
    """Return the cycles between successive results of a stream without a pause, averaged over whole rounds of K.

    Parameters
    ----------
    ends : cycles in which the results' last words were handed over
    contexts : int
        K, or the channels: results of frames that are computed together come together.

    Returns
    -------
    int, or None when there are no two rounds to compare. The first round, which finds the core empty, is left out
    where there are more; half a cycle is rounded up.
    """
    rounds = (len(ends) - 1) // contexts
    if rounds < 1:
        return None
    span = contexts * max(rounds - 1, 1)
    return int(np.floor((int(ends[-1]) - int(ends[-1 - span])) / span + 0.5))
