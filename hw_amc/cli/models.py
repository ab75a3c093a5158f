"""The commands that begin, bring a model in and show what there is: new, init, models, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hw_amc.cli.options import Board, Context, command_of
from hw_amc.cli.output import printer
from hw_amc.errors import ConfigError
from hw_amc.text import shown

if TYPE_CHECKING:
    from hw_amc.models import NetworkSpec


def new(
    folder: Annotated[Path, typer.Argument(help="Folder to make.", metavar="FOLDER")],
    model: Annotated[
        list[str] | None, typer.Option(help="Copy a model that comes with hw-amc, to change it; may come again.")
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option(help="Copy a board that comes with hw-amc, to change it; may come again.")
    ] = None,
) -> None:
    """Make a workspace: the folder of your own models, boards and results."""
    from hw_amc.flows.new import make_workspace

    make_workspace(folder, model or [], board or [])
    printer.result({"folder": folder})
    printer.done(shown(folder))
    printer.line(f"next: cd {shown(folder)}; hw-amc init MODEL_FILE, or hw-amc models; see README.md there")


def init(
    context: Context,
    model_file: Annotated[
        Path, typer.Argument(help="Keras model (.h5, .keras, SavedModel), or .onnx (QONNX).", metavar="MODEL_FILE")
    ],
    name: Annotated[str | None, typer.Option(help="Project's name; made of the file's by default.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class set, or BPSK,QPSK,... in the order of the logits; ; between heads.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Frames to calibrate on and judge by, of any format of `data info`.")
    ] = None,
    widths: Annotated[
        list[str] | None, typer.Option(help="LAYER.FIELD=BITS, or FIELD=BITS for all layers; may come again.")
    ] = None,
    tune: Annotated[
        int, typer.Option(help="Steps of training with quantisation, on labelled frames of --data.", min=0, max=10**6)
    ] = 0,
    board: Board = None,
) -> None:
    """Make a project of your own model, Keras, QKeras or ONNX: deployed exactly, its cost measured layer by layer."""
    from hw_amc.flows.init import run
    from hw_amc.flows.init_card import shown_sqnr
    from hw_amc.flows.init_state import InitFlow, InitOptions

    options = InitOptions(model_file, name, classes, data, tuple(widths or ()), board, tune)
    outcome = run(InitFlow.open(options, command_of(context), printer))
    rows = [
        (each.name, each.operation, " x ".join(map(str, each.shape)), each.format, shown_sqnr(each.sqnr_db))
        for each in outcome.layers
    ]
    heads = ("layer", "operation", "shape", "format", "SQNR, dB (measured)")
    printer.table(heads, rows, f"{outcome.graph.name}  {outcome.graph.digest()[:16]}")
    printer.result({"model": outcome.graph.name, "digest": outcome.graph.digest(), "folder": outcome.folder})
    printer.result(
        {"layers": [dict(zip(("layer", "operation", "shape", "format"), row[:4], strict=True)) for row in rows]}
    )
    printer.done(shown(outcome.folder))
    if outcome.no_hls is None:
        printer.line(f"next: make hls MODEL={outcome.graph.name}")
    else:
        printer.warning(f"the HLS flow does not have all of its layers yet: {outcome.no_hls}")


def models() -> None:
    """List the models, and which of them are trained."""
    from hw_amc.models import MODELS
    from hw_amc.workspace import trained_models

    trained = trained_models()
    rows = []
    for spec in MODELS.values():
        counts = (f"{spec.sparsity:g}", f"{spec.parameters:,}", f"{spec.nonzeros:,}", f"{spec.macs / 1e6:.2f} M")
        rows.append((spec.name, spec.summary, *counts, "yes" if spec.name in trained else ""))
    printer.table(("model", "network", "sparsity", "parameters", "nonzeros", "MACs", "trained"), rows)
    printer.result({"models": [_facts(spec, spec.name in trained) for spec in MODELS.values()]})


def _facts(spec: NetworkSpec, is_trained: bool) -> dict[str, Any]:
    counts = {"sparsity": spec.sparsity, "parameters": spec.parameters, "nonzeros": spec.nonzeros, "macs": spec.macs}
    return {"model": spec.name, "network": spec.summary, **counts, "trained": is_trained}


def report(
    model: Annotated[
        str | None, typer.Argument(help="Model name; `hw-amc models` lists them.", metavar="MODEL")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", help="Two models, or report.json files, side by side.", metavar="A B"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="HTML file of the comparison; in A's build folder by default.")
    ] = None,
) -> None:
    """Write report.md and report.html anew from report.json, and print the summary; or compare two models."""
    from hw_amc import report as reports
    from hw_amc.workspace import Workspace

    if (model is None) == (compare is None):
        raise ConfigError("report takes a model, or --compare and two")
    if compare is not None:
        _compare(compare, output)
        return
    if output is not None:
        raise ConfigError("--output belongs to --compare; the pages lie in the build folder")
    workspace = Workspace.open(str(model))
    _, page = reports.write_pages(workspace.build, workspace.model, workspace.folder)
    found = reports.load(workspace.build)
    reports.print_summary(printer.tables, found)
    printer.result(found)
    printer.done(shown(page))


def _compare(names: tuple[str, str], output: Path | None) -> None:
    from hw_amc import report as reports

    left, right = map(reports.load_side, names)
    path = output or left.folder / f"compare-{right.title}.html"
    document = reports.write_comparison(left, right, path)
    reports.print_comparison(printer.tables, document)
    printer.result(reports.to_json(left, right))
    printer.done(shown(path))
