"""What an accelerator may not exceed on its board: widths of registers, and bytes of one DMA transfer."""

from __future__ import annotations

from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError
from hw_amc.interface.manifest import Manifest
from hw_amc.interface.registers import REGISTERS
from hw_amc.interface.wire import WIRE_BITS

#: Widest length register of the AXI DMA, `c_sg_length_width` (PG021).
LENGTH_BITS = 26


def require_limits(manifest: Manifest, board: BoardSettings) -> None:
    """Require that registers hold what they are to show, and that a DMA transfer carries a frame of each channel.

    Raises
    ------
    ConfigError
        Names the number, the limit, and what moves either.
    """
    _require_fields(manifest)
    if manifest.automatic_gain and not 0 <= manifest.wire_frac < WIRE_BITS:
        raise ConfigError(
            f"automatic_gain takes wire words of 0 to {WIRE_BITS - 1} fraction bits, not {manifest.wire_frac}; set "
            "automatic_gain = false under [rtl] in project.toml"
        )
    _require_transfer(manifest, board)


def _require_fields(manifest: Manifest) -> None:
    """Require that every field of a constant register holds the manifest's value."""
    values = vars(manifest)
    for name in ("FRAME_LEN", "MODE", "FORMAT"):
        for field in REGISTERS[name].fields:
            value = int(values.get(field.name, 0))
            half = 1 << (field.bits - 1)
            low, high = (-half, half - 1) if field.signed else (0, 2 * half - 1)
            if not low <= value <= high:
                raise ConfigError(f"{field.name} = {value} does not fit register {name}, which shows {low} to {high}")


def _require_transfer(manifest: Manifest, board: BoardSettings) -> None:
    """Require that one transfer carries a frame of each channel, and another one its results."""
    limit = (1 << board.dma.length_bits) - 1
    of_each = f" of each of {manifest.n_channels} channels" if manifest.n_channels > 1 else ""
    for what, words in (("frame", manifest.frame_len), ("result", manifest.result_words)):
        size = 4 * words * manifest.n_channels
        if size > limit:
            raise ConfigError(
                f"a {what}{of_each} is {size} bytes; a DMA transfer on {board.name} carries {limit}: "
                + _mend(size, board.dma.length_bits)
            )


def _mend(size: int, length_bits: int) -> str:
    needed = size.bit_length()
    if needed <= LENGTH_BITS:
        return f"set dma.length_bits = {needed} or more in board.toml, not {length_bits}"
    return f"the AXI DMA's length register has {LENGTH_BITS} bits at most; take shorter frames or fewer channels"
