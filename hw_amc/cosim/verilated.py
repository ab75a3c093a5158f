"""The accelerator as a verilated shared object in this process: for long regressions and for the simulated device.

`FastSim` is a cycle-true accelerator with queues before and behind it. Two levels:

- `run(frames)` feeds whole frames and returns their `Results`;
- `push`, `drop`, `limit_output`, `advance`, `pop`, `read_word`, `write_word` move words, cycles and register accesses
  one by one: what a model of a DMA engine sits on (`hw_amc.cosim.stream_model`).

Needs numpy, a C++ compiler and Verilator.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.cosim.library import load_library
from hw_amc.errors import DataError, ToolFailed
from hw_amc.interface.registers import OFFSET, REGISTERS, TABLE
from hw_amc.interface.words import Results, Words, pack_frames, unpack_results
from hw_amc.parallel import require_wanted
from hw_amc.sources import Sources

#: Cycles in one call into the shared object: Ctrl-C is heard in between.
SLICE_CYCLES = 10_000
#: Pattern of cycles: nonzero lets a word pass. None: every cycle.
Pattern = Sequence[int] | NDArray[Any] | None


class Event(Flag):
    """What a clock cycle may bring, and what `FastSim.advance` can stop at."""

    #: A word with TLAST was received.
    LAST = 1
    #: The last queued word was accepted.
    EMPTY = 2
    #: m_axis has delivered as many words as `limit_output` allowed.
    FULL = 4


@dataclass(frozen=True)
class Capture:
    """Words received, with the cycle in which each was handed over."""

    #: (n,) uint32
    words: Words
    #: (n,) bool: TLAST
    lasts: NDArray[np.bool_]
    #: (n,) uint64
    cycles: NDArray[np.uint64]


class FastSim:
    """One accelerator under simulation; a context manager.

    Parameters
    ----------
    sources, top, cache, farm, traced
        See `hw_amc.cosim.library.build_library`.
    """

    def __init__(
        self, sources: Sources, top: str, cache: Path | None = None, farm: bool = False, traced: bool = False
    ) -> None:
        self._lib = load_library(sources, top, cache, farm, traced)
        self._sim = ctypes.c_void_p(self._lib.amc_new())
        self.reset()

    def __enter__(self) -> FastSim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model; the object is of no use afterwards."""
        if self._sim:
            self._lib.amc_delete(self._sim)
            self._sim = ctypes.c_void_p()

    # Clock and reset.

    @property
    def cycle(self) -> int:
        """Clock cycles so far."""
        return int(self._lib.amc_cycle(self._sim))

    def reset(self, cycles: int = 8) -> None:
        """Hold aresetn low for `cycles`; queued words are dropped on both sides. Registers take their reset values."""
        self._lib.amc_reset(self._sim, cycles)

    def select(self, index: int) -> None:
        """Connect the streams and the bus to accelerator `index` of a farm."""
        self._lib.amc_select(self._sim, index)

    def advance(self, cycles: int, words: int | None = None, stop: Event = Event(0)) -> tuple[int, Event]:  # noqa: B008
        """Let the clock run.

        Parameters
        ----------
        cycles : int
            At most so many.
        words : int, optional
            Stop when so many words wait to be popped.
        stop : Event
            Stop at the end of a cycle that brought one of these.

        Returns
        -------
        (cycles that passed, the events that stopped it)
        """
        wanted = 2**64 - 1 if words is None else words
        seen, passed = ctypes.c_uint(0), 0
        while passed < cycles and not seen.value and self.received < wanted:
            require_wanted()
            part = min(cycles - passed, SLICE_CYCLES)
            passed += self._lib.amc_advance(self._sim, part, wanted, stop.value, ctypes.byref(seen))
        return passed, Event(seen.value)

    def advance_traced(self, saif: Path, words: int, period: int, most: int) -> int:
        """Let the clock run until `words` words wait to be popped; write what toggled meanwhile to a SAIF file.

        Parameters
        ----------
        saif : Path
            A bit that is 1 at the beginning has a toggle too many there: with `most` 0 the file has these alone.
        words : int
        period : int
            Units of time of a clock cycle in the file.
        most : int
            Cycles at most.

        Returns
        -------
        Cycles that passed.
        """
        trace, passed = self._lib.amc_trace_open(self._sim, str(saif).encode(), period), 0
        try:
            while passed < most and self.received < words:
                require_wanted()
                part = min(most - passed, SLICE_CYCLES)
                passed += self._lib.amc_trace_advance(self._sim, trace, period, part, words)
        finally:
            self._lib.amc_trace_close(trace)
        return passed

    # Streams.

    def push(self, words: Words, last: bool = False) -> None:
        """Queue words for s_axis behind those already there; `last` puts TLAST on the last of them."""
        array = np.ascontiguousarray(words, dtype=np.uint32)
        self._lib.amc_push(self._sim, array.ctypes.data, len(array), last)

    def drop(self) -> None:
        """Forget the words that were pushed and not accepted, as a DMA engine does that is reset."""
        self._lib.amc_drop(self._sim)

    @property
    def pending(self) -> int:
        """Words pushed and not yet accepted by the accelerator."""
        return int(self._lib.amc_pending(self._sim))

    @property
    def accepted(self) -> int:
        """Words that the accelerator has accepted since it was created."""
        return int(self._lib.amc_accepted(self._sim))

    @property
    def received(self) -> int:
        """Words that wait to be popped."""
        return int(self._lib.amc_received(self._sim))

    def pop(self, count: int | None = None, to_last: bool = False) -> Capture:
        """Take `count` received words: all by default, fewer when there are fewer, up to TLAST if `to_last`."""
        size = self.received if count is None else min(count, self.received)
        words, lasts, cycles = np.empty(size, np.uint32), np.empty(size, np.uint8), np.empty(size, np.uint64)
        places = (words.ctypes.data, lasts.ctypes.data, cycles.ctypes.data)
        got = self._lib.amc_pop(self._sim, *places, size, to_last)
        return Capture(words[:got], lasts[:got].astype(bool), cycles[:got])

    def limit_output(self, words: int | None, to_last: bool = False) -> None:
        """Take `words` more words from m_axis (None: no limit), or up to TLAST, then hold its TREADY low."""
        self._lib.amc_room(self._sim, 2**64 - 1 if words is None else words, to_last)

    def set_patterns(self, source: Pattern = None, sink: Pattern = None) -> None:
        """Repeat patterns of cycles: `source` gates new words on s_axis, `sink` is TREADY of m_axis."""
        for side, pattern in enumerate((source, sink)):
            bits = np.asarray([] if pattern is None else pattern, np.uint8)
            if bits.size and not bits.any():
                raise DataError("a pattern of idle cycles only would stall the stream for ever")
            self._lib.amc_pattern(self._sim, side, bits.ctypes.data, bits.size)

    def mark(self) -> None:
        """Forget `first_accept_cycle`: the next word accepted sets it."""
        self._lib.amc_mark(self._sim)

    @property
    def first_accept_cycle(self) -> int | None:
        """Cycle in which the first word since `mark` was accepted."""
        cycle = int(self._lib.amc_mark_cycle(self._sim))
        return None if cycle == 2**64 - 1 else cycle

    # Registers.

    def write_word(self, address: int, data: int, strobe: int = 0xF) -> None:
        """AXI4-Lite write; takes a few cycles, in which the streams go on. ToolFailed when nothing answers."""
        self._check(self._lib.amc_write(self._sim, address, data & 0xFFFFFFFF, strobe), "write", address)

    def read_word(self, address: int) -> int:
        """AXI4-Lite read. ToolFailed when nothing answers."""
        data = ctypes.c_uint32(0)
        self._check(self._lib.amc_read(self._sim, address, ctypes.byref(data)), "read", address)
        return data.value

    def write(self, register: str, value: int) -> None:
        """Write a register by its name in `hw_amc.interface.registers`."""
        self.write_word(OFFSET[register], value)

    def read(self, register: str, field: str | None = None) -> int:
        """Read a register, 64-bit counters whole, or one `field` of it."""
        entry = REGISTERS[register]
        word = self.read_word(entry.offset)
        if field is not None:
            return entry.extract(word, field)
        return word | self.read_word(entry.offset + 4) << 32 if entry.words == 2 else word

    def dump(self) -> dict[str, int]:
        """Read all registers."""
        return {register.name: self.read(register.name) for register in TABLE}

    @staticmethod
    def _check(response: int, what: str, address: int) -> None:
        if response:
            trouble = "nothing answered" if response < 0 else f"response {response}"
            raise ToolFailed(f"AXI4-Lite {what} at {address:#x}: {trouble}")

    # Frames.

    def run(self, frames: NDArray[Any], idle: Pattern = None, stall: Pattern = None, last: bool = True) -> Results:
        """Feed frames back to back and collect their results.

        Parameters
        ----------
        frames : int16 array (n, T, 2)
            Wire words; in channel mode n is a multiple of the channels.
        idle, stall : patterns, optional
            See `set_patterns`: 0 marks a cycle in which the source, or the sink, does nothing.
        last : bool
            TLAST with the last sample.

        Raises
        ------
        ToolFailed
            The accelerator stopped answering; the message says where it stands.
        """
        return unpack_results(self.stream(frames, idle, stall, last).words, self.read("CLASSES"))

    def stream(self, frames: NDArray[Any], idle: Pattern = None, stall: Pattern = None, last: bool = True) -> Capture:
        """As `run`, with the raw words and the cycle of each."""
        n_channels = self.read("MODE", "n_channels")
        wanted = len(frames) * self.read("RESULT_WORDS")
        self.set_patterns(idle, stall)
        self.mark()
        self.push(pack_frames(frames, n_channels), last)
        seen = (-1, -1)
        while self.received < wanted:
            self.advance(max(SLICE_CYCLES, 1000 * self.read("FRAME_LEN")), wanted)
            now = (self.received, self.pending)
            if now == seen:
                raise ToolFailed(f"the accelerator stopped: {self.describe()}; {wanted} words expected")
            seen = now
        self.set_patterns()
        return self.pop(wanted)

    def describe(self) -> str:
        """Say where the accelerator stands, in words: what a time-out reports."""
        ports = self._lib.amc_ports(self._sim)
        names = ("s_axis_tvalid", "s_axis_tready", "m_axis_tvalid", "m_axis_tready")
        levels = ", ".join(f"{name}={ports >> bit & 1}" for bit, name in enumerate(names))
        status = self.read("STATUS")
        fields = ", ".join(f"{f.name}={f.extract(status)}" for f in REGISTERS["STATUS"].fields)
        return f"cycle {self.cycle}, {self.pending} words not accepted, {self.received} received, {levels}, {fields}"
