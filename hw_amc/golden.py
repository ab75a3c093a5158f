"""The golden interpreter: executes a Graph on raw integers; every other back end must equal it.

Arithmetic runs in float32 or float64 where every integer is exactly representable (BLAS and SIMD are several
times faster on floats than on integers); the bound is checked per node from the real weights, so that results
are exact integers whatever the dtype. Needs numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hw_amc import graph as ir
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.fixed import FixedFormat
from hw_amc.graph import Graph, Node

#: Frames in one pass: large enough for BLAS, small enough that a layer's tensor stays near the cache.
CHUNK = 64

Tensor = NDArray[Any]


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
    if workers > 1 and len(chunks) > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
            parts = list(pool.map(_run_chunk, [graph] * len(chunks), chunks, [names] * len(chunks)))
    else:
        parts = [_run_chunk(graph, chunk, names) for chunk in chunks]
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
        return _gru_dtype(node, source)
    if isinstance(node, ir.Lstm):
        return _lstm_dtype(node, source)
    if isinstance(node, ir.Conv1d | ir.Dense | ir.Affine):
        return _linear_dtype(node, source)
    return _float_dtype(max(node.fmt.max_abs, source.fmt.max_abs))


def _check_frames(graph: Graph, frames: Tensor) -> None:
    if not np.issubdtype(frames.dtype, np.integer):
        raise DataError(f"frames must be raw integers (see radio.to_wire), not {frames.dtype}")
    if frames.ndim != 3 or frames.shape[1:] != graph.input.shape:
        wanted = ", ".join(map(str, graph.input.shape))
        raise DataError(f"frames must have shape (n, {wanted}), not {frames.shape}")
    if not graph.input.fmt.holds(frames):
        raise DataError(f"frames hold integers outside the input format {graph.input.fmt}")


def _run_chunk(graph: Graph, frames: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
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
    return _requantize(x.astype(_float_dtype(source.fmt.max_abs)), source.fmt.frac - node.fmt.frac, node.fmt)


def _gru(node: ir.Gru, source: Node, x: Tensor) -> Tensor:
    """docs/graph.md, operation `gru`, as one product a time step: [x 1 h] times one matrix.

    The matrix has the columns z + r (the sum of both products), the candidate's input part, and its recurrent part.
    Each column is scaled by the power of two that makes its rounding position the integer, which is exact in
    floating point. The clips ahead of a rounding are left out: the one behind it saturates the same sums.
    """
    H, T, n = node.units, x.shape[1], len(x)
    gate, state = node.gate_fmt, node.fmt
    dtype = exact_dtype(node, source)
    matrix = _gru_matrix(node, source).astype(dtype)
    blend = dtype.type(2.0**-gate.frac)
    inputs = np.ascontiguousarray(x.swapaxes(0, 1).astype(dtype))
    operand = np.zeros((n, matrix.shape[0]), dtype)
    operand[:, -H - 1] = 1
    output = np.empty((T, n, H), dtype)
    sums, mixed = np.empty((n, 4 * H), dtype), np.empty((n, H), dtype)
    gates, c, recurrent = sums[:, : 2 * H], sums[:, 2 * H : 3 * H], sums[:, 3 * H :]
    z, r, h = gates[:, :H], gates[:, H:], np.zeros((n, H), dtype)
    for t in range(T):
        operand[:, : -H - 1] = inputs[t]
        operand[:, -H:] = h
        np.matmul(operand, matrix, out=sums)
        np.rint(gates, out=gates)
        _clip(gates, gate)
        np.multiply(r, recurrent, out=mixed)
        mixed += c
        np.rint(mixed, out=mixed)
        _clip(mixed, state)
        # z h + (2**g - z) c = 2**g c + z (h - c): one product less. A mean of two states needs no clip.
        h = output[t]
        np.subtract(operand[:, -H:], mixed, out=h)
        h *= z
        h *= blend
        h += mixed
        np.rint(h, out=h)
    return output.swapaxes(0, 1)


def _gru_matrix(node: ir.Gru, source: Node) -> Tensor:
    """Columns (z r, c of the input, c of the state) over rows (x, 1, h), scaled; exact in float64."""
    H, F, gate, state = node.units, node.acc_frac(source.fmt), node.gate_fmt, node.fmt
    kernel = np.ldexp(node.kernel, F - source.fmt.frac - node.kernel_fmt.frac)
    recurrent = np.ldexp(node.recurrent, F - state.frac - node.recurrent_fmt.frac)
    bias = np.ldexp(node.bias, F - node.bias_fmt.frac)
    recurrent_bias = np.ldexp(node.recurrent_bias, F - node.recurrent_bias_fmt.frac)
    matrix = np.zeros((len(kernel) + 1 + H, 4 * H))
    from_input, from_one, from_state = matrix[: len(kernel)], matrix[len(kernel)], matrix[len(kernel) + 1 :]
    gates, c, c_recurrent = slice(0, 2 * H), slice(2 * H, 3 * H), slice(3 * H, 4 * H)
    from_input[:, : 3 * H] = kernel
    from_state[:, gates], from_state[:, c_recurrent] = recurrent[:, : 2 * H], recurrent[:, 2 * H :]
    # The hard sigmoid is x/2 + 1/2.
    from_one[gates] = bias[: 2 * H] + recurrent_bias[: 2 * H] + (1 << F)
    from_one[c], from_one[c_recurrent] = bias[2 * H :], recurrent_bias[2 * H :]
    matrix[:, gates] *= 2.0 ** (gate.frac - F - 1)
    matrix[:, c] *= 2.0 ** (state.frac - F)
    matrix[:, c_recurrent] *= 2.0 ** (state.frac - F - gate.frac)
    return matrix


def _gru_dtype(node: ir.Gru, source: Node) -> np.dtype[Any]:
    """Float dtype of the recurrent layer.

    The candidate's sum m_x 2**g + r m_h saturates at 2**(F+g). Beyond 2**24 float32 rounds r m_h, but the clip then
    decides as long as m_x 2**g cannot bring the sum back: a bound on the candidate's m_x alone.
    """
    F, gate = node.acc_frac(source.fmt), node.gate_fmt
    m_x, m_h = node.product_ranges(source.fmt)
    sums = 2 * (m_x.max_abs + m_h.max_abs + (1 << F))
    blend = 4 * node.fmt.max_abs << gate.frac
    m_x_candidate, _ = node.product_ranges(source.fmt, slice(2 * node.units, None))
    returns = (m_x_candidate.max_abs << gate.frac) + (1 << (F + gate.frac))
    return _float_dtype(max(sums, blend, returns))


def _lstm(node: ir.Lstm, source: Node, x: Tensor) -> Tensor:
    """docs/graph.md, operation `lstm`, as one product a time step: [x 1 h] times one matrix, scaled like the GRU's."""
    H, T, n = node.units, x.shape[1], len(x)
    gate, candidate, state = node.gate_fmt, node.candidate_fmt, node.fmt
    dtype = exact_dtype(node, source)
    matrix = _lstm_matrix(node, source).astype(dtype)
    inputs = np.ascontiguousarray(x.swapaxes(0, 1).astype(dtype))
    operand = np.zeros((n, matrix.shape[0]), dtype)
    operand[:, -H - 1] = 1
    output, carry = np.empty((T, n, H), dtype), np.zeros((n, H), dtype)
    # Powers of two that bring products to the carry's integers and to the hard tanh's.
    forget, admit = dtype.type(2.0**-gate.frac), dtype.type(2.0 ** (state.frac - candidate.frac - gate.frac))
    to_tanh, to_state = (
        dtype.type(2.0 ** (candidate.frac - state.frac)),
        dtype.type(2.0 ** (state.frac - gate.frac - candidate.frac)),
    )
    for t in range(T):
        operand[:, : -H - 1] = inputs[t]
        sums = np.rint(operand @ matrix)
        i, f, c, o = (sums[:, k * H : (k + 1) * H] for k in range(4))
        for part, fmt in ((i, gate), (f, gate), (c, candidate), (o, gate)):
            _clip(part, fmt)
        exact = f * carry * forget + i * c * admit
        carry = _clip(np.rint(exact), state)
        output[t] = _clip(np.rint(o * _clip(np.rint(exact * to_tanh), candidate) * to_state), state)
        operand[:, -H:] = output[t]
    return output.swapaxes(0, 1)


def _lstm_matrix(node: ir.Lstm, source: Node) -> Tensor:
    """Columns i, f, c, o over rows (x, 1, h), each scaled so that its rounding position is the integer."""
    H, F, state = node.units, node.acc_frac(source.fmt), node.fmt
    gate_scale, c_scale = 2.0 ** (node.gate_fmt.frac - F - 1), 2.0 ** (node.candidate_fmt.frac - F)
    bias = np.ldexp(node.bias, F - node.bias_fmt.frac)
    # The hard sigmoid is x/2 + 1/2.
    ones, scales = (
        np.repeat([1 << F, 1 << F, 0, 1 << F], H),
        np.repeat([gate_scale, gate_scale, c_scale, gate_scale], H),
    )
    kernel = np.ldexp(node.kernel, F - source.fmt.frac - node.kernel_fmt.frac)
    recurrent = np.ldexp(node.recurrent, F - state.frac - node.recurrent_fmt.frac)
    matrix: Tensor = np.concatenate([kernel, (bias + ones)[np.newaxis], recurrent]) * scales
    return matrix


def _lstm_dtype(node: ir.Lstm, source: Node) -> np.dtype[Any]:
    """Float dtype of the recurrent layer: of the gates' sums, and of the carry before it is rounded."""
    sums = 2 * (node.product_range(source.fmt).max_abs + (1 << node.acc_frac(source.fmt)))
    one = 1 << node.carry_frac
    carry = 2 * (one * (node.fmt.max_abs + (1 << node.fmt.frac)) >> node.fmt.frac) + one
    return _float_dtype(max(sums, carry))


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
    sums: Tensor = _windows(x, node.pool).astype(_float_dtype(node.fmt.max_abs), copy=False).sum(axis=2)
    return sums


def _max_pool1d(node: ir.MaxPool1d, source: Node, x: Tensor) -> Tensor:
    largest: Tensor = _windows(x, node.pool).max(axis=2)
    return largest


def _global_avg_pool1d(node: ir.GlobalAvgPool1d, source: Node, x: Tensor) -> Tensor:
    sums: Tensor = x.astype(_float_dtype(node.fmt.max_abs), copy=False).sum(axis=1)
    return sums


def _global_max_pool1d(node: ir.GlobalMaxPool1d, source: Node, x: Tensor) -> Tensor:
    largest: Tensor = x.max(axis=1)
    return largest


def _add(node: ir.Add, sources: list[Node], tensors: list[Tensor]) -> Tensor:
    dtype = _float_dtype(node.fmt.max_abs)
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
    return _clip(x, fmt)


def _clip(x: Tensor, fmt: FixedFormat) -> Tensor:
    """Saturate in place; numpy's maximum and minimum are vectorised, its clip is not."""
    np.maximum(x, x.dtype.type(fmt.min_raw), out=x)
    return np.minimum(x, x.dtype.type(fmt.max_raw), out=x)


def _scaled(weights: Tensor, shift: int, dtype: DTypeLike) -> Tensor:
    return (weights.astype(np.int64) << shift).astype(dtype)


def _linear_dtype(node: Any, source: Node) -> np.dtype[Any]:
    """Dtype in which every partial sum is exact: bounded by the L1 norm, not by the result's range."""
    weights = np.abs(node.matrix().astype(np.int64)).sum(axis=0)
    return _float_dtype(int((weights * source.fmt.max_abs + np.abs(node.scaled_bias(source.fmt))).max()))


def _float_dtype(bound: int) -> np.dtype[Any]:
    """Narrowest float that holds every integer up to `bound`."""
    if bound < 1 << 24:
        return np.dtype(np.float32)
    if bound < 1 << 53:
        return np.dtype(np.float64)
    raise UnsupportedLayer(f"an accumulator of magnitude {bound} exceeds 53 bits; use narrower formats")


def _int_dtype(fmt: FixedFormat) -> np.dtype[Any]:
    return np.dtype(np.int32 if fmt.max_abs < 1 << 31 else np.int64)


_OPERATIONS: dict[type[Node], Callable[..., Tensor]] = {
    ir.Quantize: _quantize,
    ir.Gru: _gru,
    ir.Lstm: _lstm,
    ir.Conv1d: _conv1d,
    ir.Dense: _dense,
    ir.Affine: _affine,
    ir.AvgPool1d: _avg_pool1d,
    ir.MaxPool1d: _max_pool1d,
    ir.GlobalAvgPool1d: _global_avg_pool1d,
    ir.GlobalMaxPool1d: _global_max_pool1d,
}
