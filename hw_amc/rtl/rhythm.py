"""When results come: the control of a core run cycle by cycle, source and sink always ready.

Frames that take longer than the way through the core leave in a rhythm that follows from slots and heads alone. Shorter
ones do not: at most two frames of each context are under way, and a new one begins only when one has left its place.
When that is depends on slots, on places and on the heads, so that it is counted here as the hardware counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from hw_amc.rtl.blocks.base import SlotTiming
from hw_amc.rtl.control import EntryControl, HeadsControl, PackerControl


@dataclass(frozen=True)
class Hop:
    """A part of the way of a frame's last sample: cycles, where `slow` is given from the context's slow slot on."""

    cycles: int
    slow: SlotTiming | None = None

    def leave(self, arrival: int, context: int) -> int:
        """Cycle at the end of the hop; cycle 0 is the first without reset."""
        if self.slow is not None:
            first = context * self.slow.slot_cycles
            arrival = first - -(arrival + 1 - first) // self.slow.round_cycles * self.slow.round_cycles
        return arrival + self.cycles


@dataclass(frozen=True)
class Rhythm:
    """The control of a core, from the entry to the logits."""

    #: A fresh state of each.
    entry: Callable[[], EntryControl]
    heads: Callable[[], HeadsControl]
    #: From the slot of a frame's last sample to its last vector at the heads.
    hops: tuple[Hop, ...]
    #: Logits of a result.
    words: int
    #: Results that come together: one of each context, or of each channel.
    together: int
    #: Cycles from a frame's first sample to when it has left its place, more rather than fewer.
    way: int

    def is_short(self, steady: int) -> bool:
        """Whether frames of so many cycles may have to wait for those under way."""
        return 2 * self.together * steady <= self.way

    def cycles_per_frame(self, steady: int, shell: bool = False) -> int:
        """Cycles between results on average, half a cycle rounded up.

        Parameters
        ----------
        steady : int
            What slots and heads allow: so many, where frames are long enough.
        shell : bool
            Of the accelerator: a result's words leave one a cycle.
        """
        if not self.is_short(steady):
            return steady
        count = 12 * (2 * self.together + 1)
        ends = list(islice(self.ends(shell), count))
        gaps = [late - early for early, late in pairwise(ends)][count // 3 :]
        # Whatever the phase in which the first sample came, the gaps repeat after a while.
        period = next((n for n in range(1, len(gaps) // 2) if gaps[n:] == gaps[:-n]), len(gaps))
        return (2 * sum(gaps[:period]) + period) // (2 * period)

    def ends(self, shell: bool = False, start: int = 0) -> Iterator[int]:
        """Cycles in which the last logit of each result is handed over (of a shell: its last word), without end.

        `start` is the cycle from which on samples are offered; cycle 0 is the core's first without reset.
        """
        entry, heads, packer = self.entry(), self.heads(), PackerControl(self.words)
        arrivals = dict[int, int]()
        cycle = handed = 0
        while True:
            ready = packer.ready or not shell
            gives = heads.valid and ready
            handed += gives
            if packer.step(gives) if shell else gives and handed % self.words == 0:
                yield cycle
            taken = heads.step(arrivals.pop(cycle, None), ready)
            _, context = entry.step(cycle >= start, taken)
            if context is not None:
                arrivals[self._arrival(cycle, context)] = context
            cycle += 1

    def _arrival(self, cycle: int, context: int) -> int:
        for hop in self.hops:
            cycle = hop.leave(cycle, context)
        return cycle
