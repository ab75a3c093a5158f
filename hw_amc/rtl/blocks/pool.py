"""Average (as a sum) and maximum over successive samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, adder_cost, delay_cost, memory_cost
from hw_amc.rtl.blocks.linear import declare
from hw_amc.rtl.verilog import instance, library


@dataclass(frozen=True)
class PoolBlock(Block):
    """avg_pool1d or max_pool1d."""

    node: ir.AvgPool1d | ir.MaxPool1d
    source_fmt: FixedFormat

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.node.name

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.node.shape[-1]

    @property
    def decimation(self) -> int:  # type: ignore[override]
        return self.node.pool

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.node.fmt

    def latency(self, timing: SlotTiming) -> int:
        return 2

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out = self.output()
        parameters = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "CHANNELS": self.channels,
            "POOL": self.node.pool,
            "COUNT": max((self.node.pool - 1).bit_length(), 1),
            "MAXIMUM": int(isinstance(self.node, ir.MaxPool1d)),
            "IN": self.source_fmt.bits,
            "OUT": self.fmt.bits,
            "SIGNED": int(self.fmt.signed),
        }
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_flags": source.flags,
            "in_data": source.data,
            "out_flags": out.flags,
            "out_data": out.data,
        }
        return f"{declare(out, timing)}\n{instance('amc_pool', f'{self.name}_unit', parameters, ports)}"

    def files(self) -> dict[str, str]:
        return library("amc_pool")

    def model(self, x: NDArray[Any]) -> Tensor:
        windows = np.asarray(x, np.int64).reshape(-1, self.node.pool, self.channels)
        pooled = windows.max(axis=1) if isinstance(self.node, ir.MaxPool1d) else windows.sum(axis=1)
        return np.asarray(pooled, np.int64)

    def cost(self, timing: SlotTiming) -> Resources:
        bits = self.channels * self.fmt.bits
        cost = adder_cost(self.fmt.bits) * self.channels + memory_cost(bits, timing.contexts)
        return cost + Resources(ff=self.channels * self.source_fmt.bits) + delay_cost(timing.ctx_bits + 4, 2)
