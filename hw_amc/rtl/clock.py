"""How many adder levels of a parallel matrix lie between registers, for a clock that the design shall reach."""

from __future__ import annotations

from dataclasses import dataclass

from hw_amc.config import BoardSettings, RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.parts import Family, family_of
from hw_amc.rtl.sums import SumGraph

#: Part of the period that is kept back for routing and uncertainty: what Vitis HLS keeps back (UG1399).
RESERVED = 0.27


@dataclass(frozen=True)
class Cut:
    """Adder levels between registers: as many as given, or as fit into a period."""

    #: 0: as many as fit.
    fixed: int = 1
    family: Family | None = None
    period_ns: float = 0.0

    def levels(self, graph: SumGraph) -> int:
        """Levels of this graph's sums between registers; at least 1."""
        if self.fixed or self.family is None:
            return max(self.fixed, 1)
        widest = max((fmt.bits for fmt in graph.formats[len(graph.inputs) :]), default=1)
        level_ns = self.family.add_ns + self.family.add_bit_ns * widest + self.family.sum3_ns * graph.ternary
        usable_ns = self.period_ns * (1 - RESERVED) - self.family.register_ns
        return max(int(usable_ns / level_ns), 1)


def choose_cut(settings: RtlSettings, board: BoardSettings | None) -> Cut:
    """Return the cut that project.toml asks for.

    `cut` as it is given; 0, or `clock_mhz` alone: from the clock (the board's where there is no `clock_mhz`); neither:
    a register behind every level, the highest clock.

    Raises
    ------
    ConfigError
        The cut is to follow from the clock, and there is no board to say which part it is.
    UnsupportedLayer
        No delays are known for the board's part.
    """
    fixed = settings.cut
    if fixed is None:
        fixed = 0 if settings.clock_mhz else 1
    if fixed:
        return Cut(fixed)
    if board is None:
        raise ConfigError("rtl.cut = 0 needs a board: delays are known by part")
    return Cut(0, family_of(board.part), 1000 / (settings.clock_mhz or board.clock_mhz))
