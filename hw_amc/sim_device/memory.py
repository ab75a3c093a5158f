"""Physical memory that a host and a DMA share, with the host's cache in between.

Each buffer exists twice: as the host sees it through its cache and as the DMA sees it in memory. Only flush and
invalidate copy one to the other, as on a Zynq's non-coherent ports, so a program that forgets either fails here too.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PAGE = 4096


@dataclass(frozen=True, eq=False)
class Allocation:
    """One allocation: its physical address, the host's copy and the memory's."""

    address: int
    host: Bytes
    memory: Bytes

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + len(self.memory)


class Memory:
    """First-fit allocator over a range of physical addresses.

    Parameters
    ----------
    base, size : int
        Range in bytes.
    """

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self._blocks: list[Allocation] = []

    @property
    def blocks(self) -> int:
        """Number of live allocations."""
        return len(self._blocks)

    @property
    def used(self) -> int:
        """Bytes allocated, in whole pages."""
        return sum(_pages(len(block.memory)) for block in self._blocks)

    def allocate(self, size: int, coherent: bool = False) -> Allocation:
        """Reserve `size` bytes on a page boundary, filled with zeros; coherent memory has one copy only.

        Raises
        ------
        MemoryError
            No gap is large enough.
        """
        index, start = self._first_fit(_pages(size))
        memory = np.zeros(size, np.uint8)
        block = Allocation(start, memory if coherent else np.zeros(size, np.uint8), memory)
        self._blocks.insert(index, block)
        return block

    def free(self, address: int) -> None:
        """Release the block that starts at `address`; one that is gone already is ignored."""
        self._blocks = [block for block in self._blocks if block.address != address]

    def view(self, address: int, size: int) -> Bytes | None:
        """Memory behind an address range as the DMA sees it; None where no one allocation holds all of it."""
        block = self._find(address)
        if block is None or address + size > block.end:
            return None
        return block.memory[address - block.address : address - block.address + size]

    def flush(self, address: int, size: int) -> None:
        """Write the host's cached bytes back to memory."""
        self._sync(address, size, to_memory=True)

    def invalidate(self, address: int, size: int) -> None:
        """Drop the host's cached bytes, so that it reads memory."""
        self._sync(address, size, to_memory=False)

    def _first_fit(self, size: int) -> tuple[int, int]:
        """Place in the list and address of the first gap of `size` bytes."""
        start = self.base
        for index, block in enumerate(self._blocks):
            if start + size <= block.address:
                return index, start
            start = block.address + _pages(len(block.memory))
        if start + size > self.base + self.size:
            free = self.size - self.used
            raise MemoryError(f"cannot allocate {size} bytes of device memory: {free} of {self.size} are free")
        return len(self._blocks), start

    def _sync(self, address: int, size: int, to_memory: bool) -> None:
        block = self._find(address)
        if block is None or address + size > block.end:
            raise ValueError(f"no buffer covers {size} bytes at {address:#x}; was it freed?")
        part = slice(address - block.address, address - block.address + size)
        source, target = (block.host, block.memory) if to_memory else (block.memory, block.host)
        target[part] = source[part]

    def _find(self, address: int) -> Allocation | None:
        index = bisect_right([block.address for block in self._blocks], address) - 1
        if index < 0 or address >= self._blocks[index].end:
            return None
        return self._blocks[index]


def _pages(size: int) -> int:
    return -(-max(size, 1) // PAGE) * PAGE
