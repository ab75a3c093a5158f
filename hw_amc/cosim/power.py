"""Power and energy of an accelerator, estimated: toggles that were counted, resources, and a stated energy for each.

A cycle of a block with L LUTs, F flip-flops, D DSP blocks and B BRAM36 whose registers toggle at the rate a takes

    F clock  +  a (L + F) net  +  a L lut  +  a F register  +  a D dsp  +  B bram36

with the family's `hw_amc.parts.Energy`. This is the arithmetic of the vendors' spreadsheets with each block's own
toggle rate in place of a guess for all. It ranks configurations; docs/power.md says what it cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from hw_amc.cosim.activity import Activity
from hw_amc.parts import Energy
from hw_amc.rtl.blocks.base import Resources

#: fJ in a microjoule.
_FJ_PER_UJ = 1e9


@dataclass(frozen=True)
class Spent:
    """Energy by what takes it, in one unit."""

    clock: float = 0
    nets: float = 0
    logic: float = 0
    dsp: float = 0
    bram36: float = 0

    @property
    def total(self) -> float:
        """All of it."""
        return self.clock + self.nets + self.logic + self.dsp + self.bram36

    def __add__(self, other: Spent) -> Spent:
        return Spent(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)})

    def __mul__(self, factor: float) -> Spent:
        return Spent(**{name: value * factor for name, value in asdict(self).items()})


def cycle_fj(used: Resources, rate: float, energy: Energy) -> Spent:
    """Energy of a clock cycle, fJ (estimated).

    Parameters
    ----------
    used : Resources
        Of a block.
    rate : float
        Toggles of a register bit in a cycle.
    energy : Energy
        Of the part's family.
    """
    return Spent(
        clock=used.ff * energy.clock,
        nets=rate * (used.lut + used.ff) * energy.net,
        logic=rate * (used.lut * energy.lut + used.ff * energy.register),
        dsp=rate * used.dsp * energy.dsp,
        bram36=used.bram36 * energy.bram36,
    )


def frame_uj(
    activities: Mapping[str, Activity], costs: Mapping[str, Resources], energy: Energy, cycles_per_frame: float
) -> dict[str, Spent]:
    """Energy of a frame by block, uJ (estimated); one block a name of `activities`, which `costs` has, too."""
    return {
        name: cycle_fj(costs[name], activity.rate, energy) * (cycles_per_frame / _FJ_PER_UJ)
        for name, activity in activities.items()
    }
