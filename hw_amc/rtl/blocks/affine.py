"""Scale and bias of each channel over several cycles a step: multipliers shared between channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, delay_cost
from hw_amc.rtl.blocks.linear import Requantize, declare
from hw_amc.rtl.verilog import instance, library, packed


@dataclass(frozen=True)
class AffineBlock(Block):
    """An affine layer at R > 1, with the quantiser behind it where there is one."""

    name: str
    channels: int
    source_fmt: FixedFormat
    kernel: NDArray[np.int64]
    weight_bits: int
    #: Of the products; its source holds any of them.
    requantize: Requantize
    #: R.
    cycles: int
    layer: str

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.requantize.fmt or self.requantize.sum_fmt

    @property
    def legal_cycles(self) -> list[int]:
        """Channels that a multiplier works off, for 1, 2, ... multipliers."""
        return sorted({-(-self.channels // banks) for banks in range(1, self.channels + 1)})

    @property
    def banks(self) -> int:
        """Multipliers."""
        return -(-self.channels // self.cycles)

    @property
    def share(self) -> int:
        """Channels of a multiplier."""
        return -(-self.channels // self.banks)

    def latency(self, timing: SlotTiming) -> int:
        return self.share + 4

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, spare = self.output(), [0] * (self.banks * self.share - self.channels)
        bits = self.requantize.sum_bits
        parameters: dict[str, int | str] = {
            "CTX": timing.ctx_bits,
            "CHANNELS": self.channels,
            "BANKS": self.banks,
            "SHARE": self.share,
            "INDEX": max((self.share - 1).bit_length(), 1),
            "IN": self.source_fmt.bits,
            "IN_SIGNED": int(self.source_fmt.signed),
            "WEIGHT": self.weight_bits,
            "SUM": bits,
            "SHIFT": self.requantize.shift,
            "OUT": self.fmt.bits,
            "OUT_SIGNED": int(self.fmt.signed),
            "QUANTIZE": int(self.requantize.fmt is not None),
            "KERNEL": packed([*(int(weight) for weight in self.kernel), *spare], self.weight_bits),
            "OFFSETS": packed([*(int(offset) for offset in self.requantize.offsets), *spare], bits),
        }
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_flags": source.flags,
            "in_data": source.data,
            "out_flags": out.flags,
            "out_data": out.data,
        }
        return f"{declare(out, timing)}\n{instance('amc_affine', f'{self.name}_unit', parameters, ports)}"

    def files(self) -> dict[str, str]:
        return library("amc_affine")

    def model(self, x: NDArray[Any]) -> Tensor:
        return self.requantize.model(np.asarray(x, np.int64) * self.kernel)

    def cost(self, timing: SlotTiming) -> Resources:
        bits_in, bits = self.source_fmt.bits, self.requantize.sum_bits
        bank = Resources(lut=bits_in * -(-self.share // 4) + self.weight_bits + bits, ff=bits_in + 2 * bits, dsp=1)
        bank += Resources(lut=self.fmt.bits + 4)
        registers = Resources(ff=self.channels * (bits_in + self.fmt.bits))
        return bank * self.banks + registers + delay_cost(timing.ctx_bits + 4, self.latency(timing))
