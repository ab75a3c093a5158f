"""The overlay's project for Vivado: the shared Tcl, the accelerator as an IP, and one board's settings."""

from __future__ import annotations

from pathlib import Path

from hw_amc import tools
from hw_amc.config import BoardSettings
from hw_amc.errors import ConfigError, ToolFailed
from hw_amc.interface.manifest import Manifest
from hw_amc.overlay.component import FILE_TYPES, check_component, emit_component, parse_ports
from hw_amc.overlay.design import build_design, ip_vlnv
from hw_amc.parts import family_with
from hw_amc.rtl.shell.accelerator import Accelerator
from hw_amc.sim_device import Design
from hw_amc.sim_device.hwh import dma_settings
from hw_amc.sources import Sources

#: Tcl shared by all boards, below boards/.
SCRIPTS = "overlay"
#: What Vivado is started on.
ENTRY = "build.tcl"
#: Where it writes, below the overlay's folder.
BUILD = "build"
#: PS port -> its clock pin, and for memory ports the setting group and the DDR segment.
_PORT_CLOCK = {
    "M_AXI_GP0": "M_AXI_GP0_ACLK",
    "M_AXI_GP1": "M_AXI_GP1_ACLK",
    **{f"S_AXI_HP{i}": f"S_AXI_HP{i}_ACLK" for i in range(4)},
    "M_AXI_HPM0_FPD": "maxihpm0_fpd_aclk",
    "M_AXI_HPM1_FPD": "maxihpm1_fpd_aclk",
    **{f"S_AXI_HP{i}_FPD": f"saxihp{i}_fpd_aclk" for i in range(4)},
}


def build_overlay(accelerator: Accelerator, board: BoardSettings, boards: Path, jobs: int = 4) -> Sources:
    """Write everything that Vivado needs for the bitstream.

    Parameters
    ----------
    accelerator : Accelerator
        RTL or HLS core in the shell.
    board : BoardSettings
    boards : Path
        Folder of the boards and of the shared Tcl.
    jobs : int
        Parallel jobs of a run.

    Returns
    -------
    Sources
        build.tcl and its parts, settings.tcl, ip/component.xml with the Verilog, manifest.json.

    Raises
    ------
    ConfigError
        The scripts are missing, the clock or a PS port of the board does not exist, or the top module's ports differ
        from the interface.
    """
    manifest = accelerator.manifest
    if manifest.part != board.part:
        raise ConfigError(
            f"the accelerator was built for {manifest.board} ({manifest.part}), not {board.name} ({board.part}); "
            f"build it with board = {board.name!r}"
        )
    design = build_design(manifest, board)
    scripts = {path.name: path.read_text(encoding="utf-8") for path in sorted((boards / SCRIPTS).glob("*.tcl"))}
    if ENTRY not in scripts:
        raise ConfigError(f"{boards / SCRIPTS} has no {ENTRY}; the checkout is incomplete")
    sources = {name: text for name, text in accelerator.sources.files.items() if name.endswith(tuple(FILE_TYPES))}
    return Sources(
        {
            **scripts,
            "settings.tcl": emit_settings(design, jobs),
            "ip/component.xml": _emit_package(manifest, sources, design.window),
            **{f"ip/src/{name}": text for name, text in sources.items()},
            "manifest.json": manifest.to_json(),
        }
    )


def _emit_package(manifest: Manifest, sources: dict[str, str], window: int) -> str:
    """Describe the sources as an IP, and require that Vivado will accept it."""
    ports = parse_ports(sources[f"{manifest.name}.v"], manifest.name)
    files = [f"src/{name}" for name in sources]
    description = f"{manifest.name}, network {manifest.graph_digest[:16]}"
    component = emit_component(ip_vlnv(manifest), ports, files, window, description)
    check_component(component, ports)
    return component


def emit_settings(design: Design, jobs: int) -> str:
    """Return settings.tcl: the array `settings` that the shared scripts read.

    Raises
    ------
    ConfigError
        The PS has no such port, or the clock cannot be divided from the PLL.
    """
    for port in (design.control_port, design.memory_port):
        fpd = port.endswith("_FPD")
        if port not in _PORT_CLOCK or fpd != (design.ps == "zynqmp"):
            raise ConfigError(f"board: {design.ps} has no port {port!r}")
    values = {
        "name": design.name,
        "part": design.part,
        "board_part": design.board_part,
        "jobs": str(jobs),
        "ip_vlnv": design.ip.vlnv,
        "ps": design.ps,
        "ps_ip": family_with(design.ps).ps_ip,
        "ps_clock": family_with(design.ps).ps_clock,
        "ps_reset": family_with(design.ps).ps_reset,
        "ps_clock_pins": f"{_PORT_CLOCK[design.control_port]} {_PORT_CLOCK[design.memory_port]}",
        "ps_config": _dict(_ps_config(design)),
        "dma_config": _dict(dma_settings(design)),
        "control_port": design.control_port,
        "memory_port": design.memory_port,
        "memory_segment": _memory_segment(design),
        "memory_range": f"0x{design.memory_bytes:08X}",
        "dma_base": f"0x{design.dma_base:08X}",
        "ip_base": f"0x{design.ip_base:08X}",
        "window": f"0x{design.window:08X}",
    }
    lines = [f"    {name:<14} {{{value}}}" for name, value in values.items()]
    return "# Generated from board.toml and manifest.json.\narray set settings {\n" + "\n".join(lines) + "\n}\n"


def run_overlay(folder: Path, goal: str = "bit", timeout_s: float | None = None) -> None:
    """Run Vivado on a written overlay project.

    Raises
    ------
    ToolMissing
        Vivado is not on PATH.
    ToolFailed
        Vivado failed, or the design missed its timing; the message has the last lines.
    """
    build = folder / BUILD
    log = build / "vivado.log"
    build.mkdir(parents=True, exist_ok=True)
    for path in build.iterdir():
        # Results of an earlier run must not be taken for this one's.
        if path.suffix in (".bit", ".hwh", ".rpt"):
            path.unlink()
    args = ["vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", ENTRY, "-tclargs", goal]
    tools.run(args, folder, timeout_s, log=log)
    if goal == "bit" and not list(build.glob("*.bit")):
        raise ToolFailed(f"Vivado ended well and wrote no bitstream in {build}; see {log}")


def _ps_config(design: Design) -> dict[str, str]:
    first, second = design.divisors
    if design.ps == "zynq7":
        port = design.memory_port.removeprefix("S_AXI_HP")
        return {
            "PCW_FPGA0_PERIPHERAL_FREQMHZ": f"{design.clock_mhz:g}",
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
        "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL",
        "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": f"{design.clock_mhz:g}",
        "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0": str(first),
        "PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1": str(second),
        **{f"PSU__USE__M_AXI_GP{i}": str(int(i == master)) for i in range(3)},
        f"PSU__MAXIGP{master}__DATA_WIDTH": "32",
        f"PSU__USE__S_AXI_GP{slave}": "1",
        f"PSU__SAXIGP{slave}__DATA_WIDTH": str(design.memory_bits),
    }


def _memory_segment(design: Design) -> str:
    if design.ps == "zynq7":
        port = design.memory_port
        return f"{port}/{port.removeprefix('S_AXI_')}_DDR_LOWOCM"
    number = int(design.memory_port[len("S_AXI_HP")])
    return f"SAXIGP{2 + number}/HP{number}_DDR_LOW"


def _dict(config: dict[str, str]) -> str:
    return " ".join(f"CONFIG.{name} {{{value}}}" for name, value in config.items())
