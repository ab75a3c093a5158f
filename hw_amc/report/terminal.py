"""The report in the terminal: verdict and tables by Rich."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hw_amc.report.document import Cell, Document, Table
from hw_amc.report.power import power_sentence, power_table, rank_table
from hw_amc.report.tables import layer_table, proof_table, resource_table, sweep_table, verdict
from hw_amc.text import plain

if TYPE_CHECKING:
    from rich.console import Console

    from hw_amc.rtl import RateEstimate

_MOODS = {True: "green", False: "red", None: "yellow"}
_BETTER: dict[bool | None, str] = {True: "green", False: "red"}
_COLORS = {"measured": "", "estimated": "yellow", "published": "magenta"}


def print_summary(console: Console, report: dict[str, Any]) -> None:
    """Print the verdict, what was not run, and the tables of comparisons, layers and resources.

    Parameters
    ----------
    console : rich.console.Console
    report : dict
        Content of report.json, as `load` and `merge` return it.
    """
    sentence, good = verdict(report)
    console.print(plain(sentence), style=f"bold {_MOODS[good]}", markup=False, highlight=False)
    for name, item in report.get("not_run", {}).items():
        console.print(plain(f"not run: {name}: {item['reason']}"), style="dim", markup=False, highlight=False)
    tables = (("Comparisons", proof_table), ("Layers", layer_table), ("Resources", resource_table))
    for title, build in tables:
        table = build(report)
        if table is not None:
            _print(console, title, table)


def print_comparison(console: Console, document: Document) -> None:
    """Print the page that compares two models: what it says first, and its tables."""
    console.print(plain(document.answer), style="bold", markup=False, highlight=False)
    for line in document.left_open:
        console.print(plain(line), style="yellow", markup=False, highlight=False)
    for chapter in document.chapters:
        for part in chapter.parts:
            if isinstance(part, Table):
                _print(console, chapter.title, part)


def print_estimate(console: Console, report: dict[str, Any]) -> None:
    """Print the estimate as set, layer by layer, and the whole at other reuse factors."""
    for title, build in (("Layers as set", layer_table), ("Every layer at its largest legal factor", sweep_table)):
        table = build(report)
        if table is not None:
            _print(console, title, table)


def print_rates(console: Console, title: str, rows: Sequence[RateEstimate], chosen: int) -> None:
    """Print what the accelerator costs at each R and how fast it is; the chosen R has a mark."""
    heads = ("R", "K", "cycles/frame", "frames/s", "LUT", "FF", "DSP", "BRAM36", "CARRY4", "fits")
    cells = []
    for row in rows:
        speed = (row.contexts, row.cycles_per_frame, row.frames_per_s)
        used = (row.cost.lut, row.cost.ff, row.cost.dsp, row.cost.bram36, row.cost.carry)
        figures = [Cell(f"{figure:,.0f}", "estimated") for figure in (*speed, *used)]
        name = f"{row.cycles_per_step}{' *' if row.cycles_per_step == chosen else ''}"
        cells.append((Cell(name), *figures, Cell("yes" if row.fits else "no")))
    _print(console, title, Table(heads, tuple(cells)))


def print_synthesis(console: Console, section: dict[str, Any]) -> None:
    """Print a section of `synth`: the whole beside board and estimate, and each block where they were counted."""
    whole = [
        (name, section[name], share, section["estimated"][name], section["error_percent"].get(name, 0))
        for name, share in section["percent"].items()
    ]
    heads: tuple[str, ...] = ("resource", "counted", "of the part, %", "estimated", "estimate off by, %")
    _print(console, f"{section['part']}, R = {section['R']}, lanes: {section['lanes']}", _measured(heads, whole))
    if "arrival_ns" in section:
        console.print(f"longest path through cells, without wires: {section['arrival_ns']:g} ns (estimated)")
    if blocks := section.get("blocks"):
        keys = ("name", "lut", "estimated_lut", "ff", "estimated_ff", "dsp", "bram36", "carry")
        rows = [tuple(block[key] for key in keys) for block in blocks]
        heads = ("block", "LUT", "estimated", "FF", "estimated", "DSP", "BRAM36", "CARRY4")
        _print(console, "Blocks", _measured(heads, rows))
    if routed := section.get("routed"):
        columns = ("name", "fmax_mhz", "lut", "ff", "dsp", "bram")
        rows = [tuple(block.get(column, "-") for column in columns) for block in routed]
        heads = ("block", "routed MHz", "LUT4", "FF", "18 x 18", "18 Kbit")
        _print(console, "Placed and routed on an ECP5-85F, speed grade 6", _measured(heads, rows))


def print_power(console: Console, section: dict[str, Any]) -> None:
    """Print a section of `power`: each block, the whole, and each R that was compared."""
    title = f"{section['part']}, R = {section['R']}, {section['clock_mhz']:g} MHz (assumed): µJ a frame, of one lane"
    _print(console, title, power_table(section))
    console.print(plain(power_sentence(section)), markup=False, highlight=False)
    if (ranked := rank_table(section)) is not None:
        _print(console, "Least energy first", ranked)


def _measured(heads: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> Table:
    """Figures that were counted, but for the columns headed as estimated."""
    kinds = ["estimated" if head.startswith("estimate") else "measured" for head in heads]
    return Table(heads, tuple(tuple(map(_cell, row, kinds)) for row in rows))


def _cell(value: Any, kind: str) -> Cell:
    return Cell(value) if isinstance(value, str) else Cell(f"{value:,}", kind)


def _print(console: Console, title: str, table: Table) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    caption = f"all figures {table.kind}" if table.kind else "yellow: estimated, magenta: published, others measured"
    shown = RichTable(
        title=Text(plain(title)), caption=caption, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left"
    )
    for index, head in enumerate(table.heads):
        shown.add_column(Text(plain(head)), justify="left" if index == 0 or head == "Command" else "right")
    rows = [*table.rows, *([table.total] if table.total else [])]
    for row in rows:
        style = "bold" if row is table.total else None
        texts = [Text(plain(cell.text), style=_BETTER.get(cell.better, _COLORS.get(cell.kind, ""))) for cell in row]
        shown.add_row(*texts, style=style)
    console.print(shown)
