"""Moving batches through the AXI DMA: receive armed before send, every wait bounded, every failure named."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from hw_amc.driver.errors import DeviceError, DeviceStalled, reason, transport_errors
from hw_amc.interface.registers import OFFSET, REGISTERS

#: Soft reset bit of either DMA control register, and the control registers' offsets (PG021).
_DMA_RESET, _DMA_CONTROL, _DMA_STATUS = 1 << 2, 0x00, 0x04
_S2MM = 0x30
_ENABLE = 1 << REGISTERS["CONTROL"].field("enable").lsb
_RESET = 1 << REGISTERS["CONTROL"].field("reset").lsb
_CLEAR = 1 << REGISTERS["CONTROL"].field("clear").lsb


@dataclass
class Traffic:
    """What went over the DMA since the overlay was opened."""

    sends: int = 0
    receives: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    #: Wall time spent waiting for the device.
    waited_s: float = 0.0


class Link:
    """The accelerator's registers and its DMA.

    Parameters
    ----------
    ip, dma : pynq drivers
        `DefaultIP` of the accelerator and `pynq.lib.dma.DMA`.
    timeout_s : float or None
        Wall time for one transfer; None where the device itself detects a hang.
    """

    def __init__(self, ip: Any, dma: Any, timeout_s: float | None) -> None:
        self.ip, self.dma, self.timeout_s = ip, dma, timeout_s
        self.traffic = Traffic()
        self._packet = 0

    # Registers.

    def read(self, name: str, field: str | None = None) -> int:
        """Read a register by name, both words of a 64-bit counter, or one field.

        Raises
        ------
        DeviceError
            The device does not answer.
        """
        register = REGISTERS[name]
        try:
            word = int(self.ip.read(register.offset))
            if field is not None:
                return register.extract(word, field)
            return word | int(self.ip.read(register.offset + 4)) << 32 if register.words == 2 else word
        except transport_errors() as error:
            raise DeviceError(f"the device does not answer: {reason(error)}") from error

    def write(self, name: str, value: int) -> None:
        """Write a register by name; DeviceError when the device does not answer."""
        try:
            self.ip.write(OFFSET[name], value & 0xFFFF_FFFF)
        except transport_errors() as error:
            raise DeviceError(f"the device does not answer: {reason(error)}") from error

    def clear_counters(self) -> None:
        """Set the hardware counters to zero."""
        self.write("CONTROL", _ENABLE | _CLEAR)

    def set_packet(self, frames: int) -> None:
        """Make every packet of results `frames` long."""
        if frames != self._packet:
            self.write("FRAMES_PER_PACKET", frames)
            self._packet = frames

    # Transfers.

    def start(self, source: Any, target: Any, frames: int, target_bytes: int) -> None:
        """Arm the receive channel, then send; returns at once.

        Parameters
        ----------
        source : PynqBuffer
            All of it is sent.
        target : PynqBuffer
            Its first `target_bytes` receive the results of `frames` frames.
        """
        try:
            self.set_packet(frames)
            self.dma.recvchannel.transfer(target, nbytes=target_bytes)
            self.dma.sendchannel.transfer(source)
        except RuntimeError as error:
            raise DeviceError(f"the DMA refuses a transfer: {error}") from error
        except transport_errors() as error:
            raise DeviceError(f"the device does not answer: {reason(error)}") from error
        self.traffic.sends += 1
        self.traffic.receives += 1
        self.traffic.bytes_sent += source.nbytes
        self.traffic.bytes_received += target_bytes

    def finish(self, target_bytes: int) -> None:
        """Wait for both channels and require that exactly `target_bytes` came.

        Raises
        ------
        DeviceStalled
            It took too long; says which side stands still and why.
        DeviceError
            A channel reports an error, or the packet was short.
        """
        begin = time.monotonic()
        deadline = None if self.timeout_s is None else begin + self.timeout_s
        try:
            self._wait("send", deadline)
            self._wait("receive", deadline)
        except TimeoutError as error:
            raise DeviceStalled(f"{error}; {self.describe()}") from error
        except transport_errors() as error:
            raise DeviceError(f"the device does not answer: {reason(error)}") from error
        finally:
            self.traffic.waited_s += time.monotonic() - begin
        got = int(self.dma.recvchannel.transferred)
        if got != target_bytes:
            raise DeviceError(f"the accelerator ended a packet after {got} of {target_bytes} bytes; {self.describe()}")

    def _wait(self, name: str, deadline: float | None) -> None:
        """Poll one channel until it is idle; a failure of either ends the wait."""
        channels = {"send": self.dma.sendchannel, "receive": self.dma.recvchannel}
        while not channels[name].idle:
            for which, channel in channels.items():
                if channel.error:
                    status = int(channel._mmio.read(channel._offset + _DMA_STATUS))
                    raise DeviceError(f"the DMA's {which} channel stopped: {_explain(status)}; {self.describe()}")
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not end in {self.timeout_s:g} s")
        # Idle already: this reads the length and drops the cached copy of what was received.
        channels[name].wait()

    def describe(self) -> str:
        """Say where accelerator and DMA stand; never raises."""
        try:
            status = REGISTERS["STATUS"]
            word = self.read("STATUS")
            state = {field.name: field.extract(word) for field in status.fields}
            counts = f"{self.read('FRAMES_IN')} frames in, {self.read('FRAMES_OUT')} out"
        except Exception as error:  # the message must not hide the failure that it describes
            return f"registers cannot be read ({error})"
        if state["output_waits"]:
            where = "results wait and the DMA takes none"
        elif state["padding"]:
            where = "a broken frame is being filled"
        elif state["mid_frame"] and not state["input_waits"]:
            where = "the accelerator is in mid-frame and gets no samples"
        elif state["input_waits"]:
            where = "samples wait and the accelerator takes none"
        else:
            where = "the accelerator computes" if state["busy"] else "the accelerator is idle"
        return f"{where} ({counts}, {state['in_flight']} in flight)"

    def reset(self) -> None:
        """Drop every transfer and frame: reset the DMA, then the accelerator's data path; settings stay.

        Raises
        ------
        DeviceError
            One of them does not come out of reset.
        """
        try:
            self.dma.mmio.write(_DMA_CONTROL, _DMA_RESET)
            self._until(lambda: not self.dma.mmio.read(_DMA_CONTROL) & _DMA_RESET, "the DMA")
            self.write("CONTROL", _ENABLE | _RESET)
            self._until(lambda: not self.read("STATUS", "resetting"), "the accelerator")
            self.dma.sendchannel.start()
            self.dma.recvchannel.start()
        except transport_errors() as error:
            raise DeviceError(f"the device does not answer: {reason(error)}") from error
        self._packet = 0

    def _until(self, done: Any, what: str) -> None:
        deadline = time.monotonic() + 1.0
        while not done():
            if time.monotonic() > deadline:
                raise DeviceError(f"{what} does not come out of reset; load the overlay again")


def _explain(status: int) -> str:
    words = {
        1 << 4: "internal error (a packet larger than its buffer)",
        1 << 5: "slave error (memory refused an access)",
        1 << 6: "decode error (no memory at this address)",
    }
    found = [text for bit, text in words.items() if status & bit]
    return ", ".join(found) or f"halted, status {status:#x}"
