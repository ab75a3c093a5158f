"""The recurrent operations of the golden interpreter, one matrix product a time step."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.exact import Tensor, clip, float_dtype


def gru(node: ir.Gru, source: Node, x: Tensor) -> Tensor:
    """Execute docs/graph.md, operation `gru`, as one product a time step: [x 1 h] times one matrix.

    The matrix has the columns z + r (the sum of both products), the candidate's input part, and its recurrent part.
    Each column is scaled by the power of two that makes its rounding position the integer, which is exact in
    floating point. The clips ahead of a rounding are left out: the one behind it saturates the same sums.
    """
    H, T, n = node.units, x.shape[1], len(x)
    gate, state = node.gate_fmt, node.fmt
    dtype = gru_dtype(node, source)
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
        clip(gates, gate)
        np.multiply(r, recurrent, out=mixed)
        mixed += c
        np.rint(mixed, out=mixed)
        clip(mixed, state)
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


def gru_dtype(node: ir.Gru, source: Node) -> np.dtype[Any]:
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
    return float_dtype(max(sums, blend, returns))


def lstm(node: ir.Lstm, source: Node, x: Tensor) -> Tensor:
    """Execute docs/graph.md, operation `lstm`, as one product a time step, scaled like the GRU's."""
    H, T, n = node.units, x.shape[1], len(x)
    gate, candidate, state = node.gate_fmt, node.candidate_fmt, node.fmt
    dtype = lstm_dtype(node, source)
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
            clip(part, fmt)
        exact = f * carry * forget + i * c * admit
        carry = clip(np.rint(exact), state)
        output[t] = clip(np.rint(o * clip(np.rint(exact * to_tanh), candidate) * to_state), state)
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


def lstm_dtype(node: ir.Lstm, source: Node) -> np.dtype[Any]:
    """Float dtype of the recurrent layer: of the gates' sums, and of the carry before it is rounded."""
    sums = 2 * (node.product_range(source.fmt).max_abs + (1 << node.acc_frac(source.fmt)))
    one = 1 << node.carry_frac
    carry = 2 * (one * (node.fmt.max_abs + (1 << node.fmt.frac)) >> node.fmt.frac) + one
    return float_dtype(max(sums, carry))
