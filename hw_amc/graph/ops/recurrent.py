"""What recurrent operations share: a state from one time step to the next, and gates, hard ones or tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hw_amc.graph.fixed import FixedFormat, Tensor, saturate
from hw_amc.graph.ops.base import Node, Weights
from hw_amc.graph.ops.table import MAX_TABLE_BITS


@dataclass(frozen=True)
class Curve:
    """A function of a sum inside a cell: hard, a line between two limits, or any other as a table.

    Attributes
    ----------
    fmt : of its values
    halved : hard, of x/2 + 1/2 (a sigmoid) and not of x (a tanh)
    table : values for each integer of `source` from the least on; None for a hard one
    source : format onto which the sum is rounded before the table
    """

    fmt: FixedFormat
    halved: bool
    table: Weights | None = None
    source: FixedFormat | None = None

    def scale(self, frac: int) -> float:
        """Factor that brings a sum of `frac` fraction bits to the integers onto which it is rounded."""
        grid = self.fmt.frac if self.source is None else self.source.frac
        return float(2.0 ** (grid - frac - self.adds_one))

    @property
    def adds_one(self) -> bool:
        """Whether 1 is added to the sum before it is scaled, as the hard sigmoid (x + 1)/2 does."""
        return self.halved and self.table is None

    @property
    def reach(self) -> int:
        """Bits left of the point of the largest sum that decides anything: what is beyond saturates."""
        return 0 if self.source is None else max(self.source.bits - 1 - self.source.frac, 0)

    def apply(self, sums: Tensor) -> Tensor:
        """Turn scaled sums into values, in place."""
        np.rint(sums, out=sums)
        if self.table is None or self.source is None:
            return saturate(sums, self.fmt)
        saturate(sums, self.source)
        sums[...] = self.table[sums.astype(np.int32) - self.source.min_raw]
        return sums


@dataclass(frozen=True, eq=False)
class _Tables(Node):
    """Options of a recurrent layer: its gates, or what is hard tanh otherwise, as tables behind a quantiser."""

    #: (2^bits,) values in `gate_fmt` for each integer of `gate_in_fmt`, from the least one.
    gate_table: Weights | None = field(default=None, kw_only=True)
    gate_in_fmt: FixedFormat | None = field(default=None, kw_only=True)
    #: (2^bits,) values in `candidate_fmt` for each integer of `candidate_in_fmt`.
    candidate_table: Weights | None = field(default=None, kw_only=True)
    candidate_in_fmt: FixedFormat | None = field(default=None, kw_only=True)


class Recurrent(_Tables):
    """A layer of H cells; `fmt` is the format of the state, which begins at zero in every frame."""

    rank: ClassVar[int | None] = 2
    #: Gates of a cell: columns of the arrays are (gates H).
    gates: ClassVar[int]

    #: (n_in, gates H)
    kernel: Weights
    #: (H, gates H)
    recurrent: Weights
    kernel_fmt: FixedFormat
    recurrent_fmt: FixedFormat
    #: Of the gates, 0 to 1: unsigned, all bits fraction.
    gate_fmt: FixedFormat
    #: Of the candidate, -1 to 1.
    candidate_fmt: FixedFormat

    @property
    def units(self) -> int:
        """Number of cells H."""
        return int(self.recurrent.shape[0])

    @property
    def gate(self) -> Curve:
        """Function of the gates' sums."""
        return Curve(self.gate_fmt, True, self.gate_table, self.gate_in_fmt)

    @property
    def candidate(self) -> Curve:
        """Function of the candidate's sum."""
        return Curve(self.candidate_fmt, False, self.candidate_table, self.candidate_in_fmt)

    def kernels(self) -> dict[str, Weights]:
        return {"kernel": self.kernel, "recurrent": self.recurrent}

    def array_format(self, key: str) -> FixedFormat:
        return super().array_format(key.removesuffix("_table"))

    @property
    def parameters(self) -> int:
        """Number of trained integers: tables follow from their functions."""
        tables = (table for table in (self.gate_table, self.candidate_table) if table is not None)
        return super().parameters - sum(table.size for table in tables)

    def check_cells(self, source: Node, biases: tuple[str, ...]) -> None:
        """Require the shapes of the output and of all arrays, and the form of the gates."""
        self.require(self.recurrent.ndim == 2, f"recurrent has shape {self.recurrent.shape}")
        (T, n_in), units = source.shape, self.units
        columns = self.gates * units
        wanted = {"kernel": (n_in, columns), "recurrent": (units, columns)}
        self.require_arrays({**wanted, **dict.fromkeys(biases, (columns,))})
        self.require_shape((T, units))
        gate = self.gate_fmt
        self.require(not gate.signed and gate.frac == gate.bits, f"gate format {gate} must be unsigned, all fraction")
        self._check_table("gate", self.gate_table, self.gate_in_fmt)
        self._check_table("candidate", self.candidate_table, self.candidate_in_fmt)

    def _check_table(self, what: str, table: Any, source: FixedFormat | None) -> None:
        self.require((table is None) == (source is None), f"{what}_table and {what}_in_fmt belong together")
        if source is not None:
            most = MAX_TABLE_BITS
            self.require(source.bits <= most, f"{what}_in_fmt is {source}; a table's input has at most {most} bits")
            self.require(source.signed, f"{what}_in_fmt must be signed, not {source}")
            self.require_arrays({f"{what}_table": (1 << source.bits,)})
