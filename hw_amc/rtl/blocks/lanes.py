"""What happens inside a vector: lanes picked, functions looked up, the largest of some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, delay_cost
from hw_amc.rtl.blocks.linear import declare, flags_delay
from hw_amc.rtl.verilog import instance, library, packed, vector


@dataclass(frozen=True)
class LanesBlock(Block):
    """Wires: lane i is lane `source[i]` of the input, or a zero where that is -1; its low bits, if it is narrower."""

    name: str
    fmt: FixedFormat
    source: tuple[int, ...]
    source_fmt: FixedFormat

    @property
    def channels(self) -> int:  # type: ignore[override]
        return len(self.source)

    def latency(self, timing: SlotTiming) -> int:
        return 0

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, bits, wide = self.output(), self.fmt.bits, self.source_fmt.bits
        parts = (f"{bits}'d0" if lane < 0 else f"{source.data}[{lane * wide}+:{bits}]" for lane in self.source[::-1])
        return "\n".join(
            [
                declare(out, timing),
                f"    assign {out.flags} = {source.flags};",
                f"    assign {out.data} = {{{', '.join(parts)}}};",
                "    /* verilator lint_off UNUSEDSIGNAL */",
                f"    wire {self.name}_unused = ^{source.data};  // lanes that nothing picks",
                "    /* verilator lint_on UNUSEDSIGNAL */",
            ]
        )

    def files(self) -> dict[str, str]:
        return {}

    def model(self, x: NDArray[Any]) -> Tensor:
        picked: Tensor = np.asarray(x, np.int64)[:, list(self.source)]
        picked[:, [lane < 0 for lane in self.source]] = 0
        return picked

    def cost(self, timing: SlotTiming) -> Resources:
        return Resources()


@dataclass(frozen=True)
class TableBlock(Block):
    """A function of one variable: a memory for each channel, addressed by the integer's bits."""

    name: str
    channels: int
    source_fmt: FixedFormat
    fmt: FixedFormat
    #: Values for each integer of the source's format, from the least one.
    table: NDArray[np.int32]

    def latency(self, timing: SlotTiming) -> int:
        return 2

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out = self.output()
        parameters: dict[str, int | str] = {
            "CHANNELS": self.channels,
            "IN": self.source_fmt.bits,
            "OUT": self.fmt.bits,
            "TABLE": packed(addressed(self.table, self.source_fmt), self.fmt.bits),
        }
        ports = {"clk": "clk", "x": source.data, "y": out.data}
        return "\n".join(
            [
                declare(out, timing),
                flags_delay(f"{self.name}_time", source.flags, out.flags, timing, 2),
                instance("amc_table", f"{self.name}_unit", parameters, ports),
            ]
        )

    def files(self) -> dict[str, str]:
        return library("amc_table", "amc_flags")

    def model(self, x: NDArray[Any]) -> Tensor:
        found: Tensor = self.table.astype(np.int64)[np.asarray(x, np.int64) - self.source_fmt.min_raw]
        return found

    def cost(self, timing: SlotTiming) -> Resources:
        channel = table_cost(self.source_fmt.bits, self.fmt.bits) + Resources(ff=self.source_fmt.bits)
        return channel * self.channels + delay_cost(timing.ctx_bits + 4, 2)


def addressed(table: NDArray[Any], source: FixedFormat) -> list[int]:
    """Values of a table in the order of the integers' bits: of a signed format, the negative ones come last."""
    return [int(value) for value in np.roll(table, source.min_raw)]


def table_cost(bits: int, out: int) -> Resources:
    """A memory of 2^bits words with a register: LUTs, or block RAM."""
    if bits > 9:
        return Resources(ff=out, bram36=0.5 * -(-out * (1 << bits) // 18432))
    return Resources(lut=table_luts(bits, out), ff=out)


def table_luts(bits: int, out: int) -> int:
    """LUTs of a memory of 2^bits words, and of the multiplexer behind them."""
    words = -(-(1 << bits) // 64)
    return out * (words + (words - 1) // 4)


@dataclass(frozen=True)
class LargestBlock(Block):
    """Lane i is the largest of the input's lanes `candidates[i]`: a tree of comparisons."""

    name: str
    fmt: FixedFormat
    candidates: tuple[tuple[int, ...], ...]

    @property
    def channels(self) -> int:  # type: ignore[override]
        return len(self.candidates)

    @property
    def _levels(self) -> int:
        return max((max(map(len, self.candidates)) - 1).bit_length(), 1)

    def latency(self, timing: SlotTiming) -> int:
        return self._levels

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, bits, name, leaves = self.output(), self.fmt.bits, self.name, 1 << self._levels
        parameters: dict[str, int | str] = {
            "CHANNELS": self.channels,
            "LEVELS": self._levels,
            "WIDTH": bits,
            "SIGNED": int(self.fmt.signed),
        }
        # Some twice, to make a power of two of them.
        lanes = [lane for found in self.candidates for lane in (*found, *found[-1:] * (leaves - len(found)))]
        slices = ", ".join(f"{source.data}[{lane * bits}+:{bits}]" for lane in reversed(lanes))
        ports = {"clk": "clk", "x": f"{name}_candidates", "y": out.data}
        return "\n".join(
            [
                declare(out, timing),
                f"    wire {vector(len(lanes) * bits)} {name}_candidates = {{{slices}}};",
                "    /* verilator lint_off UNUSEDSIGNAL */",
                f"    wire {name}_unused = ^{source.data};  // lanes that are no candidates",
                "    /* verilator lint_on UNUSEDSIGNAL */",
                flags_delay(f"{name}_time", source.flags, out.flags, timing, self._levels),
                instance("amc_maximum", f"{name}_unit", parameters, ports),
            ]
        )

    def files(self) -> dict[str, str]:
        return library("amc_maximum", "amc_flags")

    def model(self, x: NDArray[Any]) -> Tensor:
        frame = np.asarray(x, np.int64)
        return np.stack([frame[:, list(found)].max(axis=1) for found in self.candidates], axis=1)

    def cost(self, timing: SlotTiming) -> Resources:
        bits, nodes = self.fmt.bits, self.channels * ((1 << self._levels) - 1)
        tree = Resources(lut=2 * bits, ff=bits, carry=-(-bits // 4)) * nodes
        return tree + delay_cost(timing.ctx_bits + 4, self._levels)
