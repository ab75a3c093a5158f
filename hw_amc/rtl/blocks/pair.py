"""Two branches of equal times side by side or multiplied: the earlier one waits in a queue of each context."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import (
    Block,
    Resources,
    SlotTiming,
    Tensor,
    Wires,
    block_memory_cost,
    counter_cost,
    delay_cost,
)
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.blocks.linear import declare, flags_delay
from hw_amc.rtl.verilog import extended, instance, library, vector


@dataclass(frozen=True)
class PairBlock(Block):
    """Two branches whose vectors belong together; the later one's flags go on."""

    name: str
    channels: int
    fmt: FixedFormat
    early: Branch
    late: Branch
    #: Whether the late branch is the first input.
    late_first: bool

    @property
    @abstractmethod
    def depth(self) -> int:
        """Cycles behind the two vectors."""

    @abstractmethod
    def combine(self, first: Wires, second: Wires, out: Wires) -> str:
        """Text that drives `out.data` from both inputs."""

    def _wait(self, timing: SlotTiming) -> int:
        """Cycles by which the later branch is held up so that the earlier one's vector is there in its slot."""
        return max(0, 1 - self._lead(timing))

    def _lead(self, timing: SlotTiming) -> int:
        """Cycles from the earlier branch's vector to the later one's, of the same slot."""
        return self.late.beyond(self.early).cycles(timing) - self.early.beyond(self.late).cycles(timing)

    def latency(self, timing: SlotTiming) -> int:
        return self._wait(timing) + 1 + self.depth

    def _words(self, timing: SlotTiming) -> int:
        """Vectors of a context that may wait at a time, frames back to back, as a power of two."""
        early, late, frame = self.early.slots, self.late.slots, self.late.frame
        # Slots that the queue is longer filled than the branches' times say, by the cycles between both.
        later = -(-(self._lead(timing) + self._wait(timing)) // timing.round_cycles)
        frames = int(late[-1]) // frame + 1
        times = np.arange(frames * frame, (frames + 1) * frame + 1)
        filled = np.zeros(len(times), np.int64)
        for ago in range(frames + 1):
            filled += np.searchsorted(early + (frames - ago) * frame, times, "right")
            filled -= np.searchsorted(late + (frames - ago) * frame + later, times, "left")
        return 1 << int(filled.max()).bit_length()

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, early, late, name = self.output(), self.early.wires, self.late.wires, self.name
        words = self._words(timing)
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "INDEX": (words - 1).bit_length(),
            "WAIT": self._wait(timing),
            "EARLY": early.width,
            "LATE": late.width,
        }
        ports = {"clk": "clk", "rst": "rst", "early_flags": early.flags, "early_data": early.data}
        ports |= {"late_flags": source.flags, "late_data": source.data, "out_flags": f"{name}_both"}
        ports |= {"out_early": f"{name}_early", "out_late": f"{name}_late"}
        sides = (
            Wires("", f"{name}_early", early.channels, early.fmt),
            Wires("", f"{name}_late", late.channels, late.fmt),
        )
        return "\n".join(
            [
                declare(out, timing),
                f"    wire [{timing.ctx_bits + 3}:0] {name}_both;",
                f"    wire {vector(early.width)} {name}_early;",
                f"    wire {vector(late.width)} {name}_late;",
                instance("amc_align", f"{name}_unit", parameters, ports),
                flags_delay(f"{name}_time", f"{name}_both", out.flags, timing, self.depth),
                self.combine(*(sides[::-1] if self.late_first else sides), out),
            ]
        )

    def files(self) -> dict[str, str]:
        return library("amc_align", "amc_flags")

    def split(self, x: NDArray[Any]) -> list[Tensor]:
        """Both inputs in order, of a frame (T, channels of the early one, then of the late one)."""
        sides = np.split(np.asarray(x, np.int64), [self.early.wires.channels], axis=-1)
        return sides[::-1] if self.late_first else sides

    def cost(self, timing: SlotTiming) -> Resources:
        early, late, words = self.early.wires, self.late.wires, self._words(timing)
        pointers = counter_cost((words - 1).bit_length(), timing.contexts) * 2
        memory = block_memory_cost(early.width, words * timing.contexts) + Resources(ff=early.width)
        flags = delay_cost(timing.ctx_bits + 4, self.latency(timing))
        return memory + Resources(ff=late.width) + pointers + delay_cost(late.width, self._wait(timing)) + flags


@dataclass(frozen=True)
class ConcatenateBlock(PairBlock):
    """Channels of both beside each other, in one format."""

    depth = 0

    def combine(self, first: Wires, second: Wires, out: Wires) -> str:
        text, parts = [], []
        for wires in (first, second):
            bits, shift = wires.fmt.bits, self.fmt.frac - wires.fmt.frac
            for lane in range(wires.channels):
                element = f"{wires.data}_{lane}"
                text.append(f"    wire {vector(bits)} {element} = {wires.data}[{lane * bits}+:{bits}];")
                whole = extended(element, bits, wires.fmt.signed, 0, self.fmt.bits - shift)
                parts.append(f"{whole}, {shift}'d0" if shift else whole)
        return "\n".join([*text, f"    assign {out.data} = {{{', '.join(reversed(parts))}}};"])

    def model(self, x: NDArray[Any]) -> Tensor:
        wires = (self.early.wires, self.late.wires)[:: -1 if self.late_first else 1]
        return np.concatenate(
            [part << (self.fmt.frac - side.fmt.frac) for part, side in zip(self.split(x), wires, strict=True)], axis=1
        )


@dataclass(frozen=True)
class MultiplyBlock(PairBlock):
    """Products of both, channel by channel."""

    depth = 3

    def combine(self, first: Wires, second: Wires, out: Wires) -> str:
        parameters: dict[str, int | str] = {
            "CHANNELS": self.channels,
            "A": first.fmt.bits,
            "A_SIGNED": int(first.fmt.signed),
            "B": second.fmt.bits,
            "B_SIGNED": int(second.fmt.signed),
            "OUT": self.fmt.bits,
        }
        ports = {"clk": "clk", "a": first.data, "b": second.data, "y": out.data}
        return instance("amc_multiply", f"{self.name}_products", parameters, ports)

    def files(self) -> dict[str, str]:
        return super().files() | library("amc_multiply")

    def model(self, x: NDArray[Any]) -> Tensor:
        first, second = self.split(x)
        product: Tensor = first * second
        return product

    def cost(self, timing: SlotTiming) -> Resources:
        registers = self.early.wires.fmt.bits + self.late.wires.fmt.bits
        return super().cost(timing) + Resources(ff=registers, dsp=1) * self.channels
