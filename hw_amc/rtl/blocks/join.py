"""Branches side by side in one vector, every element in one signed format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, delay_cost
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.blocks.linear import declare, flags_delay
from hw_amc.rtl.verilog import extended, instance, library, vector


@dataclass(frozen=True)
class JoinBlock(Block):
    """Branches whose vectors come in the same slots; the faster ones wait for the slowest."""

    name: str
    #: The branches; the first one's flags go on.
    feeds: tuple[Branch, ...]
    #: Integers of every element, wide enough for each branch.
    fmt: FixedFormat

    @property
    def channels(self) -> int:  # type: ignore[override]
        return sum(feed.wires.channels for feed in self.feeds)

    def _waits(self, timing: SlotTiming) -> list[int]:
        """Cycles by which each branch waits."""
        first = self.feeds[0]
        ahead = [feed.beyond(first).cycles(timing) - first.beyond(feed).cycles(timing) for feed in self.feeds]
        return [max(ahead) - cycles for cycles in ahead]

    def latency(self, timing: SlotTiming) -> int:
        return self._waits(timing)[0]

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, parts = self.output(), []
        text = [declare(out, timing)]
        for index, (feed, wait) in enumerate(zip(self.feeds, self._waits(timing), strict=True)):
            wires, name = feed.wires, f"{self.name}_branch{index}"
            text.append(f"    wire {vector(wires.width)} {name};")
            ports = {"clk": "clk", "d": wires.data, "q": name}
            text.append(instance("amc_delay", f"{name}_wait", {"WIDTH": wires.width, "CYCLES": wait}, ports))
            bits, signed = wires.fmt.bits, wires.fmt.signed
            for channel in range(wires.channels):
                element = f"{name}_{channel}"
                text.append(f"    wire {vector(bits)} {element} = {name}[{channel * bits}+:{bits}];")
                parts.append(extended(element, bits, signed, 0, self.fmt.bits))
        if self.feeds[1:]:
            flags = ", ".join(feed.wires.flags for feed in self.feeds[1:])
            text += [
                "    /* verilator lint_off UNUSEDSIGNAL */",
                f"    wire {self.name}_unused = ^{{{flags}}};  // in the same slots",
                "    /* verilator lint_on UNUSEDSIGNAL */",
            ]
        text.append(f"    assign {out.data} = {{{', '.join(reversed(parts))}}};")
        text.append(flags_delay(f"{self.name}_time", source.flags, out.flags, timing, self.latency(timing)))
        return "\n".join(text)

    def files(self) -> dict[str, str]:
        return library("amc_flags", "amc_delay")

    def model(self, x: NDArray[Any]) -> Tensor:
        """Integer model: one frame (T, channels of all branches side by side), unchanged."""
        return np.asarray(x, np.int64)

    def cost(self, timing: SlotTiming) -> Resources:
        waits = self._waits(timing)
        cost = delay_cost(timing.ctx_bits + 4, waits[0])
        for feed, wait in zip(self.feeds, waits, strict=True):
            cost += delay_cost(feed.wires.width, wait)
        return cost
