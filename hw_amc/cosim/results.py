"""Golden logits, and their comparison with what the hardware answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.interface.words import Results


def golden_logits(graph: Graph, frames: NDArray[Any], input_shift: int = 0, workers: int = 1) -> NDArray[np.int32]:
    """Return the logits of all heads, (n, classes) raw.

    Parameters
    ----------
    graph : Graph
    frames : int16 array (n, T, 2)
        Wire words.
    input_shift : int
        Of the register: the same words with so many fraction bits less.
    workers : int
        Processes that share the frames.
    """
    wire = graph.input.fmt
    shifted = graph
    if input_shift:
        node = replace(graph.input, fmt=FixedFormat(wire.bits, wire.frac - input_shift))
        shifted = graph.replace_node(node)
    outputs = golden.run(shifted, frames, workers=workers)
    return np.concatenate([outputs[name] for name in graph.outputs], axis=1).astype(np.int32)


def require_equal(graph: Graph, expected: NDArray[Any], results: Results, side: str, first_frame: int = 0) -> None:
    """Compare the logits and the class of every frame.

    Parameters
    ----------
    graph : Graph
    expected : (n, classes)
        Golden logits.
    results : Results
        Of the same frames.
    side : str
        What to call the hardware in the message.
    first_frame : int
        Number of the first frame, for the message.

    Raises
    ------
    Mismatch
        The first difference: frame, class, both integers; and how many frames differ.
    """
    if results.logits.shape != expected.shape:
        raise Mismatch(f"{side} gave {len(results)} results for {len(expected)} frames")
    wrong = np.argwhere(results.logits != expected)
    if len(wrong):
        frame, index = (int(i) for i in wrong[0])
        names = [f"{head}/{name}" for head, names in zip(graph.outputs, graph.classes, strict=True) for name in names]
        frames = len(np.unique(wrong[:, 0]))
        raise Mismatch(
            f"frame {first_frame + frame}, class {index} ({names[index]}): golden {int(expected[frame, index])}, "
            f"{side} {int(results.logits[frame, index])}; {frames} of {len(expected)} frames differ"
        )
    labels = expected[:, : len(graph.classes[0])].argmax(axis=1)
    bad = np.flatnonzero(results.labels != labels)
    if len(bad):
        raise Mismatch(f"frame {first_frame + bad[0]}: golden class {labels[bad[0]]}, {side} {results.labels[bad[0]]}")
    flagged = np.flatnonzero(results.flags)
    if len(flagged):
        raise Mismatch(f"frame {first_frame + flagged[0]}: {side} set error flags {results.flags[flagged[0]]:#04x}")


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
