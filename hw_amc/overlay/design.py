"""The block design of one accelerator on one board."""

from __future__ import annotations

from collections.abc import Iterable

from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError
from hw_amc.interface import registers
from hw_amc.interface.manifest import Manifest
from hw_amc.rtl.shell.limits import require_limits
from hw_amc.sim_device.design import Access, Design, Field, Register, StreamIp

#: Instance name of the accelerator in every overlay; the driver finds it by its IP's vendor and library.
IP_INSTANCE = "amc_0"
VENDOR, LIBRARY, IP_VERSION = "hw_amc", "user", "1.0"
_READ_ONLY = {"constant", "status", "count"}


def ip_vlnv(manifest: Manifest) -> str:
    """Vendor, library, name and version of the packaged accelerator.

    Its name, the block design's and the top module's are three: Vivado makes a module of each.
    """
    return f"{VENDOR}:{LIBRARY}:{manifest.name}_ip:{IP_VERSION}"


def design_name(manifest: Manifest) -> str:
    """Name of the overlay's block design."""
    return f"{manifest.name}_bd"


def build_design(manifest: Manifest, board: BoardSettings) -> Design:
    """Describe the overlay of `manifest`'s accelerator on `board`.

    Raises
    ------
    ConfigError
        The accelerator has several lanes, or exceeds what the board's DMA carries; or the board's PLL cannot make the
        clock (on first use of `Design.divisors`).
    """
    require_limits(manifest, board)
    if manifest.lanes > 1:
        raise ConfigError(f"an overlay has one DMA, {manifest.name} has {manifest.lanes} lanes; set [rtl] lanes = 1")
    return Design(
        name=design_name(manifest),
        part=board.part,
        board_part=board.board_part,
        ps=board.ps,
        clock_mhz=board.clock_mhz,
        pl_source_mhz=board.pl_source_mhz,
        ip=StreamIp(IP_INSTANCE, ip_vlnv(manifest), ip_registers(manifest)),
        ip_base=board.address.accelerator,
        dma_base=board.address.dma,
        window=board.address.window,
        memory_bytes=board.address.memory_bytes,
        length_bits=board.dma.length_bits,
        memory_bits=board.dma.memory_bits,
        burst_beats=board.dma.burst_beats,
        memory_port=board.dma.memory_port,
        control_port=board.dma.control_port,
    )


def ip_registers(manifest: Manifest) -> tuple[Register, ...]:
    """List the accelerator's registers as 32-bit words; a 64-bit counter gives two, the second with `_HI`."""
    words = []
    for register in registers.table(manifest.automatic_gain):
        access = _access(register.fields)
        for word in range(register.words):
            name = register.name if word == 0 else f"{register.name}_HI"
            fields = tuple(
                Field(part.name, part.lsb, min(part.bits, 32), _access([part]), part.doc) for part in register.fields
            )
            words.append(Register(name, register.offset + 4 * word, access, register.doc, fields))
    return tuple(words)


def _access(fields: Iterable[registers.Field]) -> Access:
    return "read-only" if all(field.access in _READ_ONLY for field in fields) else "read-write"
