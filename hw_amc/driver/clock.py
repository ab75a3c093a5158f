"""The programmable-logic clock: set from the manifest, and read back.

PYNQ 2.7 to 3.1 writes the divisors of the .hwh as they are. Those are right for the PLL that Vivado assumed, which is
not always the one that the board has booted with: an UltraScale+ overlay that was built without board files would run
at 375 MHz instead of 250.
"""

from __future__ import annotations

import warnings
from typing import Any

from hw_amc.driver.errors import DeviceError, reason, transport_errors

#: Share by which the clock may differ from the manifest's: PYNQ counts with a reference of 33.333 MHz, not 33.3333.
TOLERANCE = 0.005


def keep_from_download(overlay: Any) -> None:
    """Make `overlay.download` leave clock 0 alone, which is set already: not even for a moment must it run faster."""
    clock = overlay.clock_dict.get(0, {})
    clock.pop("enable", None)


def set_clock(wanted_mhz: float) -> None:
    """Set clock 0 as near to `wanted_mhz` as the booted PLL allows.

    Raises
    ------
    DeviceError
        The device does not answer, or its registers make no sense to PYNQ.
    """
    from pynq import Clocks

    try:
        with warnings.catch_warnings():
            # PYNQ warns of a clock that is 1 % away; `require_clock` refuses it.
            warnings.simplefilter("ignore")
            Clocks.fclk0_mhz = wanted_mhz
    except (ValueError, ZeroDivisionError) as error:
        raise DeviceError(f"PYNQ cannot set the programmable-logic clock to {wanted_mhz:g} MHz: {error}") from error
    except transport_errors() as error:
        raise DeviceError(f"the device does not answer: {reason(error)}") from error


def read_clock() -> float:
    """Return clock 0 in MHz, as the PS's registers have it now; DeviceError where they cannot be read."""
    from pynq import Clocks

    try:
        return float(Clocks.fclk0_mhz)
    except (ValueError, ZeroDivisionError) as error:
        raise DeviceError(f"PYNQ cannot read the programmable-logic clock: {error}") from error
    except transport_errors() as error:
        raise DeviceError(f"the device does not answer: {reason(error)}") from error


def differs(found_mhz: float, wanted_mhz: float) -> bool:
    """Say whether two clocks are more than `TOLERANCE` apart."""
    return abs(found_mhz - wanted_mhz) > TOLERANCE * wanted_mhz


def require_clock(wanted_mhz: float) -> None:
    """Require that clock 0 is the one that the overlay was built for; DeviceError says what it is."""
    found = read_clock()
    if not found:
        raise DeviceError(f"PYNQ cannot set the programmable-logic clock to {wanted_mhz:g} MHz: it reads 0 MHz")
    if differs(found, wanted_mhz):
        raise DeviceError(
            f"the programmable-logic clock is {found:g} MHz, the nearest that this board's PLL can be divided to; the "
            f"overlay was built for {wanted_mhz:g} MHz: build it with clock_mhz = {found:g} in board.toml"
        )
