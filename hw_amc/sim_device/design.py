"""A block design as data: a PS, one AXI DMA and one streaming IP behind it.

The same description makes the .hwh file of a simulated overlay (`hw_amc.sim_device.hwh`) and the settings of the
Vivado flow, so that the two cannot drift apart. It knows nothing of what the IP computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw_amc.errors import ConfigError
from hw_amc.parts import PsKind

#: Instance names in the block design; drivers find the cores by them.
PS_INSTANCE, DMA_INSTANCE, RESET_INSTANCE = "ps_0", "axi_dma_0", "rst_0"
CONTROL_INSTANCE, MEMORY_INSTANCE = "axi_control_0", "axi_memory_0"

Access = Literal["read-only", "write-only", "read-write"]


@dataclass(frozen=True)
class Field:
    """Adjacent bits of a register."""

    name: str
    lsb: int = 0
    bits: int = 32
    access: Access = "read-write"
    description: str = ""


@dataclass(frozen=True)
class Register:
    """One 32-bit register of an AXI4-Lite slave."""

    name: str
    offset: int
    access: Access = "read-write"
    description: str = ""
    #: None given: one of all 32 bits, of the register's own name.
    fields: tuple[Field, ...] = ()

    @property
    def parts(self) -> tuple[Field, ...]:
        """Its fields, at least one."""
        return self.fields or (Field(self.name, access=self.access, description=self.description),)


@dataclass(frozen=True)
class StreamIp:
    """An IP with an AXI4-Lite slave, a stream slave and a stream master, 32 bits each."""

    instance: str
    vlnv: str
    registers: tuple[Register, ...] = ()
    s_axi: str = "s_axi"
    s_axis: str = "s_axis"
    m_axis: str = "m_axis"
    clock: str = "aclk"
    reset: str = "aresetn"


@dataclass(frozen=True)
class Design:
    """What a board's overlay is made of; addresses and sizes in bytes."""

    name: str
    part: str
    board_part: str
    ps: PsKind
    clock_mhz: float
    #: PLL that the programmable-logic clock is divided from.
    pl_source_mhz: float
    ip: StreamIp
    ip_base: int
    dma_base: int
    window: int = 0x1_0000
    memory_bytes: int = 0x2000_0000
    length_bits: int = 26
    memory_bits: int = 64
    burst_beats: int = 16
    memory_port: str = "S_AXI_HP0"
    control_port: str = "M_AXI_GP0"

    @property
    def divisors(self) -> tuple[int, int]:
        """The two divisors that make `clock_mhz` from `pl_source_mhz`; see `clock_divisors`."""
        return clock_divisors(self.pl_source_mhz, self.clock_mhz)


def clock_divisors(source_mhz: float, clock_mhz: float) -> tuple[int, int]:
    """Two divisors of 1 to 63 whose product turns the PLL into the clock, the second as small as it goes.

    Raises
    ------
    ConfigError
        No pair comes within 0.1 %; the message names the nearest clock that exists.
    """
    ratio = source_mhz / clock_mhz
    pairs = [(first, second) for second in range(1, 64) for first in range(1, 64)]
    best = min(pairs, key=lambda pair: (round(abs(pair[0] * pair[1] - ratio), 9), pair[1]))
    actual = source_mhz / (best[0] * best[1])
    if abs(actual - clock_mhz) > 1e-3 * clock_mhz:
        raise ConfigError(f"clock_mhz = {clock_mhz:g} cannot be divided from {source_mhz:g} MHz; take {actual:.6g}")
    return best


def _channel_registers(channel: str, base: int, address: str) -> tuple[Register, ...]:
    return (
        Register(f"{channel}_DMACR", base + 0x00, description="control"),
        Register(f"{channel}_DMASR", base + 0x04, description="status"),
        Register(f"{channel}_{address}", base + 0x18, description="address, low word"),
        Register(f"{channel}_{address}_MSB", base + 0x1C, description="address, high word"),
        Register(f"{channel}_LENGTH", base + 0x28, description="bytes to move; a write starts the transfer"),
    )


#: The AXI DMA's own registers in direct mode (PG021, table "Register Address Map for Direct Register Mode").
DMA_REGISTERS = (*_channel_registers("MM2S", 0x00, "SA"), *_channel_registers("S2MM", 0x30, "DA"))
