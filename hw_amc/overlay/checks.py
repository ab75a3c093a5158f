"""What Vivado made of an overlay, held against what it was asked for, before anything goes to a board."""

from __future__ import annotations

from pathlib import Path

from hw_amc.driver.clock import differs
from hw_amc.driver.handoff import Handoff
from hw_amc.errors import DataError
from hw_amc.sim_device.design import DMA_INSTANCE, Design
from hw_amc.sim_device.hwh import dma_settings


def require_handoff(path: Path, design: Design) -> None:
    """Require that a .hwh describes `design`, and that its clock is the design's for Vivado and on the board alike.

    Parameters
    ----------
    path : Path
        The .hwh that Vivado wrote.
    design : Design
        What its project was written for.

    Raises
    ------
    DataError
        Names everything that differs.
    """
    handoff = Handoff.load(path)
    wrong = [*_clock(handoff, design), *_dma(handoff, design), *_places(handoff, design)]
    if wrong:
        raise DataError(f"{path} is not what the project asked for: {'; '.join(wrong)}; nothing was packed")


def _clock(handoff: Handoff, design: Design) -> list[str]:
    """Compare the clock of Vivado's timing, and the one that PYNQ makes with the .hwh's divisors and the booted PLL."""
    names = handoff.family.clock
    wrong = []
    if handoff.family.ps != design.ps:
        wrong.append(f"the processing system is {handoff.family.ps_ip}")
    if (source := handoff.ps.parameters.get(names.source)) != names.io_pll:
        wrong.append(f"the clock comes from {source}, not from {names.io_pll}")
    if differs(handoff.clock_mhz, design.clock_mhz):
        wrong.append(f"the timing is for {handoff.clock_mhz:g} MHz, not for {design.clock_mhz:g} MHz")
    booted = design.pl_source_mhz / handoff.divisor
    if differs(booted, design.clock_mhz):
        wrong.append(
            f"with the board's PLL of {design.pl_source_mhz:g} MHz over {handoff.divisor} the clock is {booted:g} MHz, "
            f"not {design.clock_mhz:g} MHz"
        )
    return wrong


def _dma(handoff: Handoff, design: Design) -> list[str]:
    """Compare the DMA's settings, in whichever case the .hwh has them."""
    found = {name.lower(): value for name, value in handoff.dma.parameters.items()}
    return [
        f"{name} of the DMA is {found.get(name)}, not {value}"
        for name, value in dma_settings(design).items()
        if found.get(name) != value
    ]


def _places(handoff: Handoff, design: Design) -> list[str]:
    wrong = []
    if handoff.accelerator.vlnv != design.ip.vlnv:
        wrong.append(f"the accelerator is {handoff.accelerator.vlnv}, not {design.ip.vlnv}")
    for instance, base in ((design.ip.instance, design.ip_base), (DMA_INSTANCE, design.dma_base)):
        found = handoff.addresses.get(instance)
        if found != base:
            wrong.append(f"{instance} stands at {'no address' if found is None else f'{found:#x}'}, not at {base:#x}")
    return wrong
