"""Which PYNQ device holds the accelerator: a board, a board from afar, or a simulated one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hw_amc.driver.errors import DeviceError

#: PYNQ's own variable: addresses of the boards that a computer drives remotely (PYNQ 3.1 and later).
REMOTE_VARIABLE = "PYNQ_REMOTE_DEVICES"


def choose_device(bitstream: Path) -> Any:
    """Return the device to load `bitstream` on.

    The simulated one where the environment asks for it; else PYNQ's own choice, a remote board included; but an overlay
    with a .sim.json beside it is a simulated one.

    Raises
    ------
    DeviceError
        PYNQ finds no device, or cannot reach the remote one.
    """
    from hw_amc import sim_device

    remote = bool(os.environ.get(REMOTE_VARIABLE))
    if sim_device.requested() or (not remote and bitstream.with_suffix(".sim.json").is_file()):
        return sim_device.enable()
    from pynq import Device

    try:
        return Device.active_device
    except RuntimeError as error:
        mend = (
            f"is PYNQ's remote service running on {os.environ[REMOTE_VARIABLE]}?"
            if remote
            else "without a board, write a simulated overlay (docs/guides/simulate.md)"
        )
        raise DeviceError(f"no PYNQ device here ({error}); {mend}") from error


def is_remote(device: Any) -> bool:
    """Say whether the device's memory is another computer's."""
    return bool(device.has_capability("REMOTE"))


def is_simulated(device: Any) -> bool:
    """Say whether time on the device is simulated, and wall time says nothing about a board."""
    from hw_amc.sim_device import REMOTE_NAME

    return bool(getattr(device, "simulated", False)) or (is_remote(device) and device.name == REMOTE_NAME)


def is_estimated(device: Any) -> bool:
    """Say whether even cycles on the device are an estimate, as far as it can be asked: a remote one cannot."""
    return bool(getattr(device, "time_estimated", False))


def lock_tag(device: Any) -> str:
    """Name by which processes of this computer tell devices apart: a remote one by its address, not by its number."""
    return f"{device.ip_addr}-{device.port}" if is_remote(device) else str(device.tag)
