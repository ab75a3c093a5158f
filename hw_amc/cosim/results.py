"""The rhythm of results: cycles from one to the next, and whether they are those predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hw_amc.errors import Mismatch
from hw_amc.rtl.shell.accelerator import Accelerator

#: Results whose cycles are compared one by one, in rounds of contexts: what comes later repeats.
COMPARED_ROUNDS = 4


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


@dataclass(frozen=True)
class MeasuredRhythm:
    """Cycles between results, and those predicted for the same results; None where there are too few, or unknown."""

    cycles_per_frame: int | None
    predicted: int | None


def require_rhythm(accelerator: Accelerator, start: int, cycles: Sequence[int], side: str) -> MeasuredRhythm:
    """Require results to come in the cycles in which they must.

    Parameters
    ----------
    accelerator : Accelerator
    start : int
        Cycles from the end of the reset to the first sample's acceptance.
    cycles : sequence of int
        From there to the last word of each result, frames back to back and the sink always ready.
    side : str
        What to call the simulator in the message.

    Raises
    ------
    Mismatch
        A result of the first rounds comes in another cycle, or later ones in another rhythm than predicted. Where the
        core's cycles are unknown, nothing is compared.
    """
    manifest, rhythm = accelerator.manifest, accelerator.rhythm
    together, predicted = manifest.round_results, manifest.cycles_per_frame
    found = cycles_between_results(cycles, together)
    if rhythm is not None and predicted is not None:
        short = rhythm.is_short(predicted)
        count = len(cycles) if short else min(len(cycles), COMPARED_ROUNDS * together + 1)
        wanted = list(islice(accelerator.result_cycles(start), count))
        for index, (want, seen) in enumerate(zip(wanted, cycles, strict=False)):
            if want != seen:
                raise Mismatch(f"result {index}: {want} cycles predicted from the first sample on, {side} took {seen}")
        if short:  # the average of some results is not that of many
            predicted = cycles_between_results(wanted, together)
    if None not in (predicted, found) and found != predicted:
        raise Mismatch(f"cycles per frame: {predicted} predicted, {found} measured")
    return MeasuredRhythm(found, predicted)
