"""The recurrent operations of the integer graph: their state goes from one time step to the next.

docs/graph.md writes them up with their equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.graph.nodes import Node, Weights, check_arrays, linear_range


@dataclass(frozen=True, eq=False)
class Gru(Node):
    """Gated recurrent unit with hard gates and `reset_after=True`; gates in the order z, r, h (docs/graph.md)."""

    op: ClassVar[str] = "gru"

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

    @property
    def units(self) -> int:
        """Number of cells H."""
        return int(self.recurrent.shape[0])

    def acc_frac(self, input_fmt: FixedFormat) -> int:
        """Fraction bits F common to the input product, the recurrent product and the biases."""
        return max(
            input_fmt.frac + self.kernel_fmt.frac,
            self.fmt.frac + self.recurrent_fmt.frac,
            self.bias_fmt.frac,
            self.recurrent_bias_fmt.frac,
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
            scaled_bias = bias[gates].astype(np.int64) << (frac - b_fmt.frac)
            scaled = weights[:, gates].astype(np.int64) << (frac - w_fmt.frac - x_fmt.frac)
            low, high = linear_range(scaled, scaled_bias, x_fmt)
            formats.append(format_for(min(int(low.min()), -1), int(high.max()), frac))
        return formats[0], formats[1]

    def check(self, sources: list[Node]) -> None:
        n_in, units = sources[0].shape[-1], self.units
        self.require(self.shape == (sources[0].shape[0], units), f"shape {self.shape} is not (T, {units})")
        wanted = {
            "kernel": (n_in, 3 * units),
            "recurrent": (units, 3 * units),
            "bias": (3 * units,),
            "recurrent_bias": (3 * units,),
        }
        check_arrays(self, wanted)
        gate = self.gate_fmt
        self.require(not gate.signed and gate.frac == gate.bits, f"gate format {gate} must be unsigned, all fraction")
        self.require(self.fmt.signed and self.fmt.frac == self.fmt.bits - 1, f"state format {self.fmt} must be +-1")
        self.require(self.candidate_fmt == self.fmt, f"candidate {self.candidate_fmt} differs from state {self.fmt}")


@dataclass(frozen=True, eq=False)
class Lstm(Node):
    """Long short-term memory with hard gates in the order i, f, c, o; `fmt` is the format of state and carry."""

    op: ClassVar[str] = "lstm"

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
    #: Of the hard tanh of the candidate and of the carry: signed, all bits but the sign fraction.
    candidate_fmt: FixedFormat

    @property
    def units(self) -> int:
        """Number of cells H."""
        return int(self.recurrent.shape[0])

    def acc_frac(self, input_fmt: FixedFormat) -> int:
        """Fraction bits F common to both products and the bias."""
        return max(
            input_fmt.frac + self.kernel_fmt.frac,
            self.fmt.frac + self.recurrent_fmt.frac,
            self.bias_fmt.frac,
        )

    @property
    def carry_frac(self) -> int:
        """Fraction bits A of the carry before it is rounded."""
        return self.gate_fmt.frac + max(self.fmt.frac, self.candidate_fmt.frac)

    def product_range(self, input_fmt: FixedFormat) -> FixedFormat:
        """Narrowest format of x W + h U + b at `acc_frac` bits, from the real weights."""
        frac, low, high = self.acc_frac(input_fmt), 0, 0
        for weights, w_fmt, x_fmt in (
            (self.kernel, self.kernel_fmt, input_fmt),
            (self.recurrent, self.recurrent_fmt, self.fmt),
        ):
            scaled = weights.astype(np.int64) << (frac - w_fmt.frac - x_fmt.frac)
            least, most = linear_range(scaled, np.zeros(scaled.shape[1], np.int64), x_fmt)
            low, high = low + int(least.min()), high + int(most.max())
        bias = self.bias.astype(np.int64) << (frac - self.bias_fmt.frac)
        return format_for(min(low + int(bias.min()), -1), high + int(bias.max()), frac)

    def check(self, sources: list[Node]) -> None:
        n_in, units = sources[0].shape[-1], self.units
        self.require(self.shape == (sources[0].shape[0], units), f"shape {self.shape} is not (T, {units})")
        check_arrays(self, {"kernel": (n_in, 4 * units), "recurrent": (units, 4 * units), "bias": (4 * units,)})
        gate, candidate = self.gate_fmt, self.candidate_fmt
        self.require(not gate.signed and gate.frac == gate.bits, f"gate format {gate} must be unsigned, all fraction")
        self.require(
            candidate.signed and candidate.frac == candidate.bits - 1, f"candidate format {candidate} must be +-1"
        )
        self.require(self.fmt.signed and self.fmt.frac >= 0, f"state format {self.fmt} must be signed, a fraction")
