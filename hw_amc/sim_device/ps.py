"""Registers of the processing system, as far as PYNQ programs and reads them: clocks, and the widths of its AXI ports.

Offsets and fields are those of UG585 (Zynq-7000, SLCR) and UG1087 (Zynq UltraScale+: CRL_APB, CRF_APB; FPD_SLCR,
LPD_SLCR and AFIFM0 to 6 for the ports). The PLLs start as a board's image leaves them (`hw_amc.sim_device.boot`), so
that `pynq.Clocks` computes a board's real frequencies; a port's width has no effect here.
"""

from __future__ import annotations

from hw_amc.parts import PsKind, family_with

ARCH = {"zynq7": "armv7l", "zynqmp": "aarch64"}
_WINDOWS = {
    "zynq7": ((0xF800_0000, 0x1000),),
    "zynqmp": (
        (0xFF5E_0000, 0x1000),
        (0xFD1A_0000, 0x1000),
        (0xFD36_0000, 0x6_0000),
        (0xFD61_0000, 0x1_0000),
        (0xFF41_0000, 0x1_0000),
        (0xFF9B_0000, 0x1_0000),
    ),
}
_PLL = {"zynq7": 0xF800_0108, "zynqmp": 0xFF5E_0020}
_PL_CLOCK = {"zynq7": 0xF800_0170, "zynqmp": 0xFF5E_00C0}
_RESET = {
    "zynq7": {
        0xF800_0100: 26 << 12,  # ARM PLL 1300 MHz
        0xF800_0104: 21 << 12,  # DDR PLL 1050 MHz
        0xF800_0120: 2 << 8,
        **{0xF800_0170 + 0x10 * i: 1 << 20 | 10 << 8 for i in range(4)},
    },
    "zynqmp": {
        0xFF5E_0030: 1 << 16 | 45 << 8,
        **{0xFF5E_00C0 + 4 * i: 1 << 24 | 1 << 16 | 15 << 8 for i in range(4)},
        0xFD1A_0020: 1 << 16 | 72 << 8,  # APLL 1200 MHz
        0xFD1A_002C: 1 << 16 | 64 << 8,
        0xFD1A_0038: 1 << 16 | 90 << 8,
        0xFD1A_0060: 1 << 8,
    },
}


def pll_feedback(kind: PsKind, source_mhz: float) -> int:
    """Feedback divider that gives the PLL `source_mhz`; UltraScale+ halves its output."""
    return round(source_mhz * (1 if kind == "zynq7" else 2) / family_with(kind).clock.reference_mhz)


class PsClocks:
    """The PS registers that PYNQ uses: plain storage, clocks with the values of a booted board.

    Parameters
    ----------
    kind : {"zynq7", "zynqmp"}
    feedback : int
        Feedback divider of the booted PLL that the programmable-logic clocks are divided from.
    """

    def __init__(self, kind: PsKind, feedback: int) -> None:
        self.kind = kind
        self._values = dict(_RESET[kind])
        self._values[_PLL[kind]] = feedback << 12 if kind == "zynq7" else 1 << 16 | feedback << 8
        #: Reference oscillator of this board, MHz; programs assume this one, and cannot read it anywhere.
        self.reference_mhz = family_with(kind).clock.reference_mhz

    def owns(self, address: int) -> bool:
        """Say whether an address is one of the PS's registers."""
        return any(base <= address < base + size for base, size in _WINDOWS[self.kind])

    def read(self, address: int) -> int:
        """Read a register; one that nobody wrote reads 0."""
        return self._values.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Write a register."""
        self._values[address] = value

    @property
    def source_mhz(self) -> float:
        """Frequency of the PLL that the programmable-logic clocks are divided from."""
        pll = self._values[_PLL[self.kind]]
        if self.kind == "zynq7":
            return self.reference_mhz * (pll >> 12 & 0x7F)
        return self.reference_mhz * (pll >> 8 & 0x7F) / (2 if pll >> 16 & 1 else 1)

    @property
    def clock_mhz(self) -> float:
        """Frequency of programmable-logic clock 0."""
        clock = self._values[_PL_CLOCK[self.kind]]
        second = clock >> (20 if self.kind == "zynq7" else 16) & 0x3F
        return self.source_mhz / max((clock >> 8 & 0x3F) * second, 1)
