"""Whole frames kept: from their end, or one vector many times; and vectors by their place in a frame."""

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
    memory_cost,
)
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.verilog import instance, library, packed, vector


@dataclass(frozen=True)
class _FrameBlock(Block):
    """A block that is one instance with the ports of all."""

    name: str
    channels: int
    fmt: FixedFormat
    #: Vectors of a frame that leave.
    length: int

    @property
    @abstractmethod
    def module(self) -> str:
        """Module of the instance."""

    @abstractmethod
    def parameters(self, timing: SlotTiming) -> dict[str, int | str]:
        """Parameters that only this block has."""

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        return self.instantiate(source, self.output(), timing)

    def instantiate(self, source: Wires, out: Wires, timing: SlotTiming) -> str:
        """The instance, and the wires that leave it."""
        parameters = {"CTX": timing.ctx_bits, "CONTEXTS": timing.contexts, "WIDTH": out.width}
        ports = {"clk": "clk", "rst": "rst", "in_flags": source.flags, "in_data": source.data}
        ports |= {"out_flags": out.flags, "out_data": out.data}
        text = instance(self.module, f"{self.name}_unit", parameters | self.parameters(timing), ports)
        return f"{declare(out, timing)}\n{text}"

    def files(self) -> dict[str, str]:
        return library(self.module)


@dataclass(frozen=True)
class ReverseBlock(_FrameBlock):
    """A frame from its end, in the slots behind its last sample."""

    module = "amc_reverse"
    steady = False

    @property
    def lag(self) -> int:  # type: ignore[override]
        return self.length

    @property
    def overlap(self) -> int:  # type: ignore[override]
        return self.length  # the next frame has a place of its own

    def slots(self, arrivals: Tensor) -> Tensor:
        slots: Tensor = arrivals[-1] + 1 + np.arange(self.length)
        return slots

    def latency(self, timing: SlotTiming) -> int:
        return 2

    def parameters(self, timing: SlotTiming) -> dict[str, int | str]:
        return {"LENGTH": self.length, "TIME": max((self.length - 1).bit_length(), 1)}

    def model(self, x: NDArray[Any]) -> Tensor:
        turned: Tensor = np.asarray(x, np.int64)[::-1]
        return turned

    def cost(self, timing: SlotTiming) -> Resources:
        width, words = self.channels * self.fmt.bits, 2 * timing.contexts * self.length
        time = (self.length - 1).bit_length()
        control = counter_cost(time, timing.contexts) * 2 + counter_cost(3, timing.contexts) + Resources(ff=2 * width)
        return block_memory_cost(width, words) + control + delay_cost(timing.ctx_bits + 4, 2)


@dataclass(frozen=True)
class RepeatBlock(_FrameBlock):
    """A frame's one vector, `length` times."""

    module = "amc_repeat"
    steady = False

    @property
    def lag(self) -> int:  # type: ignore[override]
        return self.length - 1

    def slots(self, arrivals: Tensor) -> Tensor:
        slots: Tensor = arrivals[-1] + np.arange(self.length)
        return slots

    def latency(self, timing: SlotTiming) -> int:
        return 1

    def parameters(self, timing: SlotTiming) -> dict[str, int | str]:
        return {"COUNT": self.length, "TIME": self.length.bit_length()}

    def model(self, x: NDArray[Any]) -> Tensor:
        again: Tensor = np.repeat(np.asarray(x, np.int64), self.length, axis=0)
        return again

    def cost(self, timing: SlotTiming) -> Resources:
        width, time = self.channels * self.fmt.bits, self.length.bit_length()
        control = counter_cost(time, timing.contexts) + Resources(lut=width)
        return memory_cost(width, timing.contexts) + control + delay_cost(timing.ctx_bits + 4, 1)


@dataclass(frozen=True)
class ChooseBlock(_FrameBlock):
    """Of groups of channels, the one that is named for the vector's place."""

    choices: tuple[int, ...]
    #: Format of the groups; what is chosen fits the block's.
    source_fmt: FixedFormat

    module = "amc_choose"

    @property
    def _groups(self) -> int:
        return max(self.choices) + 1

    def latency(self, timing: SlotTiming) -> int:
        return 1

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, bits, name = self.output(), self.source_fmt.bits, self.name
        chosen = Wires(out.flags, f"{name}_chosen", self.channels, self.source_fmt)
        parts = ", ".join(f"{chosen.data}[{lane * bits}+:{out.fmt.bits}]" for lane in reversed(range(self.channels)))
        return "\n".join(
            [
                "    /* verilator lint_off UNUSEDSIGNAL */  // bits that only what is not chosen needs",
                self.instantiate(source, chosen, timing),
                "    /* verilator lint_on UNUSEDSIGNAL */",
                f"    wire {vector(out.width)} {out.data} = {{{parts}}};",
            ]
        )

    def parameters(self, timing: SlotTiming) -> dict[str, int | str]:
        select = max((self._groups - 1).bit_length(), 1)
        return {
            "GROUPS": self._groups,
            "SELECT": select,
            "LENGTH": self.length,
            "TIME": max((self.length - 1).bit_length(), 1),
            "CHOICES": packed(self.choices, select),
        }

    def model(self, x: NDArray[Any]) -> Tensor:
        groups = np.asarray(x, np.int64).reshape(self.length, -1, self.channels)
        chosen: Tensor = groups[np.arange(self.length), list(self.choices)]
        return chosen

    def cost(self, timing: SlotTiming) -> Resources:
        width, time = self.channels * self.fmt.bits, (self.length - 1).bit_length()
        table = -(-self.length // 64)
        control = counter_cost(time, timing.contexts) + Resources(lut=table, ff=width)
        return control + Resources(lut=width * -(-self._groups // 4)) + delay_cost(timing.ctx_bits + 4, 1)
