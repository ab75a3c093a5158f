"""The block design of one accelerator on one board."""

from __future__ import annotations

from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import TABLE
from hw_amc.rtl.shell.limits import require_limits
from hw_amc.sim_device.design import Design, Register, StreamIp

#: Instance name of the accelerator in every overlay; the driver finds it by this.
IP_INSTANCE = "amc_0"
#: Vendor and library of the packaged IP; the name is the model's.
VENDOR, LIBRARY, IP_VERSION = "hw_amc", "user", "1.0"
_READ_ONLY = {"constant", "status", "count"}


def ip_vlnv(manifest: Manifest) -> str:
    """Vendor, library, name and version of the packaged accelerator."""
    return f"{VENDOR}:{LIBRARY}:{manifest.name}:{IP_VERSION}"


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
        name=manifest.name,
        part=board.part,
        board_part=board.board_part,
        ps=board.ps,
        clock_mhz=board.clock_mhz,
        pl_source_mhz=board.pl_source_mhz,
        ip=StreamIp(IP_INSTANCE, ip_vlnv(manifest), ip_registers()),
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


def ip_registers() -> tuple[Register, ...]:
    """List the accelerator's registers as 32-bit words; a 64-bit counter gives two, the second with `_HI`."""
    words = []
    for register in TABLE:
        read_only = all(field.access in _READ_ONLY for field in register.fields)
        for word in range(register.words):
            name = register.name if word == 0 else f"{register.name}_HI"
            access = "read-only" if read_only else "read-write"
            words.append(Register(name, register.offset + 4 * word, access, register.doc))  # type: ignore[arg-type]
    return tuple(words)
