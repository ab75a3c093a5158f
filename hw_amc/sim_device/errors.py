"""What goes wrong on a simulated device only."""

from __future__ import annotations

from hw_amc.errors import HwAmcError


class SimulationHang(HwAmcError, TimeoutError):
    """The simulated system made no progress for the cycle limit: on a board this program would hang."""


class SimulationGone(HwAmcError, ConnectionError):
    """The simulated device was switched off or its simulator died."""


class BusFault(HwAmcError, OSError):
    """The host touched an address that no peripheral answers: a board raises a bus error."""
