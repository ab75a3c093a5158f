"""The verilated accelerator as the simulated device wants it (`hw_amc.sim_device.model.StreamModel`)."""

from __future__ import annotations

from hw_amc.cosim.verilated import Event, FastSim
from hw_amc.interface.words import Words


class VerilatedModel:
    """A `StreamModel` over a `FastSim`; time is what the clock counts, bus accesses included."""

    def __init__(self, sim: FastSim) -> None:
        self._sim = sim
        self._sim.limit_output(0)

    def reset(self) -> None:
        """Hold aresetn low for a few cycles and empty the queues."""
        self._sim.reset()
        self._sim.limit_output(0)

    def read(self, offset: int) -> int:
        """Read a 32-bit register at a byte offset."""
        return self._sim.read_word(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a 32-bit register at a byte offset."""
        self._sim.write_word(offset, value)

    def push(self, words: Words, last: bool) -> None:
        """Queue words for s_axis; `last` raises TLAST with the final one."""
        self._sim.push(words, last)

    def drop(self) -> None:
        """Forget the queued words that s_axis has not taken."""
        self._sim.drop()

    def waiting(self) -> int:
        """Count the queued words that s_axis has not taken yet."""
        return self._sim.pending

    def allow(self, words: int) -> None:
        """Set how many further words m_axis may deliver; it stops at a TLAST before."""
        self._sim.limit_output(words, to_last=True)

    def pop(self) -> tuple[Words, bool]:
        """Take the words delivered so far, up to a TLAST at most."""
        capture = self._sim.pop(to_last=True)
        return capture.words, bool(len(capture.lasts) and capture.lasts[-1])

    def advance(self, cycles: int) -> int:
        """Clock for at most `cycles`; stop when the queue runs empty, TLAST is delivered, or the allowance ends."""
        return self._sim.advance(cycles, stop=Event.LAST | Event.EMPTY | Event.FULL)[0]

    def describe(self) -> str:
        """Say where the accelerator stands."""
        return self._sim.describe()

    def close(self) -> None:
        """Free the model."""
        self._sim.close()
