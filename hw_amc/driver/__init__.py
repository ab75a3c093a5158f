"""The accelerator from Python, on a board or in simulation: frames in, classes and logits out.

    from hw_amc.driver import AmcOverlay

    with AmcOverlay("gru_cnn_sparse07.bit") as amc:
        labels, logits = amc.classify(frames)
        print(amc.benchmark())

Needs numpy and pynq, and of this package only what needs nothing more: copy it to the board as it is.
"""

from __future__ import annotations

from hw_amc.driver.answers import Classified
from hw_amc.driver.benchmark import Benchmark, Latency
from hw_amc.driver.errors import DeviceBusy, DeviceError, DeviceStalled
from hw_amc.driver.overlay import UNKNOWN, AmcOverlay
from hw_amc.driver.selftest import SelfTest

__all__ = [
    "UNKNOWN",
    "AmcOverlay",
    "Benchmark",
    "Classified",
    "DeviceBusy",
    "DeviceError",
    "DeviceStalled",
    "Latency",
    "SelfTest",
]
