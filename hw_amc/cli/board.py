"""The commands around boards: overlay, bench, sim-overlays, sim-device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hw_amc.cli.common import complete_board, complete_model
from hw_amc.cli.options import Board, Context, Cycles, Data, Exported, Model, Yes, command_of
from hw_amc.cli.output import printer
from hw_amc.errors import INTERRUPTED, ConfigError
from hw_amc.text import shown

if TYPE_CHECKING:
    from hw_amc.flows.rtl import RtlFlow


def overlay(
    context: Context,
    model: Model,
    board: Board = None,
    cycles: Cycles = None,
    hls: Exported = None,
    board_files: Annotated[
        Path | None, typer.Option(help="Folder of board files that Vivado's store lacks.", envvar="HW_AMC_BOARD_FILES")
    ] = None,
) -> None:
    """Write the overlay's project for Vivado, and build the bitstream where Vivado is on PATH."""
    from hw_amc import tools
    from hw_amc.flows.board import implement, write_overlay
    from hw_amc.flows.rtl import RtlFlow, RtlOptions

    flow = RtlFlow.open(model, RtlOptions(board, cycles, hls_export=hls), command_of(context), printer)
    flow.require_ready()
    folder = write_overlay(flow)
    printer.done(shown(folder))
    printer.result({"folder": folder})
    if tools.find("vivado"):
        with printer.status("Vivado: many minutes"):
            archive = implement(flow, folder, board_files)
        printer.done(shown(archive))
        printer.result({"archive": archive})
    else:
        printer.line("left out: vivado is not on PATH, so no bitstream was built")


def bench(
    context: Context,
    model: Model,
    frames: Annotated[int, typer.Option(help="Held-out frames to classify.", min=1)] = 32,
    board: Annotated[
        str | None,
        typer.Option(
            help="Board to simulate: a folder under boards/, or sim for project.toml's (default).",
            autocompletion=complete_board,
        ),
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Bitstream to measure on a real board, which this computer is or drives.")
    ] = None,
    cycles: Cycles = None,
    data: Data = None,
    selftest: Annotated[
        bool, typer.Option("--selftest", help="Test instead: golden vectors, clock, counters, errors, limits.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="File for the self-test's report, to attach to a question.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Measure the driver on the simulated accelerator, or on a board; every frame's logits equal to golden."""
    from hw_amc import report as reports
    from hw_amc.flows.board import bench_board, bench_simulated, require_board
    from hw_amc.flows.rtl import RtlFlow, RtlOptions

    flow = RtlFlow.open(model, RtlOptions(board, cycles, data=data), command_of(context), printer)
    flow.require_ready()
    if overlay is not None:
        if cycles is not None:
            raise ConfigError("the overlay has its cycles per step already; leave -R out, or --overlay")
        require_board(overlay, board)
    else:
        printer.line(
            f"simulated {flow.board.name}, no board is touched: a large network takes Verilator some minutes "
            "the first time, and about a second for each frame"
        )
    if selftest:
        _selftest(flow, overlay, report, yes)
        return
    if report is not None:
        raise ConfigError("--report belongs to --selftest; a bench writes into report.json")
    found = (
        bench_simulated(flow, flow.take(frames)) if overlay is None else bench_board(flow, overlay, flow.take(frames))
    )
    printer.block(str(found.benchmark))
    printer.result({"bench": reports.load(flow.workspace.build)["bench"]})


def _selftest(flow: RtlFlow, overlay: Path | None, report: Path | None, yes: bool) -> None:
    """Test, print what came of it, and fail where something did."""
    if report is not None:
        printer.confirm_new(report, yes)
    from hw_amc.driver import DeviceError
    from hw_amc.flows.board import selftest_board, selftest_simulated

    found = selftest_simulated(flow) if overlay is None else selftest_board(overlay)
    printer.block(str(found))
    printer.result({"checks": [{"name": check.name, "outcome": check.outcome} for check in found.checks]})
    if report is not None:
        found.save(report)
        printer.done(shown(report))
    if not found.passed:
        failed = ", ".join(check.name for check in found.checks if check.outcome == "failed")
        raise DeviceError(f"the self-test failed: {failed}")


def sim_overlays(
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    models: Annotated[
        list[str] | None, typer.Argument(help="Models; all trained ones by default.", autocompletion=complete_model)
    ] = None,
    frames: Annotated[int, typer.Option(help="Held-out frames.", min=1)] = 960,
    rtl: Annotated[bool, typer.Option("--rtl", help="The Verilog behind them (slow), not golden.")] = False,
) -> None:
    """Write simulated overlays of the trained models, and frames, for the notebooks; minutes for each model, once."""
    from hw_amc.flows.gallery import write_gallery
    from hw_amc.workspace import trained_models

    gallery = write_gallery(folder, models or trained_models(), frames, "rtl" if rtl else "golden", printer)
    printer.result(gallery.variables())
    for name, value in gallery.variables().items():
        printer.line(f"export {name}={value}")


def sim_device(context: Context) -> None:
    """Run a PYNQ program on the simulated device: hw-amc sim-device program.py, or -m module, or jupyter lab."""
    from hw_amc.sim_device import launch

    try:
        status = launch.main(context.args)
    except KeyboardInterrupt:
        status = INTERRUPTED  # it was the program that was stopped
    raise typer.Exit(status)
