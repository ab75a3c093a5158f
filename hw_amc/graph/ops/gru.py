"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat, Tensor, format_for
from hw_amc.graph.ops.base import Node, Weights
from hw_amc.graph.ops.linear import exact, linear_range
from hw_amc.graph.ops.recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Gru(Recurrent):
    """Gated recurrent unit; gates in the order z, r, h (docs/graph.md)."""

    op: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3

    #: (n_in, 3H)
    kernel: Weights
    #: (H, 3H)
    recurrent: Weights
    #: (3H,), added to the input product
    bias: Weights
    #: (3H,), added to the recurrent product
    recurrent_bias: Weights
    kernel_fmt: FixedFormat
    recurrent_fmt: FixedFormat
    bias_fmt: FixedFormat
    recurrent_bias_fmt: FixedFormat
    #: Of z and r: unsigned, all bits fraction.
    gate_fmt: FixedFormat
    #: Of the candidate c; its fraction equals the state's.
    candidate_fmt: FixedFormat
    #: Whether the reset gate multiplies the candidate's recurrent product, or the state before it.
    reset_after: bool = field(default=True, kw_only=True)

    def acc_frac(self, input_fmt: FixedFormat) -> int:
        """Fraction bits F common to the input product, the recurrent product, the biases and the number 1."""
        return max(
            input_fmt.frac + self.kernel_fmt.frac,
            self.fmt.frac + self.recurrent_fmt.frac,
            self.bias_fmt.frac,
            self.recurrent_bias_fmt.frac,
            0,
        )

    def product_ranges(self, input_fmt: FixedFormat, gates: slice = slice(None)) -> tuple[FixedFormat, FixedFormat]:
        """Narrowest formats of m_x = x W + b and m_h = h U + b_r at `acc_frac` bits, from the real weights.

        `gates` picks columns of the 3H; all by default.
        """
        frac = self.acc_frac(input_fmt)
        formats = []
        for weights, w_fmt, bias, b_fmt, x_fmt in (
            (self.kernel, self.kernel_fmt, self.bias, self.bias_fmt, input_fmt),
            (self.recurrent, self.recurrent_fmt, self.recurrent_bias, self.recurrent_bias_fmt, self.fmt),
        ):
            matrix, shift = weights[:, gates], frac - w_fmt.frac - x_fmt.frac
            low, high = linear_range(matrix, np.zeros(matrix.shape[1], np.int64), x_fmt)
            scaled_bias = exact(bias[gates]) << (frac - b_fmt.frac)
            bounds = min((low << shift) + scaled_bias), max((high << shift) + scaled_bias)
            formats.append(format_for(min(bounds[0], -1), bounds[1], frac))
        return formats[0], formats[1]

    def check(self, sources: Sequence[Node]) -> None:
        self.check_cells(sources[0], ("bias", "recurrent_bias"))
        self.require(self.fmt.signed and self.fmt.frac == self.fmt.bits - 1, f"state format {self.fmt} must be +-1")
        self.require(self.candidate_fmt == self.fmt, f"candidate {self.candidate_fmt} differs from state {self.fmt}")
        plain = self.reset_after or not self.recurrent_bias.any()
        self.require(plain, "a recurrent bias belongs to reset_after = True")
        self.product_ranges(sources[0].fmt)

    def exact_dtype(self, sources: Sequence[Node]) -> np.dtype[Any]:
        """Float in which the gates' sums, the candidate and the blend are exact.

        The candidate's sum m_x 2**g + r m_h saturates at 2**(F+g), at a table's largest input where there is one.
        Beyond 2**24 float32 rounds r m_h, but the clip then decides as long as m_x 2**g cannot bring the sum back: a
        bound on the candidate's m_x alone. With the reset before the product, every partial sum of (r h) U counts.
        """
        source = sources[0].fmt
        F, gate = self.acc_frac(source), self.gate_fmt
        m_x, m_h = self.product_ranges(source)
        sums = 2 * (m_x.max_abs + m_h.max_abs + (1 << F))
        blend = 4 * self.fmt.max_abs << gate.frac
        m_x, m_h = self.product_ranges(source, slice(2 * self.units, None))
        limit = m_h.max_abs if not self.reset_after else 1 << max(F + self.candidate.reach, 0)
        returns = (m_x.max_abs + limit) << gate.frac
        return self.float_for(max(sums, blend, returns))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        """Do one product a time step: [x 1 h] times one matrix.

        The matrix has the columns z + r (the sum of both products), the candidate's input part, and its recurrent
        part. Each column is scaled by the power of two that makes its rounding position the integer, which is exact
        in floating point. The clips ahead of a rounding are left out: the one behind it saturates the same sums.
        """
        x, dtype = tensors[0], self.exact_dtype(sources)
        H, T, n = self.units, x.shape[1], len(x)
        gate, candidate = self.gate, self.candidate
        matrix = self._scaled_matrix(sources[0].fmt).astype(dtype)
        before = None if self.reset_after else np.ascontiguousarray(matrix[-H:, 3 * H :])
        matrix = matrix if self.reset_after else np.ascontiguousarray(matrix[:, : 3 * H])
        blend = dtype.type(2.0**-self.gate_fmt.frac)
        inputs = np.ascontiguousarray(x.swapaxes(0, 1).astype(dtype))
        operand = np.zeros((n, matrix.shape[0]), dtype)
        operand[:, -H - 1] = 1
        output = np.empty((T, n, H), dtype)
        sums, mixed = np.empty((n, matrix.shape[1]), dtype), np.empty((n, H), dtype)
        gates, c, recurrent = sums[:, : 2 * H], sums[:, 2 * H : 3 * H], sums[:, 3 * H :]
        z, r = gates[:, :H], gates[:, H:]
        for t in range(T):
            operand[:, : -H - 1] = inputs[t]
            np.matmul(operand, matrix, out=sums)
            gate.apply(gates)
            if before is None:
                np.multiply(r, recurrent, out=mixed)
            else:
                np.matmul(r * operand[:, -H:], before, out=mixed)
            mixed += c
            candidate.apply(mixed)
            # z h + (2**g - z) c = 2**g c + z (h - c): one product less. A mean of two states needs no clip.
            h = output[t]
            np.subtract(operand[:, -H:], mixed, out=h)
            h *= z
            h *= blend
            h += mixed
            np.rint(h, out=h)
            operand[:, -H:] = h
        return output.swapaxes(0, 1)

    def _scaled_matrix(self, source: FixedFormat) -> NDArray[np.float64]:
        """Columns (z r, c of the input, c of the state) over rows (x, 1, h), scaled; exact in float64."""
        H, F, state = self.units, self.acc_frac(source), self.fmt
        kernel = np.ldexp(self.kernel, F - source.frac - self.kernel_fmt.frac)
        recurrent = np.ldexp(self.recurrent, F - state.frac - self.recurrent_fmt.frac)
        bias = np.ldexp(self.bias, F - self.bias_fmt.frac)
        recurrent_bias = np.ldexp(self.recurrent_bias, F - self.recurrent_bias_fmt.frac)
        matrix = np.zeros((len(kernel) + 1 + H, 4 * H))
        from_input, from_one, from_state = matrix[: len(kernel)], matrix[len(kernel)], matrix[len(kernel) + 1 :]
        gates, c, c_recurrent = slice(0, 2 * H), slice(2 * H, 3 * H), slice(3 * H, 4 * H)
        from_input[:, : 3 * H] = kernel
        from_state[:, gates], from_state[:, c_recurrent] = recurrent[:, : 2 * H], recurrent[:, 2 * H :]
        from_one[gates] = bias[: 2 * H] + recurrent_bias[: 2 * H] + self.gate.adds_one * (1 << F)
        from_one[c], from_one[c_recurrent] = bias[2 * H :], recurrent_bias[2 * H :]
        matrix[:, gates] *= self.gate.scale(F)
        matrix[:, c] *= self.candidate.scale(F)
        matrix[:, c_recurrent] *= self.candidate.scale(F + self.gate_fmt.frac)
        return matrix
