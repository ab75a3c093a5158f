"""The command that says in which range of levels a model keeps its accuracy: level."""

from __future__ import annotations

from typing import Annotated

import typer

from hw_amc.cli.options import Context, Model, command_of
from hw_amc.cli.output import printer
from hw_amc.text import shown


def level(
    context: Context,
    model: Model,
    frames: Annotated[int, typer.Option(help="Generated frames of each class, of 10 dB SNR and more.", min=1)] = 20,
    keep: Annotated[bool, typer.Option("--keep", help="Write it into accuracy.json and MODEL_CARD.md.")] = False,
) -> None:
    """Measure by golden how far frames may be from the level of training, louder and softer."""
    from hw_amc.flows.level import keep_gains, measure_gains
    from hw_amc.flows.rtl import RtlFlow, RtlOptions

    flow = RtlFlow.open(model, RtlOptions(), command_of(context), printer)
    found = measure_gains(flow, frames)
    columns = [found.accuracy] if found.automatic is None else [found.accuracy, found.automatic]
    rows = [(f"{gain:+g}", *(f"{100 * shares[gain]:.2f}" for shares in columns)) for gain in found.accuracy]
    titles = ("gain, dB", "accuracy, % (measured)", "behind the automatic gain")[: 1 + len(columns)]
    printer.table(titles, rows, f"{model}, {found.frames} frames")
    printer.line(found.told())
    printer.result(found.to_section())
    if keep:
        keep_gains(flow, found)
        printer.done(shown(flow.workspace.folder / "MODEL_CARD.md"))
