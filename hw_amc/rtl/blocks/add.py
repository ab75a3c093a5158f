"""Two branches join: the vectors of the earlier one wait, context by context, for those of the later one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, adder_cost, delay_cost, memory_cost
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.verilog import instance, library

#: Cycles from the later branch's vector, once the earlier one's has arrived, to the sum: reading, adding.
SUM_CYCLES = 2


@dataclass(frozen=True)
class AddBlock(Block):
    """add: the later branch sets the time, so that its flags go on and the earlier one's end here."""

    node: ir.Add
    early: Branch
    late: Branch

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.node.name

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.node.shape[-1]

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.node.fmt

    def _wait(self, timing: SlotTiming) -> int:
        """Cycles by which the later branch is held up so that the earlier one's vector is there in its slot."""
        return max(0, 1 - self._lead(timing))

    def _lead(self, timing: SlotTiming) -> int:
        """Cycles from the earlier branch's vector to the later one's, of the same slot."""
        return self.late.beyond(self.early).cycles(timing) - self.early.beyond(self.late).cycles(timing)

    def latency(self, timing: SlotTiming) -> int:
        return self._wait(timing) + SUM_CYCLES

    def _words(self, timing: SlotTiming) -> int:
        """Vectors of a context that may wait at a time, a power of two: one a slot between both branches' times."""
        late, early = self.late.beyond(self.early), self.early.beyond(self.late)
        slots = max(late.lag - early.lag, late.delay - early.delay)
        cycles = self._lead(timing) + self._wait(timing)
        return 1 << max((slots + -(-cycles // timing.round_cycles)).bit_length(), 1)

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, early, words = self.output(), self.early.wires, self._words(timing)
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CHANNELS": self.channels,
            "INDEX": (words - 1).bit_length(),
            "WAIT": self._wait(timing),
            "OUT": self.fmt.bits,
        }
        ports = {"clk": "clk", "rst": "rst"}
        for side, wires in (("early", early), ("late", source)):
            parameters[side.upper()] = wires.fmt.bits
            parameters[f"{side.upper()}_SIGNED"] = int(wires.fmt.signed)
            parameters[f"{side.upper()}_SHIFT"] = self.fmt.frac - wires.fmt.frac
            ports |= {f"{side}_flags": wires.flags, f"{side}_data": wires.data}
        ports |= {"out_flags": out.flags, "out_data": out.data}
        return f"{declare(out, timing)}\n{instance('amc_add', f'{self.name}_unit', parameters, ports)}"

    def files(self) -> dict[str, str]:
        return library("amc_add")

    def model(self, x: NDArray[Any]) -> Tensor:
        """Integer model: one frame (T, 2 channels), the early branch's before the late one's."""
        branches = np.split(np.asarray(x, np.int64), 2, axis=-1)
        shifts = [self.fmt.frac - branch.wires.fmt.frac for branch in (self.early, self.late)]
        return (branches[0] << shifts[0]) + (branches[1] << shifts[1])

    def cost(self, timing: SlotTiming) -> Resources:
        early, late, words = self.early.wires, self.late.wires, self._words(timing)
        pointers = Resources(lut=8 * timing.contexts, ff=2 * (words - 1).bit_length() * timing.contexts)
        memory = memory_cost(early.width, words * timing.contexts) + Resources(ff=late.width) + pointers
        flags = delay_cost(timing.ctx_bits + 4, self.latency(timing))
        return memory + adder_cost(self.fmt.bits) * self.channels + delay_cost(late.width, self._wait(timing)) + flags
