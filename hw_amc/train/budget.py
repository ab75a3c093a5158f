"""A limit of time for a training: phases share it by their work, and the count of steps keeps up with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from hw_amc.train.recipe import Phase, Stage


@dataclass(frozen=True)
class Pace:
    """How the count of steps of one phase goes on.

    Attributes
    ----------
    first, steps : the step that the phase begins or goes on with, and how many it has
    begun, seconds : when that was, by `time.monotonic`, and what it may take; None has no limit
    whole : steps that are all taken, however long they take
    """

    first: int
    steps: int
    begun: float
    seconds: float | None = None
    whole: int = 0

    def after(self, step: int) -> int:
        """Return the step after this one: the next, or a later one where time runs faster than steps."""
        if self.seconds is None or step < self.whole:
            return step + 1
        share = (time.monotonic() - self.begun) / max(self.seconds, 1e-9)
        due = self.first + share * (self.steps - self.first)
        return min(self.steps, max(step + 1, int(min(due, self.steps))))


@dataclass(frozen=True)
class Budget:
    """Time for the stages that are left.

    A phase that cannot take all of its steps leaves out evenly many, so that its learning rate falls as planned.

    Attributes
    ----------
    seconds : None has no limit
    begun : when the time began, by `time.monotonic`
    """

    seconds: float | None = None
    begun: float = field(default_factory=time.monotonic)

    def pace(self, stages: Sequence[Stage], phase: int, step: int) -> Pace:
        """Give a phase its share of the time that is left.

        Parameters
        ----------
        stages : those that are left, the one under way first
        phase, step : where that one stands
        """
        now, (stage, *later) = time.monotonic(), stages
        under_way, *behind = stage.phases[phase:]
        # Removing weights ends at an exact count, whatever the time.
        whole = stage.ramp_steps + 1 if stage.kind == "prune" and phase == 0 else 0
        if self.seconds is None:
            return Pace(step, under_way.steps, now)
        own = _work(under_way) * (under_way.steps - step) / under_way.steps
        rest = [_work(each) for each in [*behind, *(phase for other in later for phase in other.phases)]]
        left = max(0.0, self.begun + self.seconds - now)
        return Pace(step, under_way.steps, now, left * own / (own + sum(rest)) if own else 0.0, whole)


def _work(phase: Phase) -> float:
    """Samples of a phase: a quantised step takes about as long as a float one (0.5 to 1.1 times, measured)."""
    return phase.steps * phase.batch * phase.crop
