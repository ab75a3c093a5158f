"""Windows over time: the newest vector of a stream and some before it, at every so many samples."""

from __future__ import annotations

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
    counter_cost,
    delay_cost,
    follow,
    memory_cost,
)
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.verilog import constant, instance, library, vector


@dataclass(frozen=True)
class TapsBlock(Block):
    """Windows as vectors: stride, padding, dilation, and parts of a frame that are left out."""

    name: str
    #: Vectors of a frame, and lanes of each.
    length: int
    lanes: int
    fmt: FixedFormat
    #: Vectors before the newest that a window has.
    taps: tuple[int, ...]
    #: Time of the first window's newest vector, from one to the next, and windows.
    first: int
    stride: int
    count: int
    #: What stands outside the frame.
    fill: int

    steady = False

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.lanes * len(self.taps)

    @property
    def last(self) -> int:
        """Time of the last window's newest vector."""
        return self.first + (self.count - 1) * self.stride

    @property
    def lag(self) -> int:  # type: ignore[override]
        return self.last - self.length + 1

    @property
    def span(self) -> int:
        """Vectors that are kept, the newest included."""
        return max(self.taps) + 1

    def slots(self, arrivals: Tensor) -> Tensor:
        return follow(arrivals, self.first + np.arange(self.count) * self.stride)

    def latency(self, timing: SlotTiming) -> int:
        return 1

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, width, name = self.output(), source.width, self.name
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "WIDTH": width,
            "SPAN": self.span,
            "LENGTH": self.length,
            "FIRST": self.first,
            "STRIDE": self.stride,
            "LAST": self.last,
            "TIME": (self.last + self.stride).bit_length(),
        }
        if self.fill:
            lane = self.fill & ((1 << self.fmt.bits) - 1)
            parameters["FILL"] = f"{{{self.lanes}{{{constant(lane, self.fmt.bits)}}}}}"
        ports = {"clk": "clk", "rst": "rst", "in_flags": source.flags, "in_data": source.data}
        ports |= {"out_flags": out.flags, "out_data": f"{name}_line"}
        parts = ", ".join(f"{name}_line[{tap * width}+:{width}]" for tap in reversed(self.taps))
        return "\n".join(
            [
                declare(out, timing),
                "    /* verilator lint_off UNUSEDSIGNAL */  // vectors between the taps",
                f"    wire {vector(self.span * width)} {name}_line;",
                "    /* verilator lint_on UNUSEDSIGNAL */",
                instance("amc_taps", f"{name}_unit", parameters, ports),
                f"    assign {out.data} = {{{parts}}};",
            ]
        )

    def files(self) -> dict[str, str]:
        return library("amc_taps")

    def model(self, x: NDArray[Any]) -> Tensor:
        frame = np.asarray(x, np.int64)
        before = np.full((self.span + self.first, self.lanes), self.fill, np.int64)
        padded = np.concatenate([before, frame, np.full((self.lag, self.lanes), self.fill, np.int64)])
        newest = len(before) + self.first + np.arange(self.count) * self.stride
        return np.concatenate([padded[newest - tap] for tap in self.taps], axis=1)

    def cost(self, timing: SlotTiming) -> Resources:
        width, time = self.lanes * self.fmt.bits, (self.last + self.stride).bit_length()
        control = counter_cost(time, timing.contexts) * 2 + Resources(lut=4 * time)
        older = memory_cost((self.span - 1) * width, timing.contexts) if self.span > 1 else Resources()
        return older + control + Resources(ff=width) + delay_cost(timing.ctx_bits + 4, 1)
