"""What a simulated accelerator must be able to do; a Python model or a verilated one serves alike."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]


class StreamModel(Protocol):
    """An IP between the two streams of a DMA, clocked in programmable-logic cycles.

    Words wait in an input queue until s_axis takes them; m_axis is ready for as many words as were allowed. Both are
    what the DMA on either side offers, so that back-pressure and starvation are those of the real system.
    """

    def reset(self) -> None:
        """Hold aresetn low for a few cycles and empty the queues."""

    def read(self, offset: int) -> int:
        """Read a 32-bit register at a byte offset; takes bus cycles of its own or none."""

    def write(self, offset: int, value: int) -> None:
        """Write a 32-bit register at a byte offset."""

    def push(self, words: Words, last: bool) -> None:
        """Queue words for s_axis; `last` raises TLAST with the final one."""

    def drop(self) -> None:
        """Forget the queued words that s_axis has not taken: the DMA behind them was reset."""

    def waiting(self) -> int:
        """Count the queued words that s_axis has not taken yet."""

    def allow(self, words: int) -> None:
        """Set how many further words m_axis may deliver; 0 holds TREADY low."""

    def pop(self) -> tuple[Words, bool]:
        """Take the words delivered so far, up to a TLAST at most; the flag says whether the final word had it."""

    def advance(self, cycles: int) -> int:
        """Clock for at most `cycles` and return how many passed.

        Stops early in the cycle in which the input queue runs empty, m_axis delivers a TLAST, or its allowance ends.
        """

    def describe(self) -> str:
        """Say in a few words where the model stands, for the message about a stall."""

    def close(self) -> None:
        """Free what the model holds outside Python."""
