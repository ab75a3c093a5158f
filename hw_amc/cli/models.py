"""The commands that begin, bring a model in and show what there is: new, init, models, report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hw_amc import extras
from hw_amc.cli.common import complete_model
from hw_amc.cli.options import Board, Context, Markdown, command_of
from hw_amc.cli.output import printer
from hw_amc.errors import ConfigError
from hw_amc.text import shown

if TYPE_CHECKING:
    from hw_amc.flows.catalogue import Entry
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
        (each.shown, each.operation, " x ".join(map(str, each.shape)), each.format, shown_sqnr(each.sqnr_db))
        for each in outcome.layers
    ]
    heads = ("layer", "operation", "shape", "format", "SQNR, dB (measured)")
    printer.table(heads, rows, f"{outcome.graph.name}  {outcome.graph.digest()[:16]}")
    printer.result({"model": outcome.graph.name, "digest": outcome.graph.digest(), "folder": outcome.folder})
    printer.result(
        {
            "layers": [
                {"layer": each.name, "operation": each.operation, "shape": row[2], "format": each.format}
                for each, row in zip(outcome.layers, rows, strict=True)
            ]
        }
    )
    printer.done(shown(outcome.folder))
    if outcome.no_hls is None:
        printer.line(f"next: make hls MODEL={outcome.graph.name}")
    else:
        printer.warning(f"the HLS flow does not have all of its layers yet: {outcome.no_hls}")


#: Columns of a terminal from which on the table of all models has room for what a network is.
_WIDE = 110


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Tell all of these; every model in a line by default.", autocompletion=complete_model),
    ] = None,
    reach: Annotated[
        bool,
        typer.Option("--reach", help="How far each goes: golden, C-sim, RTL, boards; minutes, then from the cache."),
    ] = False,
    markdown: Markdown = False,
) -> None:
    """List the models: sizes, what is measured here, what was published, and with --reach how far each goes."""
    from hw_amc.flows.catalogue import list_networks
    from hw_amc.workspace import trained_models

    entries = list_networks(names or [], trained_models())
    if reach:
        entries = [_with_reach(entry) for entry in printer.track(entries, "how far each goes")]
    if names and not markdown:
        for entry in entries:
            printer.table(("", entry.spec.name), [(name, text) for name, text in _sheet(entry).items() if text])
    else:
        _print_all(entries, markdown)
    printer.result({"models": [entry.facts() for entry in entries]})


def _with_reach(entry: Entry) -> Entry:
    from hw_amc.flows.reach import find_reach

    if entry.state != "trained":
        extras.require("tensorflow")
    return dataclasses.replace(entry, reach=find_reach(entry.spec, entry.state == "trained"))


def _sheet(entry: Entry) -> dict[str, str]:
    """All that is known of a network, by what it is; empty where it is not known."""
    spec, reach = entry.spec, entry.reach
    found = {
        "network": spec.summary,
        "source": spec.source,
        "frames": f"{spec.frame[0]:,} samples, {' + '.join(map(str, spec.outputs))} classes",
        "parameters": _parameters(spec),
        "MACs": f"{spec.macs:,} a frame",
        "memory": f"{_memory(entry)} of weights ({'measured' if entry.is_counted else 'estimated'})",
        "training": _STATES[entry.state].format(spec.name),
        "accuracy": f"{text} (measured, all SNRs of generated frames)" if (text := _accuracy(entry)) else "",
        "published": f"{text} (published, {spec.published.source})" if spec.published and (text := str(spec.published))
        else "",
        "not reproduced": spec.differs,
    }  # fmt: skip
    if reach is not None:
        found |= {"golden": reach.golden, "C-sim": reach.csim, "RTL": reach.rtl}
        found["boards"] = ", ".join(reach.boards) or "none (estimated, HLS)"
    return found


#: What is said of a network's training.
_STATES = {
    "trained": "weights are here",
    "measured": "its weights are not kept; make them again: hw-amc train {}",
    "recipe": "not trained; hw-amc train {}",
    "": "not trained; write a train.toml (docs/guides/training.md)",
}


def _print_all(entries: list[Entry], markdown: bool) -> None:
    wide = printer.console.width >= _WIDE
    rows = [_page_row(entry) if markdown else _row(entry, wide) for entry in entries]
    printer.table(tuple(rows[0]), [tuple(row.values()) for row in rows], markdown=markdown)
    if entries[0].reach is not None:
        heads = ("model", "golden", "C-sim", "RTL", "boards (HLS, estimated)")
        printer.table(heads, map(_reach_row, entries), markdown=markdown)
    if not markdown:
        printer.line("memory: of the weights, ~ estimated; accuracy: measured, all SNRs; paper: published, real data")
        printer.line("next: hw-amc models MODEL, for all that is known of one")


def _row(entry: Entry, wide: bool) -> dict[str, str]:
    """A line of the table of all models; narrow ones fit 80 columns."""
    spec = entry.spec
    average = spec.published.average_percent if spec.published else None
    return {
        "model": spec.name,
        **({"network": spec.summary} if wide else {}),
        "parameters": f"{spec.nonzeros:,}",
        "MACs": f"{spec.macs / 1e6:.2f} M",
        "memory": _memory(entry),
        "accuracy": _accuracy(entry),
        "paper": "" if average is None else f"{average:.2f} %",
    }


def _page_row(entry: Entry) -> dict[str, str]:
    """A line of the table in docs/models.md, of what no training changes."""
    spec, figures = entry.spec, entry.spec.published
    return {
        "network": f"`{spec.name}`",
        "source": spec.source,
        "frames, classes": f"{spec.frame[0]}, {' + '.join(map(str, spec.outputs))}",
        "parameters": _parameters(spec),
        "MACs": f"{spec.macs / 1e6:.2f} M",
        "published": f"{figures} ({figures.source})" if figures else "",
        "not reproduced": spec.differs,
    }


def _reach_row(entry: Entry) -> tuple[str, ...]:
    reach = entry.reach
    assert reach is not None
    return (entry.spec.name, reach.golden, reach.csim, reach.rtl, ", ".join(reach.boards))


def _parameters(spec: NetworkSpec) -> str:
    return f"{spec.nonzeros:,}" if not spec.sparsity else f"{spec.nonzeros:,} of {spec.parameters:,}"


def _memory(entry: Entry) -> str:
    size = entry.memory_bytes / 1e3
    return f"{'' if entry.is_counted else '~'}" + (f"{size:.1f} kB" if size < 1e3 else f"{size / 1e3:.1f} MB")


def _accuracy(entry: Entry) -> str:
    return "" if entry.accuracy is None else f"{100 * entry.accuracy['average']:.2f} %"


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
