"""A simulated Zynq for PYNQ: unmodified `pynq` programs run against a model of their accelerator.

`SimDevice` is a `pynq.Device`. It answers the registers of the PS clocks, of an AXI DMA (direct mode) and of the
accelerator, which is any `StreamModel`: Python code or Verilated RTL. Nothing here knows what is computed.

A program selects it without a line of its own, in one of three ways (docs/guides/sim_device.md)::

    python -m hw_amc.sim_device program.py          # or -m module, or any command: jupyter, pytest
    PYNQ_SIM_DEVICE=1 python program.py             # where the program imports a driver that calls `enable()`
    import hw_amc.sim_device; hw_amc.sim_device.enable()

Only `hw_amc.sim_device.device` imports pynq, and only when the device is enabled.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hw_amc.sim_device.bitfile import emit_bit
from hw_amc.sim_device.design import Design, Register, StreamIp
from hw_amc.sim_device.errors import BusFault, SimulationGone, SimulationHang
from hw_amc.sim_device.hwh import emit_hwh
from hw_amc.sim_device.model import StreamModel

if TYPE_CHECKING:
    from hw_amc.sim_device.device import SimDevice

#: Set to 1: drivers that know of this package use the simulated device.
VARIABLE = "PYNQ_SIM_DEVICE"
#: Name of the board that `hw_amc.sim_device.remote` serves.
REMOTE_NAME = "simulated"

__all__ = [
    "REMOTE_NAME",
    "VARIABLE",
    "BusFault",
    "Design",
    "Register",
    "SimDevice",
    "SimulationGone",
    "SimulationHang",
    "StreamIp",
    "StreamModel",
    "emit_bit",
    "emit_hwh",
    "enable",
    "requested",
]


def requested() -> bool:
    """Say whether the environment asks for the simulated device."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def enable() -> SimDevice:
    """Make the simulated device PYNQ's active one and return it; a second call returns the same."""
    from hw_amc.sim_device.device import SimDevice

    return SimDevice.activate()


def __getattr__(name: str) -> Any:
    if name == "SimDevice":
        from hw_amc.sim_device.device import SimDevice

        return SimDevice
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
