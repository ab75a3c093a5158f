"""Register model of the Xilinx AXI DMA 7.1 in direct register mode (AMD PG021).

Both channels, their control, status, address and length registers, the rules for when a transfer starts, completes,
fails and halts, and the soft reset. Memory behind the DMA is ideal: one 32-bit word a cycle each way.

Two things are this model's reading of PG021: a packet that fills the S2MM buffer without TLAST counts as larger than
the buffer (DMAIntErr; PG021 promises an error or undefined behaviour), and an address outside memory is a decode error
at the start of the transfer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hw_amc.sim_device.memory import Bytes, Memory
from hw_amc.sim_device.model import StreamModel, Words

# Offsets within a channel; S2MM's block starts at 0x30.
CONTROL, STATUS, ADDRESS, ADDRESS_MSB, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
S2MM_BASE = 0x30
# Control bits.
RUN, RESET, IOC_ENABLE, ERROR_ENABLE = 1 << 0, 1 << 2, 1 << 12, 1 << 14
_CONTROL_RESET = 1 << 16 | 1 << 1
_CONTROL_WRITABLE = 0xFFFF_7011
# Status bits.
HALTED, IDLE, INTERNAL_ERROR, SLAVE_ERROR, DECODE_ERROR = 1 << 0, 1 << 1, 1 << 4, 1 << 5, 1 << 6
IOC_IRQ, DELAY_IRQ, ERROR_IRQ = 1 << 12, 1 << 13, 1 << 14
_ACKNOWLEDGE = IOC_IRQ | DELAY_IRQ | ERROR_IRQ


class Channel:
    """State that MM2S and S2MM have in common.

    Parameters
    ----------
    name : str
        For messages.
    length_bits : int
        Width of the length register.
    align : int
        Bytes that an address must be a multiple of, since the core is built without realignment.
    """

    def __init__(self, name: str, length_bits: int, align: int) -> None:
        self.name, self.align = name, align
        self._length_mask = (1 << length_bits) - 1
        self.reset()

    def reset(self) -> None:
        """Return to the state after power-on."""
        self.control = _CONTROL_RESET
        self.status = HALTED
        self.address = 0
        self.length = 0
        #: Bytes of the transfer under way and how many of them have moved.
        self.size = self.moved = 0
        self.active = False

    @property
    def failed(self) -> bool:
        """Whether an error bit is set."""
        return bool(self.status & (INTERNAL_ERROR | SLAVE_ERROR | DECODE_ERROR))

    @property
    def state(self) -> str:
        """Where the channel stands, in words."""
        if self.active:
            return f"{self.name} moved {self.moved} of {self.size} bytes"
        errors = [word for bit, word in _ERRORS.items() if self.status & bit]
        if errors:
            return f"{self.name} stopped with {' and '.join(errors)}"
        return f"{self.name} {'is halted' if self.status & HALTED else 'has no transfer'}"

    def read(self, offset: int) -> int:
        """Read one of the channel's registers."""
        return {
            CONTROL: self.control,
            STATUS: self.status,
            ADDRESS: self.address & 0xFFFF_FFFF,
            ADDRESS_MSB: self.address >> 32,
            LENGTH: self.length,
        }.get(offset, 0)

    def write(self, offset: int, value: int) -> bool:
        """Write one of the channel's registers; True when this starts a transfer."""
        if offset == CONTROL:
            self._write_control(value)
        elif offset == STATUS:
            self.status &= ~(value & _ACKNOWLEDGE)
        elif offset == ADDRESS:
            self.address = self.address >> 32 << 32 | value
        elif offset == ADDRESS_MSB:
            self.address = self.address & 0xFFFF_FFFF | value << 32
        elif offset == LENGTH:
            return self._write_length(value & self._length_mask)
        return False

    def complete(self) -> None:
        """End the transfer well."""
        self.active = False
        self.status |= IDLE | IOC_IRQ

    def fail(self, error: int) -> None:
        """End the transfer with an error; only a reset makes the channel run again."""
        self.active = False
        self.control &= ~RUN
        self.status = self.status & ~IDLE | error | ERROR_IRQ | HALTED

    def _write_control(self, value: int) -> None:
        self.control = value & _CONTROL_WRITABLE | 1 << 1
        if not value & RUN:
            self.active = False
            self.status = self.status & ~IDLE | HALTED
        elif not self.failed:
            self.status &= ~HALTED

    def _write_length(self, size: int) -> bool:
        # Without RS, or of zero bytes, a write has no effect; while a transfer runs it would corrupt that one.
        if self.status & HALTED or self.active or size == 0:
            return False
        self.length = self.size = size
        self.moved = 0
        self.active = True
        self.status &= ~IDLE
        return True


_ERRORS = {INTERNAL_ERROR: "DMAIntErr", SLAVE_ERROR: "DMASlvErr", DECODE_ERROR: "DMADecErr"}


class AxiDma:
    """One AXI DMA between memory and a streaming model.

    Parameters
    ----------
    memory : Memory
    model : StreamModel
    length_bits, memory_bits : int
        `c_sg_length_width` and the width of the memory side, which addresses must be aligned to.
    """

    def __init__(self, memory: Memory, model: StreamModel, length_bits: int = 26, memory_bits: int = 64) -> None:
        self._memory, self._model = memory, model
        self.send = Channel("MM2S", length_bits, memory_bits // 8)
        self.receive = Channel("S2MM", length_bits, memory_bits // 8)
        self._target: Bytes | None = None
        #: Called with (channel, words) before words leave for the model; a fault may change or drop them.
        self.tamper: Callable[[Words], tuple[Words, bool]] | None = None

    @property
    def active(self) -> bool:
        """Whether a transfer is under way."""
        return self.send.active or self.receive.active

    @property
    def moved(self) -> int:
        """Bytes moved by the transfers under way; grows as long as there is progress."""
        return self.send.moved + self.receive.moved

    def channel(self, offset: int) -> tuple[Channel, int]:
        """Channel behind an offset, and the offset within it."""
        return (self.receive, offset - S2MM_BASE) if offset >= S2MM_BASE else (self.send, offset)

    def read(self, offset: int) -> int:
        """Read a register; time does not pass."""
        channel, offset = self.channel(offset)
        return channel.read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register; a length starts its channel, the reset bit resets the whole core."""
        channel, offset = self.channel(offset)
        if offset == CONTROL and value & RESET:
            self.reset()
        elif channel.write(offset, value):
            self._start(channel)
        elif offset == CONTROL and not channel.active:
            # A stopped channel aborts its transfer.
            if channel is self.receive:
                self._model.allow(0)
            else:
                self._model.drop()

    def reset(self) -> None:
        """Soft reset: both channels lose their transfers; words that the model has taken stay in it."""
        self.send.reset()
        self.receive.reset()
        self._target = None
        self._model.drop()
        self._model.allow(0)

    def service(self) -> None:
        """Account for what the model took and gave since the last call."""
        if self.send.active:
            self.send.moved = self.send.size - min(4 * self._model.waiting(), self.send.size)
            if self.send.moved == self.send.size:
                self.send.complete()
        if self.receive.active:
            self._collect()

    def fail(self, channel: Channel, error: int) -> None:
        """Inject an error, as a memory that answers SLVERR or DECERR would."""
        channel.fail(error)
        if channel is self.receive:
            self._model.allow(0)

    def _start(self, channel: Channel) -> None:
        part = self._memory.view(channel.address, channel.size)
        if part is None:
            channel.fail(DECODE_ERROR)
        elif channel.address % channel.align or channel.size % 4:
            channel.fail(INTERNAL_ERROR)
        elif channel is self.receive:
            self._target = part
            self._model.allow(channel.size // 4)
        else:
            words, last = part.view("<u4").copy(), True
            if self.tamper is not None:
                words, last = self.tamper(words)
            self._model.push(words, last)

    def _collect(self) -> None:
        channel, target = self.receive, self._target
        assert target is not None
        words, last = self._model.pop()
        if len(words):
            data = words.astype("<u4", copy=False).view(np.uint8)
            target[channel.moved : channel.moved + len(data)] = data
            channel.moved += len(data)
        if last:
            channel.length = channel.moved
            self._model.allow(0)
            channel.complete()
        elif channel.moved == channel.size:
            self._model.allow(0)
            channel.fail(INTERNAL_ERROR)
