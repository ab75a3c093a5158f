"""What goes wrong between a program and its accelerator."""

from __future__ import annotations

import sys

from hw_amc.errors import HwAmcError


class DeviceError(HwAmcError):
    """The device answered wrongly or not at all."""

    exit_code = 8


class DeviceStalled(DeviceError, TimeoutError):
    """A transfer did not end in time; the driver has reset the accelerator and can go on."""


class DeviceBusy(DeviceError):
    """Another program or another driver object holds the accelerator."""


def transport_errors() -> tuple[type[Exception], ...]:
    """What PYNQ raises when a device does not answer: OSError on a board; from afar RuntimeError, or gRPC's errors."""
    # Nothing but a remote device loads gRPC; the driver itself needs none.
    grpc = sys.modules.get("grpc")
    return (OSError, RuntimeError) if grpc is None else (OSError, RuntimeError, grpc.RpcError)


def reason(error: Exception) -> str:
    """Say in one line what `error` is; gRPC's own text has many."""
    details = getattr(error, "details", None)
    return str(details() if callable(details) else error)
