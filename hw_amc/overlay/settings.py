"""settings.tcl: one board's and one accelerator's values for the Tcl that all boards share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hw_amc.errors import ConfigError
from hw_amc.parts import family_with
from hw_amc.sim_device.design import Design
from hw_amc.sim_device.hwh import dma_settings
from hw_amc.sim_device.ps import pll_feedback

#: PS port -> its clock pin.
_PORT_CLOCK = {
    "M_AXI_GP0": "M_AXI_GP0_ACLK",
    "M_AXI_GP1": "M_AXI_GP1_ACLK",
    **{f"S_AXI_HP{i}": f"S_AXI_HP{i}_ACLK" for i in range(4)},
    "M_AXI_HPM0_FPD": "maxihpm0_fpd_aclk",
    "M_AXI_HPM1_FPD": "maxihpm1_fpd_aclk",
    **{f"S_AXI_HP{i}_FPD": f"saxihp{i}_fpd_aclk" for i in range(4)},
}
#: Settings of the DMA that the core derives from its surroundings unless it is told that the user means them.
_DERIVED = ("c_m_axi_s2mm_data_width",)
#: A word that Tcl takes as it stands.
_PLAIN = re.compile(r"[\w./:+-]+")


@dataclass(frozen=True)
class Target:
    """What the scripts need beside the block design."""

    #: Name of the files for the board.
    name: str
    #: Board files to look for, the first that is installed is taken; any revision of each.
    board_parts: tuple[str, ...]
    #: Parallel jobs of a run.
    jobs: int = 4


def emit_settings(design: Design, target: Target) -> str:
    """Return settings.tcl: the array `settings` that the shared scripts read.

    Raises
    ------
    ConfigError
        The PS has no such port, or the clock cannot be divided from the PLL.
    """
    family = family_with(design.ps)
    for port in (design.control_port, design.memory_port):
        fpd = port.endswith("_FPD")
        if port not in _PORT_CLOCK or fpd != (design.ps == "zynqmp"):
            raise ConfigError(f"board: {design.ps} has no port {port!r}")
    values = {
        "name": target.name,
        "design": design.name,
        "part": design.part,
        "board_parts": _list(target.board_parts),
        "jobs": str(target.jobs),
        "ip_vlnv": design.ip.vlnv,
        "ps": design.ps,
        "ps_ip": family.ps_ip,
        "ps_clock": family.ps_clock,
        "ps_reset": family.ps_reset,
        "ps_clock_pins": _list([_PORT_CLOCK[design.control_port], _PORT_CLOCK[design.memory_port]]),
        "ps_config": _properties(_ps_config(design)),
        **_clock_settings(design),
        "dma_derived": _list(_DERIVED),
        "dma_config": _properties(dma_settings(design)),
        "control_port": design.control_port,
        "memory_port": design.memory_port,
        "memory_segments": _memory_segments(design),
        "memory_segment": _memory_segment(design),
        "memory_range": f"0x{design.memory_bytes:08X}",
        "dma_base": f"0x{design.dma_base:08X}",
        "ip_base": f"0x{design.ip_base:08X}",
        "window": f"0x{design.window:08X}",
    }
    lines = [f"    {name:<16} {_word(value)}" for name, value in values.items()]
    return "# Generated from board.toml and manifest.json.\narray set settings {\n" + "\n".join(lines) + "\n}\n"


def _clock_settings(design: Design) -> dict[str, str]:
    """Return what makes the clock without board files, and the names under which it is read back."""
    names = family_with(design.ps).clock
    first, second = design.divisors
    # Integers, which must stay as they are set; a reference may come back rounded.
    counts = {
        names.feedback: str(pll_feedback(design.ps, design.pl_source_mhz)),
        **({names.halved: "1"} if names.halved else {}),
        names.divisors[0]: str(first),
        names.divisors[1]: str(second),
    }
    return {
        "clock_mhz": f"{design.clock_mhz:g}",
        "pll_mhz": f"{design.pl_source_mhz:g}",
        "clock_manual": names.manual,
        "clock_config": _properties({names.reference: f"{names.reference_mhz:g}", **counts}),
        "clock_counts": _properties({names.manual: "1", **counts}),
        "clock_actual": names.actual,
        "clock_divisors": _list(names.divisors),
        "clock_source": names.source,
        "clock_io_pll": names.io_pll,
    }


def _ps_config(design: Design) -> dict[str, str]:
    names = family_with(design.ps).clock
    clock = {names.requested: f"{design.clock_mhz:g}", names.source: names.io_pll}
    if design.ps == "zynq7":
        port = design.memory_port.removeprefix("S_AXI_HP")
        return {
            **clock,
            "PCW_EN_CLK0_PORT": "1",
            "PCW_EN_RST0_PORT": "1",
            f"PCW_USE_{design.control_port}": "1",
            f"PCW_USE_S_AXI_HP{port}": "1",
            f"PCW_S_AXI_HP{port}_DATA_WIDTH": str(design.memory_bits),
        }
    # S_AXI_HPn_FPD is slave port 2 + n of the PS's own numbering, M_AXI_HPMn_FPD master port n.
    slave = 2 + int(design.memory_port[len("S_AXI_HP")])
    master = int(design.control_port[len("M_AXI_HPM")])
    return {
        "PSU__FPGA_PL0_ENABLE": "1",
        **clock,
        **{f"PSU__USE__M_AXI_GP{i}": str(int(i == master)) for i in range(3)},
        f"PSU__MAXIGP{master}__DATA_WIDTH": "32",
        f"PSU__USE__S_AXI_GP{slave}": "1",
        f"PSU__SAXIGP{slave}__DATA_WIDTH": str(design.memory_bits),
    }


def _memory_segments(design: Design) -> str:
    """Return the group that holds all segments of the memory port."""
    if design.ps == "zynq7":
        return design.memory_port
    return f"SAXIGP{2 + int(design.memory_port[len('S_AXI_HP')])}"


def _memory_segment(design: Design) -> str:
    """Return the memory's own segment, which the DMA is to reach."""
    if design.ps == "zynq7":
        return f"{design.memory_port.removeprefix('S_AXI_')}_DDR_LOWOCM"
    return f"HP{design.memory_port[len('S_AXI_HP')]}_DDR_LOW"


def _properties(config: dict[str, str]) -> str:
    """Return a Tcl list of CONFIG properties and their values, as `set_property -dict` wants it."""
    return _list(text for name, value in config.items() for text in (f"CONFIG.{name}", value))


def _list(words: Iterable[str]) -> str:
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    """Quote one word for Tcl, whatever it holds."""
    if _PLAIN.fullmatch(text):
        return text
    if "\\" not in text and text.count("{") == text.count("}") == len(re.findall(r"\{[^{}]*\}", text)):
        return f"{{{text}}}"
    return re.sub(r"([^\w./:+-])", r"\\\1", text)
