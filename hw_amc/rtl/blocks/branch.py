"""The way from the entry to a block: when a tensor's vectors come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from hw_amc.rtl.blocks.base import Block, SlotTiming, Tensor, Wires


@dataclass(frozen=True)
class Branch:
    """Blocks in series behind the entry; where branches were added, along the later one."""

    #: Wires of the entry.
    entry: Wires
    #: Samples of a frame.
    length: int
    blocks: tuple[Block, ...] = ()

    @property
    def wires(self) -> Wires:
        """What leaves the last block."""
        return self.blocks[-1].output() if self.blocks else self.entry

    @property
    def last(self) -> str:
        """Name of the last block; empty for the entry."""
        return self.blocks[-1].name if self.blocks else ""

    @property
    def lag(self) -> int:
        """Slots of a context from a frame's last sample to the last vector."""
        return sum(block.lag for block in self.blocks)

    @property
    def delay(self) -> int:
        """Samples by which a vector in the middle of a frame waits for later ones: behind a pool they count more."""
        decimations = [block.decimation for block in self.blocks]
        return sum(block.lag * prod(decimations[:index]) for index, block in enumerate(self.blocks))

    @cached_property
    def slots(self) -> Tensor:
        """Slots of a context in which a frame's vectors come, its first sample in slot 0: back to back, none idle."""
        slots = np.arange(self.length)
        for block in self.blocks:
            slots = block.slots(slots)
        return slots

    @cached_property
    def frame(self) -> int:
        """Slots of a frame where the branch ends: slower ones are fewer."""
        slots, frame = np.arange(self.length), self.length
        for block in self.blocks:
            slots = block.slots(slots)
            frame = len(slots) if block.retimes else frame
        return frame

    def cycles(self, timing: SlotTiming) -> int:
        """Cycles from the entry's flags to those of the last block, besides the slots of `lag` and `delay`.

        `timing` is that of all blocks; see `beyond`.
        """
        return sum(block.latency(timing) for block in self.blocks)

    def beyond(self, other: Branch) -> Branch:
        """Return what follows the part that both branches share."""
        pairs = zip(self.blocks, other.blocks, strict=False)
        shared = next((index for index, (a, b) in enumerate(pairs) if a is not b), None)
        if shared is None:
            shared = min(len(self.blocks), len(other.blocks))
        return replace(self, blocks=self.blocks[shared:])

    def then(self, block: Block) -> Branch:
        """Return the branch with a block more."""
        return replace(self, blocks=(*self.blocks, block))
