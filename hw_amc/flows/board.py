"""From an accelerator to a board: the overlay's project, its bitstream, and benches in simulation and on hardware."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from hw_amc.errors import ConfigError
from hw_amc.files import exclusive
from hw_amc.flows.rtl import SIMULATED, RtlFlow, require_simulators
from hw_amc.interface.manifest import Manifest
from hw_amc.verify.heldout import Stimulus
from hw_amc.workspace import SHIPPED

if TYPE_CHECKING:
    from hw_amc.bench.measure import Bench
    from hw_amc.driver import SelfTest


def write_overlay(flow: RtlFlow) -> Path:
    """Write the overlay's project for Vivado; return its folder."""
    from hw_amc.overlay.project import build_overlay

    folder = flow.workspace.build / "overlay" / flow.board.name
    with flow.exclusive(), flow.step("overlay"):
        build_overlay(flow.accelerator, flow.board, SHIPPED / "boards").write(folder)
    return folder


def implement(flow: RtlFlow, folder: Path, board_files: Path | None = None) -> Path:
    """Build the bitstream of a written overlay with Vivado; return the archive for the board.

    Utilisation and timing are merged into the report, those of a design that misses its timing too. `board_files` is a
    folder of board files beside Vivado's own.

    Raises
    ------
    ToolMissing, ToolFailed
        Vivado is not on PATH; it failed, or the design missed its timing.
    """
    from hw_amc.overlay.archive import pack_overlay
    from hw_amc.overlay.design import build_design
    from hw_amc.overlay.project import BUILD, run_overlay
    from hw_amc.overlay.vectors import build_vectors
    from hw_amc.overlay.vivado_reports import load_implementation

    manifest, build = flow.accelerator.manifest, folder / BUILD
    with exclusive(folder, "Vivado"), flow.step("implement"):
        try:
            run_overlay(folder, board_files=board_files)
        finally:
            if (build / "timing.rpt").is_file():
                section = load_implementation(build, flow.board)
                if flow.hls_export is None:
                    section = {**section, "R": flow.core.cycles_per_step, "K": manifest.contexts}
                flow.merge({"synth": {flow.board.name: {**section, "command": flow.command}}})
        design, vectors = build_design(manifest, flow.board), build_vectors(flow.graph, manifest)
        return pack_overlay(build, design, manifest, vectors, folder / f"{manifest.name}-{flow.board.name}.zip")


def bench_simulated(flow: RtlFlow, stimulus: Stimulus) -> Bench:
    """Drive the simulated accelerator through PYNQ, require golden's logits, and merge the figures.

    They stand under `bench.sim`, or `bench.sim-<board>` where the board is not project.toml's: never under a board's
    own name.
    """
    from hw_amc.bench.measure import run_bench

    with flow.exclusive(), flow.step("bench"):
        found = run_bench(write_simulated(flow), flow.graph, stimulus.wire)
        own = flow.board.name == flow.workspace.settings().board
        _merge_bench(flow, found, SIMULATED if own else f"{SIMULATED}-{flow.board.name}")
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


def bench_board(flow: RtlFlow, overlay: Path, stimulus: Stimulus) -> Bench:
    """Drive an overlay on a real board, which `require_board` found; require golden's logits, merge the figures."""
    from hw_amc.bench.measure import run_bench

    with flow.exclusive(), flow.step("bench"):
        found = run_bench(overlay, flow.graph, stimulus.wire, repeats=3, singles=100)
        _merge_bench(flow, found, found.benchmark.board)
    return found


def selftest_simulated(flow: RtlFlow) -> SelfTest:
    """Test the simulated accelerator through driver and PYNQ, as `selftest_board` tests a board."""
    with flow.exclusive(), flow.step("selftest"):
        return selftest_board(write_simulated(flow))


def selftest_board(overlay: Path) -> SelfTest:
    """Load an overlay on the device here and test it; see `hw_amc.driver.selftest.run_selftest`."""
    from hw_amc.driver import AmcOverlay

    with AmcOverlay(overlay) as amc:
        return amc.selftest()


def write_simulated(flow: RtlFlow) -> Path:
    """Write the simulated overlay and compile its Verilog; return the bitstream."""
    from hw_amc.bench.simulated import compile_overlay, write_sim_overlay

    require_simulators(fast_only=True)
    folder = flow.workspace.build / "sim_overlay" / flow.board.name
    overlay = write_sim_overlay(folder, flow.accelerator, flow.graph, flow.board)
    flow.output.done(f"Verilog of {flow.accelerator.manifest.name}, R = {flow.core.cycles_per_step}")
    start = time.monotonic()
    compile_overlay(overlay)
    flow.output.done(f"compiled by Verilator in {time.monotonic() - start:,.0f} s, and kept for the next time")
    return overlay


def _merge_bench(flow: RtlFlow, found: Bench, device: str) -> None:
    flow.output.done(f"{found.frames} frames through driver and PYNQ, every logit equal to golden")
    section = found.to_section(device, flow.command)
    if flow.hls_export is None:
        section["bench"][device]["R"] = flow.core.cycles_per_step
    flow.merge(section)
