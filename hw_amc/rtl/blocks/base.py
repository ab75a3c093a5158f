"""What all blocks over time have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.graph.fixed import FixedFormat

Tensor = NDArray[np.int64]


@dataclass(frozen=True)
class Resources:
    """Estimated resources, in the primitives of Xilinx 7-series and UltraScale+."""

    lut: float = 0
    ff: float = 0
    carry: float = 0
    dsp: float = 0
    bram36: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.lut + other.lut,
            self.ff + other.ff,
            self.carry + other.carry,
            self.dsp + other.dsp,
            self.bram36 + other.bram36,
        )

    def __mul__(self, count: int) -> Resources:
        return Resources(self.lut * count, self.ff * count, self.carry * count, self.dsp * count, self.bram36 * count)


def adder_cost(bits: int) -> Resources:
    """An adder of `bits` bits on a carry chain, with its register."""
    return Resources(lut=bits, ff=bits, carry=-(-bits // 4))


def delay_cost(bits: int, cycles: int) -> Resources:
    """Return a delay line's: flip-flops up to three cycles, then a LUT for each bit and 32 cycles, and a flip-flop."""
    if cycles <= 3:
        return Resources(ff=bits * max(cycles, 0))
    return Resources(lut=bits * -(-(cycles - 1) // 32), ff=bits)


def memory_cost(bits: int, words: int) -> Resources:
    """State of `words` contexts: flip-flops for one, else distributed RAM (32 deep: 6 bits in 4 LUTs)."""
    if words <= 1:
        return Resources(ff=bits)
    if words <= 32:
        return Resources(lut=4 * -(-bits // 6), ff=bits)
    return Resources(lut=4 * -(-bits // 3) * -(-words // 64), ff=bits)


def block_memory_cost(bits: int, words: int) -> Resources:
    """A memory that is read into a register: block RAM, halves of 36 x 512, or distributed RAM where it is small."""
    if bits * words <= 1024:
        return memory_cost(bits, words)
    return Resources(bram36=0.5 * -(-bits // 36) * -(-words // 512))


def counter_cost(bits: int, contexts: int) -> Resources:
    """A counter of each context in flip-flops: which one is written, and the one that is read."""
    return Resources(lut=bits * (contexts + -(-contexts // 4)) + contexts, ff=bits * contexts)


@dataclass(frozen=True)
class SlotTiming:
    """How time is shared: K contexts, a slot every `slot_cycles` cycles."""

    contexts: int
    slot_cycles: int
    #: Contexts that samples go to, the lowest ones; the others' slots stay idle. None: all.
    used: int | None = None

    @property
    def used_contexts(self) -> int:
        """Contexts that samples go to."""
        return self.contexts if self.used is None else self.used

    @property
    def ctx_bits(self) -> int:
        """Bits of a context number, at least 1."""
        return max((self.contexts - 1).bit_length(), 1)

    @property
    def round_cycles(self) -> int:
        """Cycles from a context's slot to its next."""
        return self.contexts * self.slot_cycles


@dataclass(frozen=True)
class Wires:
    """Names of the wires between two blocks and what they carry."""

    flags: str
    data: str
    channels: int
    fmt: FixedFormat

    @property
    def width(self) -> int:
        """Bits of `data`."""
        return self.channels * self.fmt.bits


def follow(arrivals: Tensor, needs: Tensor) -> Tensor:
    """Slots of outputs that each come with the input of a number, or, beyond the last one, so many slots behind it."""
    beyond = np.maximum(needs - (len(arrivals) - 1), 0)
    slots: Tensor = arrivals[np.minimum(needs, len(arrivals) - 1)] + beyond
    return slots


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say which layer it is whose formats are too wide."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"rtl: layer {name!r}: {error}; use narrower formats") from error


class Block(ABC):
    """A layer over time: takes a context's sample in a slot, gives its output `latency` cycles later."""

    #: Graph node, or the last of the nodes that were fused into the block.
    name: str
    channels: int
    fmt: FixedFormat
    #: Slots of a context by which the last output follows the last input.
    lag: int = 0
    #: Samples in for each sample out.
    decimation: int = 1
    #: Node whose `cycles_per_step` the block takes; empty where there is no choice.
    layer: str = ""
    #: R: cycles that a sample takes the block; its slots must be so far apart.
    cycles: int = 1
    #: Cycles around the recurrent loop; 0 without one.
    loop_latency: int = 0
    #: Slots of `lag` that the context's next frame may use too.
    overlap: int = 0
    #: Whether vectors behind the block come as evenly as those in front of it, so that slots may become slower there.
    steady: bool = True
    #: Whether slots are slower behind the block.
    retimes: bool = False

    @property
    def legal_cycles(self) -> list[int]:
        """R that differ in size; any up to the largest is possible. Empty where there is no choice."""
        return []

    def slots(self, arrivals: Tensor) -> Tensor:
        """Slots of a context in which a frame's outputs come, from those of its inputs; the block is given both.

        Behind the last input, outputs come in the context's next slots.
        """
        last = np.arange(len(arrivals) // self.decimation) * self.decimation + self.decimation - 1
        return follow(arrivals, last + self.lag)

    def rest(self, arrivals: Tensor, slots: int) -> int:
        """Idle slots that the block needs behind a frame of so many slots, whose inputs come at `arrivals`."""
        return int(arrivals[-1]) + self.lag - self.overlap + 1 - slots - int(arrivals[0])

    def output(self) -> Wires:
        """Wires that leave the block."""
        return Wires(f"{self.name}_flags", f"{self.name}_data", self.channels, self.fmt)

    @abstractmethod
    def emit(self, source: Wires, timing: SlotTiming) -> str:
        """Declarations and instances for the core's module."""

    @abstractmethod
    def latency(self, timing: SlotTiming) -> int:
        """Cycles from the input's slot to the output's."""

    @abstractmethod
    def files(self) -> dict[str, str]:
        """Modules that `emit` instantiates."""

    @abstractmethod
    def model(self, x: NDArray[Any]) -> Tensor:
        """Integer model: one frame (T, channels in) -> (T out, channels)."""

    @abstractmethod
    def cost(self, timing: SlotTiming) -> Resources:
        """Estimated resources."""
