"""What an accelerator costs and how fast it is, at each possible R, before anything is synthesised."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from math import inf
from operator import add
from pathlib import Path

from hw_amc.config import BoardSettings, RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.rtl.blocks.base import Resources
from hw_amc.rtl.schedule import Schedule, build_schedule, legal_cycles
from hw_amc.rtl.shell.accelerator import shell_cost

#: Placement and routing become hard above this part of a resource.
FULL = 1.0


@dataclass(frozen=True)
class RateEstimate:
    """One choice of R on one board; every figure is estimated."""

    cycles_per_step: int
    contexts: int
    #: Of one lane.
    cycles_per_frame: int
    #: Of all lanes, at the board's clock.
    frames_per_s: float
    #: Of all lanes, their shells included.
    cost: Resources
    #: Percent of the board's part by resource; what the part lacks or does not state is left out.
    percent: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether no resource is exceeded."""
        return all(share <= 100 * FULL for share in self.percent.values())


def estimate_rates(
    graph: Graph, settings: RtlSettings, board: BoardSettings, cache: Path | None = None
) -> list[RateEstimate]:
    """Estimate the accelerator of `graph`, shell and lanes included, on `board` for each R that differs, fastest first.

    Parameters
    ----------
    graph : Graph
    settings : RtlSettings
        The row of the settings' own R is what they say; in the others all layers have the same R, and contexts (or
        channels) that it does not allow become as many as it does.
    board : BoardSettings
        Budget and clock.
    cache : Path, optional
        Folder of adder graphs found before.

    Raises
    ------
    ConfigError
        The settings themselves are not possible.
    UnsupportedLayer
        A node has no hardware.
    """
    own = build_schedule(graph, settings, board, cache)
    first = _uniform(graph, settings, 1, board, cache)
    rows = {own.cycles_per_step: _row(own, settings, board)}
    for cycles in legal_cycles(first.chain):
        if cycles not in rows:
            rows[cycles] = _row(_uniform(graph, settings, cycles, board, cache), settings, board)
    return [rows[cycles] for cycles in sorted(rows)]


def require_fit(rows: list[RateEstimate], cycles: int, board: BoardSettings) -> None:
    """Raise ConfigError, with what is missing and which R would fit, unless the row of this R fits."""
    row = next(row for row in rows if row.cycles_per_step == cycles)
    if row.fits:
        return
    used, budget = asdict(row.cost), board.resources
    over = ", ".join(
        f"{name} {used[name]:,.0f} of {budget[name]:,} ({share:.1f} %)"
        for name, share in row.percent.items()
        if share > 100 * FULL
    )
    fitting = ", ".join(str(other.cycles_per_step) for other in rows if other.fits)
    mend = f"cycles_per_step that fit: {fitting}" if fitting else "no cycles_per_step fits; take a larger part"
    raise ConfigError(f"{board.part} is too small at cycles_per_step = {cycles}: {over}; {mend}")


def _uniform(graph: Graph, settings: RtlSettings, cycles: int, board: BoardSettings, cache: Path | None) -> Schedule:
    """All layers at one R, with the contexts of the settings where it allows them."""
    same = settings.model_copy(update={"cycles_per_step": cycles, "layers": {}})
    try:
        return build_schedule(graph, same, board, cache)
    except ConfigError:
        return build_schedule(graph, same.model_copy(update={"contexts": 0, "n_channels": 0}), board, cache)


def _row(schedule: Schedule, settings: RtlSettings, board: BoardSettings) -> RateEstimate:
    cost = reduce(add, schedule.costs().values(), shell_cost(settings.automatic_gain)) * settings.lanes
    budget = board.resources
    return RateEstimate(
        cycles_per_step=schedule.cycles_per_step,
        contexts=schedule.timing.contexts,
        cycles_per_frame=schedule.cycles_per_frame,
        frames_per_s=settings.lanes * board.clock_mhz * 1e6 / schedule.cycles_per_frame,
        cost=cost,
        percent={name: _percent(used, budget[name]) for name, used in asdict(cost).items() if name in budget},
    )


def _percent(used: float, available: int) -> float:
    if available:
        return 100 * used / available
    return inf if used else 0.0
