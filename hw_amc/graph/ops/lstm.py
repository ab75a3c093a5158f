"""Long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat, Tensor, format_for, saturate
from hw_amc.graph.ops.base import Node, Weights
from hw_amc.graph.ops.linear import exact, linear_range
from hw_amc.graph.ops.recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Lstm(Recurrent):
    """Long short-term memory; gates in the order i, f, c, o; `fmt` is the format of state and carry."""

    op: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4

    #: (n_in, 4H)
    kernel: Weights
    #: (H, 4H)
    recurrent: Weights
    #: (4H,)
    bias: Weights
    kernel_fmt: FixedFormat
    recurrent_fmt: FixedFormat
    bias_fmt: FixedFormat
    #: Of i, f and o: unsigned, all bits fraction.
    gate_fmt: FixedFormat
    #: Of the tanh of the candidate and of the carry: signed, all bits but the sign fraction.
    candidate_fmt: FixedFormat

    def acc_frac(self, input_fmt: FixedFormat) -> int:
        """Fraction bits F common to both products, the bias and the number 1."""
        return max(
            input_fmt.frac + self.kernel_fmt.frac,
            self.fmt.frac + self.recurrent_fmt.frac,
            self.bias_fmt.frac,
            0,
        )

    @property
    def carry_frac(self) -> int:
        """Fraction bits A of the carry before it is rounded."""
        return self.gate_fmt.frac + max(self.fmt.frac, self.candidate_fmt.frac)

    def product_range(self, input_fmt: FixedFormat) -> FixedFormat:
        """Narrowest format of x W + h U + b at `acc_frac` bits, from the real weights."""
        frac = self.acc_frac(input_fmt)
        bias = exact(self.bias) << (frac - self.bias_fmt.frac)
        low, high = min(bias), max(bias)
        for weights, w_fmt, x_fmt in (
            (self.kernel, self.kernel_fmt, input_fmt),
            (self.recurrent, self.recurrent_fmt, self.fmt),
        ):
            least, most = linear_range(weights, np.zeros(weights.shape[1], np.int64), x_fmt)
            shift = frac - w_fmt.frac - x_fmt.frac
            low, high = low + (min(least) << shift), high + (max(most) << shift)
        return format_for(min(low, -1), high, frac)

    def check(self, sources: Sequence[Node]) -> None:
        self.check_cells(sources[0], ("bias",))
        candidate = self.candidate_fmt
        self.require(
            candidate.signed and candidate.frac == candidate.bits - 1, f"candidate format {candidate} must be +-1"
        )
        self.require(self.fmt.signed and self.fmt.frac >= 0, f"state format {self.fmt} must be signed, a fraction")
        self.product_range(sources[0].fmt)

    def exact_dtype(self, sources: Sequence[Node]) -> np.dtype[Any]:
        """Float in which the gates' sums and the carry before it is rounded are exact."""
        source = sources[0].fmt
        sums = 2 * (self.product_range(source).max_abs + (1 << self.acc_frac(source)))
        one = 1 << self.carry_frac
        carry = 2 * (one * (self.fmt.max_abs + (1 << self.fmt.frac)) >> self.fmt.frac) + one
        return self.float_for(max(sums, carry))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        """Do one product a time step, scaled like the GRU's."""
        x, dtype = tensors[0], self.exact_dtype(sources)
        H, T, n = self.units, x.shape[1], len(x)
        gate, candidate, state = self.gate, self.candidate, self.fmt
        matrix = self._scaled_matrix(sources[0].fmt).astype(dtype)
        inputs = np.ascontiguousarray(x.swapaxes(0, 1).astype(dtype))
        operand = np.zeros((n, matrix.shape[0]), dtype)
        operand[:, -H - 1] = 1
        output, carry = np.empty((T, n, H), dtype), np.zeros((n, H), dtype)
        # Powers of two that bring products to the state's integers, and the carry to those that its tanh takes.
        forget, to_tanh = dtype.type(2.0**-self.gate_fmt.frac), dtype.type(candidate.scale(state.frac))
        to_state = dtype.type(2.0 ** (state.frac - self.gate_fmt.frac - self.candidate_fmt.frac))
        for t in range(T):
            operand[:, : -H - 1] = inputs[t]
            sums = operand @ matrix
            i, f, c, o = (sums[:, k * H : (k + 1) * H] for k in range(4))
            for part, curve in ((i, gate), (f, gate), (c, candidate), (o, gate)):
                curve.apply(part)
            total = f * carry * forget + i * c * to_state
            carry = saturate(np.rint(total), state)
            output[t] = saturate(np.rint(o * candidate.apply(total * to_tanh) * to_state), state)
            operand[:, -H:] = output[t]
        return output.swapaxes(0, 1)

    def _scaled_matrix(self, source: FixedFormat) -> NDArray[np.float64]:
        """Columns i, f, c, o over rows (x, 1, h), each scaled so that its rounding position is the integer."""
        H, F, state = self.units, self.acc_frac(source), self.fmt
        gate, one = self.gate.scale(F), self.gate.adds_one * (1 << F)
        bias = np.ldexp(self.bias, F - self.bias_fmt.frac)
        ones = np.repeat([one, one, 0, one], H)
        scales = np.repeat([gate, gate, self.candidate.scale(F), gate], H)
        kernel = np.ldexp(self.kernel, F - source.frac - self.kernel_fmt.frac)
        recurrent = np.ldexp(self.recurrent, F - state.frac - self.recurrent_fmt.frac)
        matrix: NDArray[np.float64] = np.concatenate([kernel, (bias + ones)[np.newaxis], recurrent]) * scales
        return matrix
