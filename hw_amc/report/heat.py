"""Heat maps as SVG text of our own: confusion matrices, classes over SNR. A cell that is pointed at tells its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from hw_amc.report.drawing import FONT
from hw_amc.style import BLUE, GRID, INK, MUTED, dark_rules
from hw_amc.text import plain

#: Letters of a name in a picture.
NAME_LIMIT = 28
#: Width of a letter, and what lies between panels, in pixels.
_LETTER, _GAP = 7.2, 18
#: Shares below are not drawn.
_LEAST = 0.005


@dataclass(frozen=True)
class Panel:
    """One map: shares (0..1) of rows and columns, not a number where there is none."""

    title: str
    shares: NDArray[np.float64]
    columns: Sequence[str]


@dataclass(frozen=True)
class Axes:
    """What the panels have in common."""

    rows: Sequence[str]
    row_name: str
    column_name: str
    #: Whether the names of the columns stand upright, and how many of them have room: every first, every second.
    upright: bool = True
    every: int = 1
    #: Width and height of a cell in pixels.
    cell: tuple[float, float] = (14, 14)


def confusion(matrices: dict[int, NDArray[np.float64]], classes: Sequence[str], title: str = "{} dB") -> str:
    """Confusion matrices side by side: rows are the sent class, each row sums to 1; `title` takes the SNR."""
    side = min(max(13.5, 190 / len(classes)), 34.0)
    panels = [Panel(title.format(snr), matrices[snr], classes) for snr in sorted(matrices)]
    return _draw(panels, Axes(classes, "sent", "recognised as", cell=(side, side)))


def classes_by_snr(shares: NDArray[np.float64], classes: Sequence[str], snrs: Sequence[int]) -> str:
    """Accuracy (0..1) of each class (rows) at each SNR in dB (columns); not a number where there was no frame."""
    width = min(max(20.0, 780 / len(snrs)), 60.0)
    every = 1 if width > 24 else 2
    axes = Axes(classes, "", "signal-to-noise ratio, dB", upright=False, every=every, cell=(width, 18))
    return _draw([Panel("", shares, [f"{snr} dB" for snr in snrs])], axes)


def _draw(panels: Sequence[Panel], axes: Axes) -> str:
    left = 26 + _LETTER * max(map(_letters, axes.rows), default=0)
    top = 22 if any(panel.title for panel in panels) else 4
    wide, high = axes.cell
    bottom = top + high * len(axes.rows)
    names = _LETTER * max(_letters(name) for panel in panels for name in panel.columns) if axes.upright else 12
    width = left + sum(wide * len(panel.columns) + _GAP for panel in panels) + 14
    width, height = max(width, left + 200), bottom + names + 44
    parts, x = [_text(left - 6, top + high * (row + 0.5) + 3, name, "end") for row, name in enumerate(axes.rows)], left
    if axes.row_name:
        parts.append(_text(10, (top + bottom) / 2, axes.row_name, "middle", INK, -90))
    for panel in panels:
        parts += _panel(panel, axes, x, top)
        middle = x + wide * len(panel.columns) / 2
        parts.append(_text(middle, bottom + names + 20, axes.column_name, "middle", INK))
        x += wide * len(panel.columns) + _GAP
    parts += _scale(left, height - 12)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{FONT}" font-size="11"><style>{dark_rules()}</style>'
        f"{''.join(parts)}</svg>\n"
    )


def _panel(panel: Panel, axes: Axes, x: float, y: float) -> list[str]:
    wide, high = axes.cell
    rows, columns = panel.shares.shape
    frame = f'x="{x:g}" y="{y:g}" width="{wide * columns:g}" height="{high * rows:g}"'
    parts = [f'<rect {frame} style="fill: {BLUE}" fill-opacity="0.04"/>']
    for row, column in np.argwhere(np.nan_to_num(panel.shares) >= _LEAST).tolist():
        share = float(panel.shares[row, column])
        place = (
            f'x="{x + wide * column:.1f}" y="{y + high * row:.1f}" width="{wide - 0.5:.1f}" height="{high - 0.5:.1f}"'
        )
        told = " ".join(filter(None, (axes.rows[row], panel.columns[column], panel.title)))
        hint = escape(f"{plain(told)}: {100 * share:.1f} %")
        look = f'style="fill: {BLUE}" fill-opacity="{max(share, 0.06):.2f}"'
        parts.append(f"<rect {place} {look}><title>{hint}</title></rect>")
    if panel.title:
        parts.append(_text(x + wide * columns / 2, y - 9, panel.title, "middle", INK))
    for column, name in enumerate(panel.columns):
        middle = x + wide * (column + 0.5)
        below = y + high * rows
        if axes.upright:
            parts.append(_text(middle + 3, below + 6, name, "end", turn=-90))
        elif column % axes.every == 0:
            parts.append(_text(middle, below + 14, name.removesuffix(" dB"), "middle"))
    return parts


def _scale(x: float, y: float) -> list[str]:
    """What the shades mean."""
    steps = [
        f'<rect x="{x + 26 + 22 * at:g}" y="{y - 9:g}" width="22" height="10" style="fill: {BLUE}; stroke: {GRID}" '
        f'fill-opacity="{share:g}"/>'
        for at, share in enumerate((0.05, 0.25, 0.5, 0.75, 1.0))
    ]
    return [_text(x, y, "0 %", "start"), *steps, _text(x + 142, y, "100 %", "start")]


def _text(x: float, y: float, text: str, anchor: str, color: str = MUTED, turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    line = escape(plain(text, limit=NAME_LIMIT)) if text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned} style="fill: {color}">{line}</text>'


def _letters(name: str) -> int:
    return min(len(name), NAME_LIMIT)
