"""The commands of the HLS flow: hls, csim, graph, estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hw_amc.cli.options import Backend, Board, Context, Data, Model, command_of
from hw_amc.cli.output import printer

if TYPE_CHECKING:
    from hw_amc.flows.hls import HlsFlow, HlsOptions


def hls(
    context: Context,
    model: Model,
    backend: Backend = None,
    board: Board = None,
    frames: Annotated[int, typer.Option(help="Held-out frames of the proof.", min=1)] = 64,
    data: Data = None,
    start: Annotated[str | None, typer.Option(help="First step: graph golden project csim vendor report.")] = None,
    stop: Annotated[str | None, typer.Option(help="Last step to run.")] = None,
) -> None:
    """Make the HLS project and prove it: Keras = golden = C-sim in every integer of every layer."""
    from hw_amc import report
    from hw_amc.flows import hls as flows

    flow = _open(context, model, flows.HlsOptions(board, backend, frames, data))
    flow.require_ready()
    flows.run(flow, start, stop)
    found = report.load(flow.workspace.build)
    report.print_summary(printer.tables, found)
    printer.result(found)


def csim(
    context: Context,
    model: Model,
    frames: Annotated[int, typer.Option(help="Held-out frames to run.", min=1)] = 1000,
    backend: Backend = None,
    board: Board = None,
    data: Data = None,
    edited: Annotated[
        bool, typer.Option("--edited", help="Run the C++ in the build folder as it is; it is code, as you trust it.")
    ] = False,
) -> None:
    """Run a long regression: Keras = native-integer C-sim, which must first equal the ap_fixed build."""
    from hw_amc import report
    from hw_amc.flows import hls as flows

    flow = _open(context, model, flows.HlsOptions(board, backend, frames, data, edited))
    flow.require_ready()
    flows.regress(flow)
    printer.result({"csim": report.load(flow.workspace.build)["csim"]})


def graph(
    context: Context,
    model: Model,
    update: Annotated[bool, typer.Option("--update", help="Save the graph that weights.h5 gives now.")] = False,
) -> None:
    """Print the integer graph that weights.h5 gives; `hls` compares it with the committed one."""
    flow = _open(context, model)
    with printer.status("weights.h5"):
        built = flow.build_graph()
    if update:
        built.save(flow.workspace.take_over())
    rows = [(node.name, node.op, " x ".join(map(str, node.shape)), node.fmt) for node in built.nodes]
    heads = ("node", "operation", "shape", "format")
    printer.table(heads, rows, f"{built.name}  {built.digest()[:16]}")
    nodes = [dict(zip(heads, row, strict=True)) for row in rows]
    printer.result({"name": built.name, "digest": built.digest(), "nodes": nodes})


def estimate(context: Context, model: Model, board: Board = None, backend: Backend = None) -> None:
    """Estimate cycles and resources of the HLS project for each reuse factor, without a vendor tool."""
    from hw_amc import report
    from hw_amc.flows import hls as flows

    flow = _open(context, model, flows.HlsOptions(board, backend))
    with printer.status("estimate"):
        flows.merge_estimate(flow)
    found = report.load(flow.workspace.build)
    report.print_estimate(printer.tables, found)
    printer.result({"estimate": found["estimate"], "layers": found["layers"]})


def _open(context: Context, model: str, options: HlsOptions | None = None) -> HlsFlow:
    from hw_amc.flows.hls import HlsFlow, HlsOptions

    return HlsFlow.open(model, options or HlsOptions(), command_of(context), printer)
