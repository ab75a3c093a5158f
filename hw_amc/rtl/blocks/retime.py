"""Slower slots behind a pool, so that the layers behind it may take more cycles for a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, delay_cost, memory_cost
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.verilog import instance, library


@dataclass(frozen=True)
class RetimeBlock(Block):
    """A place for each context, from which its sample leaves in the context's next slow slot.

    `timing` is that of the slow slots everywhere here.
    """

    name: str
    channels: int
    fmt: FixedFormat

    retimes = True

    def slots(self, arrivals: Tensor) -> Tensor:
        """One slow slot after the other."""
        return np.arange(len(arrivals))

    def latency(self, timing: SlotTiming) -> int:
        """Cycles from the slow slot to its flags."""
        return 1

    def leave(self, arrival: int, timing: SlotTiming) -> int:
        """Cycle of context 0's slow slot for a sample that arrives in cycle `arrival`; 0 is the first without reset."""
        return -(-(arrival + 1) // timing.round_cycles) * timing.round_cycles

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out = self.output()
        parameters = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "SLOT_CYCLES": timing.slot_cycles,
            "SLOT_BITS": max((timing.slot_cycles - 1).bit_length(), 1),
            "WIDTH": source.width,
        }
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_flags": source.flags,
            "in_data": source.data,
            "out_flags": out.flags,
            "out_data": out.data,
        }
        return f"{declare(out, timing)}\n{instance('amc_retime', f'{self.name}_unit', parameters, ports)}"

    def files(self) -> dict[str, str]:
        return library("amc_retime")

    def model(self, x: NDArray[Any]) -> Tensor:
        return np.asarray(x, np.int64)

    def cost(self, timing: SlotTiming) -> Resources:
        control = Resources(lut=timing.contexts + 20, ff=timing.contexts + 12)
        places = memory_cost(self.channels * self.fmt.bits + 2, timing.contexts)
        return control + places + delay_cost(timing.ctx_bits + 4, 1)
