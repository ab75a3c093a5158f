"""Dense, affine and convolution over time: a matrix, the partial sums of open outputs, bias and requantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.adders import integer_format
from hw_amc.graph.fixed import FixedFormat, requantize
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, adder_cost, delay_cost, memory_cost
from hw_amc.rtl.blocks.matrix import Matrix
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.blocks.serial_plan import legal_cycles
from hw_amc.rtl.verilog import instance, library, packed, vector


@dataclass(frozen=True)
class Requantize:
    """`clip(rne(x + bias))` for each channel; without `fmt` only the bias is added."""

    #: Format of x, one for all channels; its fraction is that of the biases.
    source: FixedFormat
    bias: NDArray[np.int64]
    #: Exact format of x + bias.
    sum_fmt: FixedFormat
    fmt: FixedFormat | None

    @property
    def latency(self) -> int:
        """Cycles."""
        return 1 if self.fmt is None else 2

    @property
    def shift(self) -> int:
        """Bits that the rounding cuts."""
        return 0 if self.fmt is None else self.source.frac - self.fmt.frac

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Biases with half an output LSB."""
        return self.bias + (1 << (self.shift - 1) if self.shift > 0 else 0)

    @property
    def sum_bits(self) -> int:
        """Bits of the adder: signed, holds the sum with the half LSB, and what the rounding needs."""
        low, high = self.sum_fmt.min_raw, self.sum_fmt.max_raw + (1 << max(self.shift - 1, 0))
        sums = integer_format(min(low, -1), high).bits
        return max(sums, self.source.bits + 1, self.shift + 2, self.sum_fmt.bits)

    def emit(self, name: str, data: str, out: str) -> str:
        """Return the instance; `data` and `out` are expressions of all channels."""
        fmt = self.fmt or self.sum_fmt
        if self.fmt is not None or self.sum_bits <= fmt.bits:
            return self._instance(name, data, out, fmt.bits)
        # The adder is wider than the exact sum: its upper bits are copies of the sign.
        bits, channels = self.sum_bits, len(self.bias)
        parts = ", ".join(f"{name}_all[{channel * bits}+:{fmt.bits}]" for channel in reversed(range(channels)))
        return "\n".join(
            [
                "    /* verilator lint_off UNUSEDSIGNAL */",
                f"    wire {vector(channels * bits)} {name}_all;",
                "    /* verilator lint_on UNUSEDSIGNAL */",
                self._instance(name, data, f"{name}_all", bits),
                f"    assign {out} = {{{parts}}};",
            ]
        )

    def _instance(self, name: str, data: str, out: str, bits: int) -> str:
        parameters: dict[str, int | str] = {
            "CHANNELS": len(self.bias),
            "IN": self.source.bits,
            "IN_SIGNED": int(self.source.signed),
            "SUM": self.sum_bits,
            "SHIFT": self.shift,
            "OUT": bits,
            "OUT_SIGNED": int((self.fmt or self.sum_fmt).signed),
            "QUANTIZE": int(self.fmt is not None),
            "OFFSETS": packed((int(offset) for offset in self.offsets), self.sum_bits),
        }
        return instance("amc_requantize", name, parameters, {"clk": "clk", "x": data, "y": out})

    def model(self, x: NDArray[Any]) -> Tensor:
        """Integer model (n, channels)."""
        total = np.asarray(x, np.int64) + self.bias
        if self.fmt is None:
            return total
        return np.asarray(requantize(total, self.source.frac, self.fmt), np.int64)

    def cost(self) -> Resources:
        """Adder, tie, saturation."""
        if self.fmt is None:
            return adder_cost(self.sum_bits) * len(self.bias)
        rounding = Resources(lut=self.fmt.bits + 2 + -(-max(self.shift, 0) // 6), ff=self.fmt.bits)
        return (adder_cost(self.sum_bits) + rounding) * len(self.bias)


@dataclass(frozen=True)
class QuantizeBlock(Block):
    """A quantiser on its own."""

    name: str
    channels: int
    requantize: Requantize

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.requantize.fmt or self.requantize.sum_fmt

    def latency(self, timing: SlotTiming) -> int:
        return self.requantize.latency

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out = self.output()
        return "\n".join(
            [
                declare(out, timing),
                flags_delay(f"{self.name}_time", source.flags, out.flags, timing, self.latency(timing)),
                self.requantize.emit(f"{self.name}_unit", source.data, out.data),
            ]
        )

    def files(self) -> dict[str, str]:
        return library("amc_requantize", "amc_flags")

    def model(self, x: NDArray[Any]) -> Tensor:
        return self.requantize.model(x)

    def cost(self, timing: SlotTiming) -> Resources:
        return self.requantize.cost() + delay_cost(timing.ctx_bits + 4, self.latency(timing))


@dataclass(frozen=True)
class LinearBlock(Block):
    """Dense, affine or convolution, with the quantiser behind it where there is one.

    The matrix multiplies one sample by all taps; `amc_conv_state` adds up over time.
    """

    name: str
    channels: int
    taps: int
    matrix: Matrix | SerialMatrix
    #: Format of one tap's product and of the sum over taps.
    product_fmt: FixedFormat
    requantize: Requantize
    layer: str

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.requantize.fmt or self.requantize.sum_fmt

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.matrix.cycles

    @property
    def legal_cycles(self) -> list[int]:
        return legal_cycles(self.matrix.graph)

    @property
    def ahead(self) -> int:
        """Samples that an output waits for: taps behind the middle one."""
        return self.taps - 1 - (self.taps - 1) // 2

    @property
    def lag(self) -> int:  # type: ignore[override]
        return self.ahead

    @property
    def overlap(self) -> int:  # type: ignore[override]
        return int(self.ahead > 0)

    def rest(self, arrivals: Tensor, slots: int) -> int:
        return max(super().rest(arrivals, slots), self.lag - 1)

    def latency(self, timing: SlotTiming) -> int:
        return self.matrix.depth + (2 if self.taps > 1 else 0) + self.requantize.latency

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, name = self.output(), self.name
        products = self.taps * self.channels * self.product_fmt.bits
        text = [
            declare(out, timing),
            f"    wire {vector(products)} {name}_products;",
            self.matrix.instantiate(f"{name}_matrix", f"{source.flags}[0]", source.data, f"{name}_products"),
        ]
        if self.taps == 1:
            text.append(flags_delay(f"{name}_time", source.flags, out.flags, timing, self.latency(timing)))
            text.append(self.requantize.emit(f"{name}_round", f"{name}_products", out.data))
            return "\n".join(text)
        flags = f"[{timing.ctx_bits + 3}:0]"
        text += [
            f"    wire {flags} {name}_matrix_flags, {name}_sum_flags;",
            f"    wire {vector(self.channels * self.requantize.source.bits)} {name}_sums;",
            flags_delay(f"{name}_matrix_time", source.flags, f"{name}_matrix_flags", timing, self.matrix.depth),
            self._state(timing),
            flags_delay(f"{name}_time", f"{name}_sum_flags", out.flags, timing, self.requantize.latency),
            self.requantize.emit(f"{name}_round", f"{name}_sums", out.data),
        ]
        return "\n".join(text)

    def _state(self, timing: SlotTiming) -> str:
        name = self.name
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "CHANNELS": self.channels,
            "TAPS": self.taps,
            "AHEAD": self.ahead,
            "COUNT": (self.ahead + 1).bit_length(),
            "PRODUCT": self.product_fmt.bits,
            "SUM": self.requantize.source.bits,
        }
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_flags": f"{name}_matrix_flags",
            "in_products": f"{name}_products",
            "out_flags": f"{name}_sum_flags",
            "out_data": f"{name}_sums",
        }
        return instance("amc_conv_state", f"{name}_state", parameters, ports)

    def files(self) -> dict[str, str]:
        files = library("amc_requantize", "amc_flags")
        if self.taps > 1:
            files |= library("amc_conv_state")
        return files | self.matrix.files()

    def model(self, x: NDArray[Any]) -> Tensor:
        products = self.matrix.graph.model(x).reshape(len(x), self.taps, self.channels)
        before = (self.taps - 1) // 2
        total = np.zeros((len(x), self.channels), np.int64)
        for tap in range(self.taps):
            for t in range(len(x)):
                if 0 <= t - tap + before < len(x):
                    total[t - tap + before] += products[t, tap]
        return self.requantize.model(total)

    def cost(self, timing: SlotTiming) -> Resources:
        cost = self.matrix.cost() + self.requantize.cost() + delay_cost(timing.ctx_bits + 4, self.latency(timing))
        if self.taps > 1:
            bits = self.channels * self.requantize.source.bits
            cost += memory_cost(bits * (self.taps - 1), timing.contexts)
            cost += adder_cost(self.requantize.source.bits) * (self.channels * (self.taps - 1))
            cost += Resources(ff=self.taps * self.channels * self.product_fmt.bits)
        return cost


def declare(out: Wires, timing: SlotTiming) -> str:
    """Declare the wires that leave a block."""
    flags = f"    wire [{timing.ctx_bits + 3}:0] {out.flags};"
    return f"\n    // {out.data}: {out.channels} x {out.fmt}\n{flags}\n    wire {vector(out.width)} {out.data};"


def flags_delay(name: str, source: str, out: str, timing: SlotTiming, cycles: int) -> str:
    """Return the delay of the flags beside a data path."""
    ports = {"clk": "clk", "rst": "rst", "d": source, "q": out}
    return instance("amc_flags", name, {"CTX": timing.ctx_bits, "CYCLES": cycles}, ports)


def linear_matrix(node: ir.Dense | ir.Affine | ir.Conv1d) -> NDArray[np.int64]:
    """Integer matrix (inputs, taps * outputs), tap after tap."""
    kernel = node.kernel.astype(np.int64)
    if isinstance(node, ir.Affine):
        return np.diag(kernel)
    if isinstance(node, ir.Dense):
        return kernel
    return kernel.transpose(1, 0, 2).reshape(kernel.shape[1], -1)
