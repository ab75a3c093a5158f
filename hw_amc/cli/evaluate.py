"""The command that judges a network on labelled frames: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from hw_amc.cli.classify import (
    AutomaticGain,
    Gain,
    InputShift,
    Normalise,
    Overlay,
    SimulatedBoard,
    print_level,
    require_one_way,
)
from hw_amc.cli.data import Format
from hw_amc.cli.options import Context, Cycles, Markdown, Model, command_of
from hw_amc.cli.output import printer
from hw_amc.parallel import processors
from hw_amc.text import shown

if TYPE_CHECKING:
    from hw_amc.flows.evaluate import Judged


def evaluate(
    context: Context,
    model: Model,
    path: Annotated[Path, typer.Argument(help="Labelled frames, of any format of `data info`.", metavar="FILE")],
    board: SimulatedBoard = None,
    overlay: Overlay = None,
    cycles: Cycles = None,
    samples: Format = None,
    gain: Gain = 1.0,
    input_shift: InputShift = None,
    normalise: Normalise = None,
    automatic_gain: AutomaticGain = False,
    markdown: Markdown = False,
) -> None:
    """Judge a model on labelled frames: accuracy by SNR and class, and what is taken for what; into the report, too."""
    from hw_amc import report
    from hw_amc.flows.classify import fit_entry, make_entry, open_classifier, open_recording
    from hw_amc.flows.evaluate import evaluate as judge
    from hw_amc.flows.rtl import RtlFlow, RtlOptions

    require_one_way(overlay, board, cycles)
    flow = RtlFlow.open(model, RtlOptions(board, cycles), command_of(context), printer)
    entry = make_entry(flow, normalise.value if normalise else None, input_shift, gain, automatic_gain)
    with (
        open_recording(flow, path, samples.value if samples else None, labelled=True) as file,
        open_classifier(flow, entry, overlay, board is not None, processors()) as classifier,
    ):
        entry = fit_entry(flow, entry, file.starts is not None)
        print_level(flow, classifier, file, entry)
        found = judge(flow, classifier, file, entry)
    for each in found:
        title = each.head if len(found) > 1 else ""
        _print_snrs(each, title, markdown)
        _print_classes(each, title, markdown)
    printer.result({"evaluation": report.load(flow.workspace.build)["evaluation"]})
    _, page = report.write_pages(flow.workspace.build, model, flow.workspace.folder)
    printer.done(shown(page))


def _print_snrs(judged: Judged, title: str, markdown: bool) -> None:
    rows: list[tuple[str, ...]] = [
        (str(snr), f"{frames:,}", f"{share:.1%}") for snr, (frames, share) in judged.by_snr().items()
    ]
    rows += [()] if rows else []
    if judged.loud_accuracy is not None:
        rows.append(("from 10", f"{np.count_nonzero(judged.snrs_db >= 10):,}", f"{judged.loud_accuracy:.1%}"))
    rows.append(("all", f"{len(judged.labels):,}", f"{judged.accuracy:.1%}"))
    printer.table(("SNR, dB", "frames", "right"), rows, title, markdown)


def _print_classes(judged: Judged, title: str, markdown: bool) -> None:
    rows = []
    for at, row in enumerate(judged.confusion()):
        if not row.any():
            continue
        wrong = np.where(np.arange(len(row)) == at, 0, row)
        most = int(wrong.argmax())
        taken = f"{judged.classes[most]} ({wrong[most] / row.sum():.1%})" if wrong[most] else ""
        rows.append((judged.classes[at], f"{row.sum():,}", f"{row[at] / row.sum():.1%}", taken))
    printer.table(("class", "frames", "right", "taken most for"), rows, title, markdown)
