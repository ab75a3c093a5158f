"""What goes wrong between a program and its accelerator."""

from __future__ import annotations

from hw_amc.errors import HwAmcError


class DeviceError(HwAmcError):
    """The device answered wrongly or not at all."""

    exit_code = 8


class DeviceStalled(DeviceError, TimeoutError):
    """A transfer did not end in time; the driver has reset the accelerator and can go on."""


class DeviceBusy(DeviceError):
    """Another program or another driver object holds the accelerator."""
