"""What recurrent operations share: their state goes from one time step to the next."""

from __future__ import annotations

from typing import ClassVar

from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.ops.base import Node, Weights


class Recurrent(Node):
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
    #: Of the hard sigmoids: unsigned, all bits fraction.
    gate_fmt: FixedFormat

    @property
    def units(self) -> int:
        """Number of cells H."""
        return int(self.recurrent.shape[0])

    def kernels(self) -> dict[str, Weights]:
        return {"kernel": self.kernel, "recurrent": self.recurrent}

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
