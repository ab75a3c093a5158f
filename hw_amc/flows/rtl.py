"""The RTL road: accelerator, simulation, overlay project and bench of a model. Needs no TensorFlow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hw_amc import report
from hw_amc.config import BoardSettings, RtlSettings
from hw_amc.errors import ConfigError
from hw_amc.files import exclusive
from hw_amc.flows.command import command_line
from hw_amc.graph import Graph
from hw_amc.interface.manifest import Manifest
from hw_amc.verify.heldout import Stimulus, held_out
from hw_amc.workspace import SHIPPED, Workspace, find_root

if TYPE_CHECKING:
    from hw_amc.bench.measure import Bench
    from hw_amc.rtl import RateEstimate, RtlCore
    from hw_amc.rtl.shell.accelerator import Accelerator

#: `BOARD=sim` simulates the accelerator of project.toml's board; any other BOARD that of another one.
SIMULATED = "sim"

Tell = Callable[[str], None]


@dataclass
class Hardware:
    """A model on a board: what it is built from, and what is built."""

    workspace: Workspace
    board: BoardSettings
    settings: RtlSettings
    #: Verilog that an HLS tool exported, where that is the core.
    hls: Path | None = None

    @cached_property
    def graph(self) -> Graph:
        """The committed graph, required to belong to the weights."""
        return self.workspace.load_graph()

    @cached_property
    def core(self) -> RtlCore:
        """The network in Verilog."""
        from hw_amc.rtl import build_core

        return build_core(self.graph, self.settings, self.board)

    @cached_property
    def accelerator(self) -> Accelerator:
        """The core in the shell."""
        from hw_amc.rtl.hls_core import load_hls_core
        from hw_amc.rtl.shell.accelerator import build_accelerator

        settings = self.workspace.settings().model_copy(update={"rtl": self.settings})
        if self.hls is not None:
            return build_accelerator(self.graph, load_hls_core(self.hls, self.graph), settings, self.board, "hls")
        return build_accelerator(self.graph, self.core, settings, self.board)

    @property
    def folder(self) -> Path:
        """Where the Verilog is written."""
        return self.workspace.build / "rtl" / self.board.name

    def take(self, count: int, data: Path | None = None) -> Stimulus:
        """Held-out frames, generated or from the user's file."""
        return held_out(self.graph, self.workspace.settings().input, count, data)

    def merge(self, section: dict[str, Any]) -> None:
        """Merge figures into report.json."""
        report.merge(self.workspace.build, section, self.graph.digest())

    def estimate(self) -> list[RateEstimate]:
        """Resources and speed at each possible R."""
        from hw_amc.rtl import estimate_rates

        return estimate_rates(self.graph, self.settings, self.board)


def open_hardware(
    model: str, board: str | None = None, cycles_per_step: int | None = None, lanes: int | None = None
) -> Hardware:
    """Read a model's settings; options given here override project.toml.

    Raises
    ------
    ConfigError
        Unknown model or board, or an error in project.toml.
    """
    workspace = Workspace.open(model)
    device = workspace.board(None if board == SIMULATED else board)
    rtl = workspace.settings().rtl
    if cycles_per_step is not None:
        rtl = RtlSettings.model_validate({**rtl.model_dump(), "cycles_per_step": cycles_per_step, "layers": {}})
    if lanes is not None:
        rtl = rtl.model_copy(update={"lanes": lanes})
    return Hardware(workspace, device, rtl)


def trained_models() -> list[str]:
    """Names of the models that have weights and a graph, in alphabetical order."""
    return sorted(
        {
            path.parent.name
            for place in (find_root(), SHIPPED)
            for path in place.glob("hls_projects/*/graph.json")
            if path.with_name("weights.h5").is_file()
        }
    )


def write(hardware: Hardware, rows: list[RateEstimate]) -> Path:
    """Write the accelerator's Verilog and manifest, and merge the estimate `rows`; return the folder."""
    with exclusive(hardware.workspace.build, f"hw-amc on {hardware.workspace.model}"):
        hardware.accelerator.sources.write(hardware.folder)
        hardware.merge({"estimate": {"rtl": _estimate_section(hardware, rows)}})
    return hardware.folder


def _estimate_section(hardware: Hardware, rows: list[RateEstimate]) -> dict[str, Any]:
    """The row that is built, and all rows as a sweep over R."""
    tables = [
        {
            "R": row.cycles_per_step,
            "K": row.contexts,
            "cycles_per_frame": row.cycles_per_frame,
            "frames_per_s": round(row.frames_per_s, 1),
            **{name: math.ceil(used) for name, used in asdict(row.cost).items()},
            "percent": {name: round(share, 2) for name, share in row.percent.items()},
            "fits": row.fits,
        }
        for row in rows
    ]
    built = next(dict(table) for table in tables if table["R"] == hardware.core.cycles_per_step)
    del built["fits"]
    board = {"board": hardware.board.name, "part": hardware.board.part, "clock_mhz": hardware.board.clock_mhz}
    return {**board, **built, "sweep": tables, "command": command_line(), "kind": "estimated"}


def least_frames(hardware: Hardware) -> int:
    """Frames that show the rhythm of the results: those of one round, and one more; 8 at least."""
    return max(8, hardware.accelerator.manifest.round_results + 1)


def cosimulate(
    hardware: Hardware, stimulus: Stimulus, tell: Tell, *, waves: bool = False, fast_only: bool = False
) -> None:
    """Simulate frames in Verilator and Icarus, require golden's logits, and merge the figures.

    Parameters
    ----------
    hardware : Hardware
    stimulus : Stimulus
        All frames go through the fast runner; cocotb takes `least_frames`, in Icarus one round and one frame more.
    tell : callable
        Receives one line per step.
    waves : bool
        FST waveforms of the cocotb runs.
    fast_only : bool
        Leave cocotb out: a long regression.

    Raises
    ------
    Mismatch
        A logit or a number of cycles is not what it must be.
    """
    from hw_amc.cosim.model import Plan, run_model

    with exclusive(hardware.workspace.build, f"hw-amc on {hardware.workspace.model}"):
        together = hardware.accelerator.manifest.round_results
        plan = Plan(hardware.workspace.build / "cosim", {}, waves=waves)
        if not fast_only:
            plan.cocotb_frames.update({"verilator": least_frames(hardware), "icarus": together + 1})
        sections = run_model(hardware.graph, hardware.accelerator.lane, stimulus.wire, plan, tell)
        runs = {name: {**item, "command": command_line()} for name, item in sections.items()}
        hardware.merge({"cosim": runs})


def synthesise(
    hardware: Hardware, blocks: bool = False, routed: bool = False, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Synthesise the accelerator, shell included, by Yosys; merge and return what was counted.

    With `blocks` each block of the core is kept apart and counted by itself; with `routed` each is placed and routed
    on an ECP5 as well. `tell` receives one line per block that was routed.

    Raises
    ------
    ConfigError
        `blocks` of more than one lane.
    ToolMissing, ToolFailed
        Yosys is missing or fails.
    """
    from hw_amc.rtl.shell.lanes import lane_module
    from hw_amc.synth import nextpnr, yosys

    if blocks and hardware.settings.lanes > 1:
        raise ConfigError("blocks are counted in one lane, which all lanes equal; leave out --lanes, or --blocks")
    if routed:
        nextpnr.find_nextpnr()  # before the minutes that Yosys takes
    workspace, name = hardware.workspace, hardware.accelerator.manifest.name
    family: Literal["xc7", "xcup"] = "xc7" if hardware.board.ps == "zynq7" else "xcup"
    folder = workspace.build / "synth" / hardware.board.name
    lane = lane_module(name) if hardware.settings.lanes > 1 else None
    with exclusive(workspace.build, f"hw-amc on {workspace.model}"):
        core = hardware.core.name if blocks else None
        found = yosys.run(hardware.accelerator.sources, name, folder, family, repeated=lane, blocks_of=core)
        section = yosys.section(found, hardware.core, hardware.board, command_line(), hardware.settings.lanes)
        hardware.merge({"synth": {hardware.board.name: section}})
        if routed:
            section["routed"] = []
            section["kind"]["routed"] = "measured"
            for row in nextpnr.route_blocks(hardware.core.sources, hardware.core.name, folder / nextpnr.DEVICE):
                outcome = f"{row['fmax_mhz']:g} MHz" if "fmax_mhz" in row else row["reason"]
                tell(f"{nextpnr.DEVICE}: {row['name']}, {outcome}")
                section["routed"].append(row)
            hardware.merge({"synth": {hardware.board.name: section}})
    return section


def write_overlay(hardware: Hardware) -> Path:
    """Write the overlay's project for Vivado; return its folder."""
    from hw_amc.overlay.project import build_overlay

    folder = hardware.workspace.build / "overlay" / hardware.board.name
    with exclusive(hardware.workspace.build, f"hw-amc on {hardware.workspace.model}"):
        build_overlay(hardware.accelerator, hardware.board, SHIPPED / "boards").write(folder)
    return folder


def implement(hardware: Hardware, folder: Path) -> Path:
    """Build the bitstream of a written overlay with Vivado; return the archive for the board.

    Utilisation and timing are merged into the report, those of a design that misses its timing too.

    Raises
    ------
    ToolMissing, ToolFailed
        Vivado is not on PATH; it failed, or the design missed its timing.
    """
    from hw_amc.overlay.archive import pack_overlay
    from hw_amc.overlay.project import BUILD, run_overlay
    from hw_amc.overlay.vivado_reports import load_implementation

    manifest, build = hardware.accelerator.manifest, folder / BUILD
    with exclusive(folder, "Vivado"):
        try:
            run_overlay(folder)
        finally:
            if (build / "timing.rpt").is_file():
                section = load_implementation(build, hardware.board)
                if hardware.hls is None:
                    section = {**section, "R": hardware.core.cycles_per_step, "K": manifest.contexts}
                hardware.merge({"synth": {hardware.board.name: {**section, "command": command_line()}}})
        return pack_overlay(build, manifest, folder / f"{manifest.name}-{hardware.board.name}.zip")


def bench_simulated(hardware: Hardware, stimulus: Stimulus, tell: Tell) -> Bench:
    """Drive the simulated accelerator through PYNQ, require golden's logits, and merge the figures.

    They stand under `bench.sim`, or `bench.sim-<board>` where the board is not project.toml's: never under a board's
    own name.
    """
    from hw_amc.bench.measure import run_bench
    from hw_amc.bench.simulated import compile_overlay, write_sim_overlay

    folder = hardware.workspace.build / "sim_overlay" / hardware.board.name
    with exclusive(hardware.workspace.build, f"hw-amc on {hardware.workspace.model}"):
        overlay = write_sim_overlay(folder, hardware.accelerator, hardware.graph, hardware.board)
        tell(f"Verilog of {hardware.accelerator.manifest.name}, R = {hardware.core.cycles_per_step}")
        start = time.monotonic()
        compile_overlay(overlay)
        tell(f"compiled by Verilator in {time.monotonic() - start:,.0f} s, and kept for the next time")
        found = run_bench(overlay, hardware.graph, stimulus.wire)
        tell(f"{found.frames} frames through driver and PYNQ, every logit equal to golden")
        own = hardware.board.name == hardware.workspace.settings().board
        device = SIMULATED if own else f"{SIMULATED}-{hardware.board.name}"
        hardware.merge(found.to_section(device, command_line()))
    return found


def require_board(overlay: Path, board: str | None) -> None:
    """Require that `overlay` is for `board`, where one is named, and that the device here is not simulated.

    Raises
    ------
    ConfigError, DeviceError
        The overlay is missing or for another board; the device is simulated, or there is none.
    """
    from hw_amc.driver.devices import choose_device, is_simulated
    from hw_amc.driver.identity import find_bitstream

    bitstream = find_bitstream(overlay)
    built_for = Manifest.load(bitstream.parent / "manifest.json").board
    if board not in (None, built_for):
        raise ConfigError(f"{bitstream} is for {built_for}, not {board}")
    if is_simulated(choose_device(bitstream)):
        raise ConfigError(f"{bitstream} would run on a simulated device; leave --overlay out to simulate")


def bench_board(hardware: Hardware, overlay: Path, stimulus: Stimulus, tell: Tell) -> Bench:
    """Drive an overlay on a real board, which `require_board` found; require golden's logits, merge the figures."""
    from hw_amc.bench.measure import run_bench

    with exclusive(hardware.workspace.build, f"hw-amc on {hardware.workspace.model}"):
        found = run_bench(overlay, hardware.graph, stimulus.wire, repeats=3, singles=100)
        tell(f"{found.frames} frames through driver and PYNQ, every logit equal to golden")
        hardware.merge(found.to_section(found.benchmark.board, command_line()))
    return found
