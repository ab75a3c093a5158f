"""What a core costs and how fast it is, at each possible R, before anything is synthesised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from math import inf
from operator import add
from pathlib import Path

from hw_amc.config import BoardSettings, RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.rtl.blocks.base import Cost
from hw_amc.rtl.schedule import build_plan, legal_cycles

#: Placement and routing become hard above this part of a resource.
FULL = 1.0


@dataclass(frozen=True)
class Row:
    """One choice of R on one board; every figure is estimated."""

    cycles_per_step: int
    contexts: int
    cycles_per_frame: int
    frames_per_s: float
    cost: Cost
    #: Percent of the board's part by resource; what the part lacks or does not state is left out.
    percent: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether no resource is exceeded."""
        return all(share <= 100 * FULL for share in self.percent.values())


def estimate(graph: Graph, settings: RtlSettings, board: BoardSettings, cache: Path | None = None) -> list[Row]:
    """Estimate the core of `graph` (without shell) on `board` for each R that differs, the fastest first.

    Parameters
    ----------
    graph : Graph
    settings : RtlSettings
        Mode and contexts; contexts that an R does not allow become as many as it does. The settings' own R is
        among the rows.
    board : BoardSettings
        Budget and clock.
    cache : Path, optional
        Folder of adder graphs found before.

    Raises
    ------
    UnsupportedLayer
        A node has no hardware.
    """
    first = build_plan(graph, settings.model_copy(update={"cycles_per_step": 1, "contexts": 0}), cache=cache)
    legal = legal_cycles(first.chain)
    if settings.cycles_per_step <= legal[-1]:
        legal = sorted({*legal, settings.cycles_per_step})
    return [_row(graph, settings, cycles, board, cache) for cycles in legal]


def require_fit(rows: list[Row], cycles: int, board: BoardSettings) -> None:
    """Raise ConfigError, with what is missing and which R would fit, unless the row of this R fits."""
    row = next(row for row in rows if row.cycles_per_step == cycles)
    if row.fits:
        return
    over = ", ".join(f"{name} {share:.0f} %" for name, share in row.percent.items() if share > 100 * FULL)
    fitting = ", ".join(str(other.cycles_per_step) for other in rows if other.fits)
    mend = f"cycles_per_step that fit: {fitting}" if fitting else "no cycles_per_step fits; take a larger part"
    raise ConfigError(f"{board.part} is too small at cycles_per_step = {cycles}: {over} of what it has; {mend}")


def _row(graph: Graph, settings: RtlSettings, cycles: int, board: BoardSettings, cache: Path | None) -> Row:
    try:
        plan = build_plan(graph, settings.model_copy(update={"cycles_per_step": cycles}), cache=cache)
    except ConfigError:
        plan = build_plan(graph, settings.model_copy(update={"cycles_per_step": cycles, "contexts": 0}), cache=cache)
    cost = reduce(add, plan.costs().values())
    budget = board.budget.model_dump(exclude_none=True)
    return Row(
        cycles_per_step=cycles,
        contexts=plan.timing.contexts,
        cycles_per_frame=plan.cycles_per_frame,
        frames_per_s=board.clock_mhz * 1e6 / plan.cycles_per_frame,
        cost=cost,
        percent={name: _percent(used, budget[name]) for name, used in asdict(cost).items() if name in budget},
    )


def _percent(used: float, available: int) -> float:
    if available:
        return 100 * used / available
    return inf if used else 0.0
