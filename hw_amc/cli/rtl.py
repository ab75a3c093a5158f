"""The commands of the RTL flow: rtl, cosim, synth, power."""

from __future__ import annotations

from typing import Annotated

import typer

from hw_amc.cli.options import Board, Context, Cycles, Data, Exported, Lanes, Model, command_of, integers
from hw_amc.cli.output import printer
from hw_amc.text import shown


def rtl(context: Context, model: Model, board: Board = None, cycles: Cycles = None, lanes: Lanes = None) -> None:
    """Estimate the accelerator at each R, and write its Verilog and manifest unless the part is too small."""
    from hw_amc import report
    from hw_amc.flows.rtl import RtlFlow, RtlOptions, write_verilog
    from hw_amc.rtl import require_fit

    flow = RtlFlow.open(model, RtlOptions(board, cycles, lanes), command_of(context), printer)
    flow.require_ready()
    with printer.status("adder graphs, estimate"):
        rates = flow.estimate()
    title = f"{model} on {flow.board.part} at {flow.board.clock_mhz:g} MHz (assumed), with shell"
    report.print_rates(printer.tables, title, rates, flow.core.cycles_per_step)
    require_fit(rates, flow.core.cycles_per_step, flow.board)  # what stands there stays
    with printer.status("Verilog"):
        folder = write_verilog(flow, rates)
    printer.done(f"{len(flow.written.files)} files in {shown(folder)} (R marked *)")
    printer.result({"estimate": report.load(flow.workspace.build)["estimate"], "folder": folder})


def cosim(
    context: Context,
    model: Model,
    frames: Annotated[
        int | None, typer.Option(help="Held-out frames of the fast runner; 8, or more where the rhythm asks it.", min=1)
    ] = None,
    board: Board = None,
    cycles: Cycles = None,
    data: Data = None,
    hls: Exported = None,
    fast: Annotated[bool, typer.Option("--fast", help="Fast runner only, no cocotb: long regressions.")] = False,
    waves: Annotated[bool, typer.Option("--waves", help="Keep FST waveforms of the cocotb runs.")] = False,
) -> None:
    """Simulate the Verilog in Verilator and Icarus against golden: every logit, and the cycles predicted.

    The first run compiles a model: 14 s of processor time and 1 to 4 ms a line of the network's Verilog
    (docs/simulation.md has the trained models).
    """
    from hw_amc import report
    from hw_amc.flows.rtl import RtlFlow, RtlOptions, cosimulate, require_simulators

    options = RtlOptions(board, cycles, hls_export=hls, data=data)
    flow = RtlFlow.open(model, options, command_of(context), printer)
    require_simulators(fast)
    flow.require_ready()
    with printer.status("adder graphs, Verilog"):
        stimulus = flow.take(frames or flow.least_frames)
    cosimulate(flow, stimulus, waves=waves, fast_only=fast)
    printer.result({"cosim": report.load(flow.workspace.build)["cosim"]})


def synth(
    context: Context,
    model: Model,
    board: Board = None,
    cycles: Cycles = None,
    lanes: Lanes = None,
    blocks: Annotated[bool, typer.Option("--blocks", help="Each block by itself; a few LUTs more in all.")] = False,
    route: Annotated[bool, typer.Option("--route", help="Place and route blocks on an ECP5-85F as well.")] = False,
) -> None:
    """Synthesise the accelerator by Yosys (many minutes) and set its counts beside the estimate."""
    from hw_amc import report
    from hw_amc.flows.rtl import RtlFlow, RtlOptions, synthesise

    flow = RtlFlow.open(model, RtlOptions(board, cycles, lanes), command_of(context), printer)
    flow.require_ready()
    with printer.status("Yosys: about 20 s for each 1,000 LUTs"):
        found = synthesise(flow, blocks, route)
    report.print_synthesis(printer.tables, found)
    printer.result({"synth": {flow.board.name: found}})


def power(
    context: Context,
    model: Model,
    board: Board = None,
    cycles: Cycles = None,
    lanes: Lanes = None,
    frames: Annotated[
        int | None, typer.Option(help="Held-out frames to simulate; two rounds of contexts by default.", min=1)
    ] = None,
    sweep: Annotated[str, typer.Option(help="More cycles per step to rank, such as 1,2,5.", metavar="R,R,...")] = "",
    data: Data = None,
) -> None:
    """Estimate power and energy per frame, block by block, from toggles counted in Verilator on real frames.

    Each R is a model to compile; docs/simulation.md says how long that takes. Watts are uncertain by a factor of four;
    what it is for is to rank.
    """
    from hw_amc import report
    from hw_amc.flows.power import estimate_power
    from hw_amc.flows.rtl import RtlFlow, RtlOptions, require_simulators

    flow = RtlFlow.open(model, RtlOptions(board, cycles, lanes, data=data), command_of(context), printer)
    others = integers(sweep, "--sweep") if sweep else []
    require_simulators(fast_only=True)
    flow.require_ready()
    found = estimate_power(flow, frames, others)
    report.print_power(printer.tables, found)
    printer.result({"power": {flow.board.name: found}})
