"""The golden interpreter: executes a Graph on raw integers; every other back end must equal it.

Each operation executes itself (`hw_amc.graph.ops`), in float32 or float64 where every integer is exactly representable
(BLAS and SIMD are several times faster on floats than on integers); it bounds its sums by the real weights, so that
results are exact integers whatever the dtype. Needs numpy only.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat, Tensor
from hw_amc.parallel import map_blocks

#: Frames in one pass: large enough for BLAS, small enough that a layer's tensor stays near the cache.
CHUNK = 64


def run(graph: Graph, frames: Tensor, keep: Iterable[str] | None = None, workers: int = 1) -> dict[str, Tensor]:
    """Execute `graph` on wire words.

    Parameters
    ----------
    graph : Graph
    frames : integer array (n, T, 2)
        Raw input in the input node's format.
    keep : iterable of node names, optional
        Tensors to return; the outputs by default, ``graph.nodes`` names for all.
    workers : int
        Processes that share the frames.

    Returns
    -------
    dict of node name -> integer array (n, *shape), int32 (int64 where the format needs it).

    Raises
    ------
    DataError
        `frames` has the wrong shape, is not of integers, or is outside the input format.
    """
    names = tuple(graph.outputs if keep is None else keep)
    for name in names:
        graph[name]
    _check_frames(graph, frames)
    chunks = [frames[start : start + CHUNK] for start in range(0, len(frames), CHUNK)]
    parts = list(map_blocks(partial(_run_chunk, graph, names), chunks, workers))
    if not parts:
        return {name: np.zeros((0, *graph[name].shape), _int_dtype(graph[name].fmt)) for name in names}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def classify(graph: Graph, frames: Tensor, workers: int = 1) -> tuple[Tensor, Tensor]:
    """Labels of the first head (n,) and its raw logits (n, classes); the lowest index wins a tie."""
    logits = run(graph, frames, workers=workers)[graph.outputs[0]]
    return logits.argmax(axis=1), logits


def _check_frames(graph: Graph, frames: Tensor) -> None:
    if not np.issubdtype(frames.dtype, np.integer):
        raise DataError(f"frames must be raw integers (see radio.to_wire), not {frames.dtype}")
    if frames.ndim != 3 or frames.shape[1:] != graph.input.shape:
        wanted = ", ".join(map(str, graph.input.shape))
        raise DataError(f"frames must have shape (n, {wanted}), not {frames.shape}")
    if not graph.input.fmt.holds(frames):
        raise DataError(f"frames hold integers outside the input format {graph.input.fmt}")


def _run_chunk(graph: Graph, names: tuple[str, ...], frames: Tensor) -> dict[str, Tensor]:
    """One batch through all nodes; a tensor is dropped after its last reader unless it is kept."""
    last_reader = {source: node.name for node in graph.nodes for source in node.inputs}
    tensors: dict[str, Tensor] = {graph.input.name: frames}
    kept: dict[str, Tensor] = {}
    for node in graph.nodes:
        if node.inputs:
            tensors[node.name] = node.execute(graph.sources(node), [tensors[name] for name in node.inputs])
        if node.name in names:
            kept[node.name] = tensors[node.name].astype(_int_dtype(node.fmt))
        for name in set(node.inputs):
            if last_reader[name] == node.name:
                del tensors[name]
    return kept


def _int_dtype(fmt: FixedFormat) -> np.dtype[Any]:
    return np.dtype(np.int32 if fmt.max_abs < 1 << 31 else np.int64)
