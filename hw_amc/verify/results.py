"""Logits as an accelerator's results carry them, heads one after another: golden's, and the comparison with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph
from hw_amc.interface.words import Results
from hw_amc.verify.backend import Golden
from hw_amc.verify.equality import require_equal


class Answer(Protocol):
    """What hardware says of n frames."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) class of the first head."""

    @property
    def logits(self) -> NDArray[np.int32]:
        """(n, classes) raw logits, all heads one after another."""


def join_heads(graph: Graph, tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.int32]:
    """Return the logits of all heads (n, classes) from the output nodes' tensors."""
    logits = np.concatenate([tensors[name] for name in graph.outputs], axis=1)
    return np.ascontiguousarray(logits, np.int32)


def split_heads(graph: Graph, logits: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the tensor (n, classes) of every output node from the logits of all heads."""
    ends = np.cumsum([len(classes) for classes in graph.classes])
    return dict(zip(graph.outputs, np.split(logits, ends[:-1], axis=1), strict=True))


def first_labels(graph: Graph, logits: NDArray[Any]) -> NDArray[np.int64]:
    """Return the class (n,) of the first head; the lowest index wins a tie."""
    labels: NDArray[np.int64] = logits[:, : len(graph.classes[0])].argmax(axis=1)
    return labels


def golden_logits(
    graph: Graph, frames: NDArray[Any], input_shift: int | NDArray[np.int64] = 0, workers: int = 1
) -> NDArray[np.int32]:
    """Return golden's logits of all heads, (n, classes) raw.

    Parameters
    ----------
    graph : Graph
    frames : int16 array (n, T, 2)
        Wire words.
    input_shift : int or integer array (n,)
        See `Golden`; an array has one for each frame.
    workers : int
        See `Golden`.
    """
    if np.ndim(input_shift) == 0:
        return join_heads(graph, Golden(graph, int(input_shift), workers).run(frames))
    logits = np.zeros((len(frames), sum(map(len, graph.classes))), np.int32)
    for shift in np.unique(input_shift).tolist():
        rows = input_shift == shift
        logits[rows] = golden_logits(graph, frames[rows], shift, workers)
    return logits


def require_logits(graph: Graph, expected: NDArray[Any], answer: Answer, side: str, first_frame: int = 0) -> None:
    """Compare the logits and the class of every frame with golden's.

    Parameters
    ----------
    graph : Graph
    expected : (n, classes)
        Golden logits.
    answer : Answer
        Of the same frames.
    side : str
        What to call the hardware in the message.
    first_frame : int
        Number of the first frame, for the message.

    Raises
    ------
    Mismatch
        The first difference: head, frame, class and both integers; and how many frames differ.
    """
    if answer.logits.shape != expected.shape:
        raise Mismatch(f"{side} gave {len(answer.logits)} results for {len(expected)} frames")
    sides = (split_heads(graph, expected), split_heads(graph, answer.logits))
    require_equal(graph, ("golden", side), *sides, first_frame)
    labels = first_labels(graph, expected)
    bad = np.flatnonzero(answer.labels != labels)
    if len(bad):
        frame, found = int(bad[0]), int(answer.labels[bad[0]])
        golden = f"golden class {labels[frame]} ({graph.classes[0][labels[frame]]})"
        raise Mismatch(f"frame {first_frame + frame}: {golden}, {side} class {found}, though the logits are equal")


def require_results(graph: Graph, expected: NDArray[Any], results: Results, side: str, first_frame: int = 0) -> None:
    """Compare logits, classes and error flags; arguments and errors are those of `require_logits`."""
    require_logits(graph, expected, results, side, first_frame)
    flagged = np.flatnonzero(results.flags)
    if len(flagged):
        raise Mismatch(f"frame {first_frame + flagged[0]}: {side} set error flags {results.flags[flagged[0]]:#04x}")
