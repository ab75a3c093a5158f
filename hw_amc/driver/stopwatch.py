"""The accelerator's clock by another one: cycles of its counter against the time of the CPU."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.driver.devices import is_remote, is_simulated
from hw_amc.driver.errors import DeviceError
from hw_amc.driver.transfer import Link

#: Time between the two readings, and how often each is tried: the one that took least counts.
BOARD_S, SIMULATED_S = 0.5, 1e-4
READINGS = 20


@dataclass(frozen=True)
class Measured:
    """A clock and what the readings leave open."""

    mhz: float
    uncertainty_mhz: float


@dataclass(frozen=True)
class _Reading:
    """Cycles at a moment between two times."""

    begin: float
    cycles: int
    end: float

    @property
    def width(self) -> float:
        return self.end - self.begin

    @property
    def middle(self) -> float:
        return (self.begin + self.end) / 2


def measure_clock(link: Link, device: Any, words: NDArray[np.uint32]) -> Measured | None:
    """Measure how fast CYCLES_BUSY counts while a result waits that nobody fetches.

    The caller resets the device afterwards.

    Parameters
    ----------
    link : Link
        Held; nothing is under way.
    device : pynq.Device
    words : (n,) uint32
        A frame (channel mode: one of each channel) as stream words.

    Returns
    -------
    Measured, or None where there is no time to measure by: a simulation on another computer.

    Raises
    ------
    DeviceError
        The counter stands still.
    """
    from pynq import allocate

    if is_simulated(device) and is_remote(device):
        return None
    with allocate(words.shape, np.uint32, target=device) as source:
        source[:] = words
        link.dma.sendchannel.transfer(source)
        first = _read(link, device)
        _wait(device)
        last = _read(link, device)
    cycles, seconds = last.cycles - first.cycles, last.middle - first.middle
    if cycles <= 0:
        raise DeviceError(f"CYCLES_BUSY stands at {last.cycles} while a frame is inside: does the clock run?")
    mhz = 1e-6 * cycles / seconds
    return Measured(mhz, mhz * (first.width + last.width) / 2 / seconds)


def _now(device: Any) -> float:
    return float(device.device_time_s) if is_simulated(device) else time.perf_counter()


def _wait(device: Any) -> None:
    if is_simulated(device):
        device.elapse(SIMULATED_S)
    else:
        time.sleep(BOARD_S)


def _read(link: Link, device: Any) -> _Reading:
    """Read the counter often, and keep the reading that was interrupted least."""
    readings = []
    for _ in range(READINGS):
        begin = _now(device)
        cycles = link.read("CYCLES_BUSY")
        readings.append(_Reading(begin, cycles, _now(device)))
    # The two words of the counter are read one after the other: one that stepped back fell between them.
    steady = [now for before, now in itertools.pairwise(readings) if now.cycles >= before.cycles]
    return min(steady or readings, key=lambda reading: reading.width)
