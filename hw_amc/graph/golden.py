"""The golden interpreter: executes a Graph on raw integers; every other back end must equal it.

Arithmetic runs in float32 or float64 where every integer is exactly representable (BLAS and SIMD are several
times faster on floats than on integers); the bound is checked per node from the real weights, so that results
are exact integers whatever the dtype. Needs numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.exact import Tensor, clip, float_dtype
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.golden_recurrent import gru, gru_dtype, lstm, lstm_dtype
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


def exact_dtype(node: Node, source: Node) -> np.dtype[Any]:
    """Float dtype in which no intermediate result of `node` is rounded, whatever the input: float32 or float64.

    Raises
    ------
    UnsupportedLayer
        Not even float64 is exact.
    """
    if isinstance(node, ir.Gru):
        return gru_dtype(node, source)
    if isinstance(node, ir.Lstm):
        return lstm_dtype(node, source)
    if isinstance(node, ir.Conv1d | ir.Conv2d | ir.Dense | ir.Affine):
        return _linear_dtype(node, source)
    return float_dtype(max(node.fmt.max_abs, source.fmt.max_abs))


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
            sources = graph.sources(node)
            tensors[node.name] = _execute(node, sources, [tensors[name] for name in node.inputs])
        if node.name in names:
            kept[node.name] = tensors[node.name].astype(_int_dtype(node.fmt))
        for name in set(node.inputs):
            if last_reader[name] == node.name:
                del tensors[name]
    return kept


def _execute(node: Node, sources: list[Node], tensors: list[Tensor]) -> Tensor:
    if isinstance(node, ir.Add):
        return _add(node, sources, tensors)
    try:
        operation = _OPERATIONS[type(node)]
    except KeyError:
        raise UnsupportedLayer(f"golden cannot execute {node.op!r} (node {node.name!r})") from None
    return operation(node, sources[0], tensors[0])


def _quantize(node: ir.Quantize, source: Node, x: Tensor) -> Tensor:
    return _requantize(x.astype(float_dtype(source.fmt.max_abs)), source.fmt.frac - node.fmt.frac, node.fmt)


def _conv1d(node: ir.Conv1d, source: Node, x: Tensor) -> Tensor:
    dtype = _linear_dtype(node, source)
    width, T = node.kernel.shape[0], x.shape[1]
    before = (width - 1) // 2
    padded = np.pad(x.astype(dtype, copy=False), ((0, 0), (before, width - 1 - before), (0, 0)))
    kernel = node.kernel.astype(dtype)
    acc: Tensor = padded[:, :T] @ kernel[0]
    for k in range(1, width):
        acc += padded[:, k : k + T] @ kernel[k]
    acc += node.scaled_bias(source.fmt).astype(dtype)
    return acc


def _conv2d(node: ir.Conv2d, source: Node, x: Tensor) -> Tensor:
    dtype = _linear_dtype(node, source)
    height, width = node.shape[:2]
    padded = np.pad(x.astype(dtype, copy=False), ((0, 0), *node.padding, (0, 0)))
    kernel = node.kernel.astype(dtype)
    acc = np.zeros((len(x), *node.shape), dtype)
    for row, column in np.ndindex(kernel.shape[:2]):
        acc += padded[:, row : row + height, column : column + width] @ kernel[row, column]
    acc += node.scaled_bias(source.fmt).astype(dtype)
    return acc


def _dense(node: ir.Dense, source: Node, x: Tensor) -> Tensor:
    dtype = _linear_dtype(node, source)
    acc: Tensor = x.astype(dtype) @ node.kernel.astype(dtype)
    acc += node.scaled_bias(source.fmt).astype(dtype)
    return acc


def _affine(node: ir.Affine, source: Node, x: Tensor) -> Tensor:
    dtype = _linear_dtype(node, source)
    acc: Tensor = x.astype(dtype) * node.kernel.astype(dtype)
    acc += node.scaled_bias(source.fmt).astype(dtype)
    return acc


def _avg_pool1d(node: ir.AvgPool1d, source: Node, x: Tensor) -> Tensor:
    sums: Tensor = _windows(x, node.pool).astype(float_dtype(node.fmt.max_abs), copy=False).sum(axis=2)
    return sums


def _max_pool1d(node: ir.MaxPool1d, source: Node, x: Tensor) -> Tensor:
    largest: Tensor = _windows(x, node.pool).max(axis=2)
    return largest


def _global_avg_pool1d(node: ir.GlobalAvgPool1d, source: Node, x: Tensor) -> Tensor:
    sums: Tensor = x.astype(float_dtype(node.fmt.max_abs), copy=False).sum(axis=1)
    return sums


def _global_max_pool1d(node: ir.GlobalMaxPool1d, source: Node, x: Tensor) -> Tensor:
    largest: Tensor = x.max(axis=1)
    return largest


def _max_pool2d(node: ir.MaxPool2d, source: Node, x: Tensor) -> Tensor:
    (down, right), (height, width) = node.stride, node.shape[:2]
    windows = [
        x[:, row : row + down * (height - 1) + 1 : down, column : column + right * (width - 1) + 1 : right]
        for row, column in np.ndindex(*node.pool)
    ]
    largest: Tensor = np.max(windows, axis=0)
    return largest


def _reshape(node: ir.Reshape, source: Node, x: Tensor) -> Tensor:
    return x.reshape(len(x), *node.shape)


def _add(node: ir.Add, sources: list[Node], tensors: list[Tensor]) -> Tensor:
    dtype = float_dtype(node.fmt.max_abs)
    left, right = (
        tensor.astype(dtype) * dtype.type(2.0 ** (node.fmt.frac - source.fmt.frac))
        for source, tensor in zip(sources, tensors, strict=True)
    )
    total: Tensor = left + right
    return total


def _windows(x: Tensor, pool: int) -> Tensor:
    n, T, channels = x.shape
    return x.reshape(n, T // pool, pool, channels)


def _requantize(x: Tensor, shift: int, fmt: FixedFormat) -> Tensor:
    """`clip(rne(x / 2**shift))` in place on a float tensor that holds exact integers."""
    if shift:
        x *= x.dtype.type(2.0**-shift)
        np.rint(x, out=x)
    return clip(x, fmt)


def _linear_dtype(node: Any, source: Node) -> np.dtype[Any]:
    """Dtype in which every partial sum is exact: bounded by the L1 norm, not by the result's range."""
    weights = np.abs(node.matrix().astype(np.int64)).sum(axis=0)
    return float_dtype(int((weights * source.fmt.max_abs + np.abs(node.scaled_bias(source.fmt))).max()))


def _int_dtype(fmt: FixedFormat) -> np.dtype[Any]:
    return np.dtype(np.int32 if fmt.max_abs < 1 << 31 else np.int64)


_OPERATIONS: dict[type[Node], Callable[..., Tensor]] = {
    ir.Quantize: _quantize,
    ir.Gru: gru,
    ir.Lstm: lstm,
    ir.Conv1d: _conv1d,
    ir.Conv2d: _conv2d,
    ir.Dense: _dense,
    ir.Affine: _affine,
    ir.AvgPool1d: _avg_pool1d,
    ir.MaxPool1d: _max_pool1d,
    ir.GlobalAvgPool1d: _global_avg_pool1d,
    ir.GlobalMaxPool1d: _global_max_pool1d,
    ir.MaxPool2d: _max_pool2d,
    ir.Reshape: _reshape,
}
