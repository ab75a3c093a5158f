"""Plots of the report as SVG text; every label is drawn as paths, so that a page looks the same everywhere."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hw_amc.style import BLUE, MUTED, ORANGE, PAPER, RED, SERIES, STYLE, TEAL, dark_rules
from hw_amc.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Characters of a name in a picture.
NAME_LIMIT = 40

#: Margins of a plot, in inches: room for numbers of seven digits and a name.
_LEFT, _RIGHT, _BOTTOM = 0.82, 0.14, 0.5

_BOUND = "no classifier is better (average likelihood)"


@dataclass(frozen=True)
class Curves:
    """Accuracy (0..1) by SNR in dB."""

    own: dict[int, float]
    #: Of each head by name, where there are several.
    heads: dict[str, dict[int, float]]
    #: Points of others, on another data set.
    published: dict[int, float]
    #: What no classifier passes on the same frames.
    bound: dict[int, float] | None
    #: Classes of the one head, for what chance gives; 0 leaves it out.
    classes: int


def accuracy(curves: Curves) -> str:
    """Accuracy against SNR, with chance and the bound; published points stand apart."""
    with _figure(8.2, 3.7) as (figure, axes):
        snrs = sorted(curves.own)
        axes.axvspan(10, max(snrs[-1], 10), color=BLUE, alpha=0.06, lw=0)
        name = "every head" if curves.heads else "this network"
        axes.plot(*_points(curves.own), "-o", color=BLUE, ms=4.5, lw=2, label=name)
        for color, (head, values) in zip(SERIES[1:], curves.heads.items(), strict=False):
            axes.plot(*_points(values), "-o", color=color, ms=3.5, lw=1.4, label=_label(head))
        if curves.classes:
            axes.axhline(100 / curves.classes, color=MUTED, lw=1, ls=(0, (2, 3)))
            axes.text(snrs[-1], 100 / curves.classes + 1.2, "chance", color=MUTED, fontsize=8.5, ha="right")
        if curves.bound:
            axes.plot(*_points(curves.bound), "--", color=TEAL, lw=1.6, label=_BOUND)
        if curves.published:
            marks = {"mfc": PAPER, "mec": ORANGE, "mew": 1.8, "ms": 7}
            axes.plot(*_points(curves.published), "D", label="published, real data", **marks)
        if snrs[-1] > 10:
            axes.text(snrs[-1], 12, "SNR ≥ 10 dB", color=BLUE, ha="right", fontsize=8.5)
        axes.set(xlabel="signal-to-noise ratio, dB", ylabel="top-1 accuracy, %", ylim=(0, 102))
        axes.set_xticks([snr for snr in range(-20, 31, 5) if snrs[0] <= snr <= snrs[-1]])
        axes.margins(x=0.02)
        axes.legend(loc="upper left")
        return _svg(figure)


def _points(by_snr: dict[int, float]) -> tuple[list[int], list[float]]:
    snrs = sorted(by_snr)
    return snrs, [100 * by_snr[snr] for snr in snrs]


def _label(text: str) -> str:
    """Show words of whatever origin: as one line, a dollar as a dollar."""
    return plain(text, limit=NAME_LIMIT).replace("$", r"\$")


@dataclass(frozen=True)
class Sweep:
    """LUTs and speed of an accelerator over R."""

    R: Sequence[int]
    #: Share of the board, percent.
    lut_percent: Sequence[float]
    frames_per_s: Sequence[float]
    fits: Sequence[bool]
    #: R that is built, None where none is.
    built: int | None
    #: R -> share of the LUTs, percent, that synthesis counted.
    counted: dict[int, float]


def rates(sweep: Sweep) -> str:
    """Two panels over R: the share of the board's LUTs, with its limit, and frames per second."""
    with _figure(8.6, 3.5, 2) as (figure, (left, right)):
        for axes, values in ((left, sweep.lut_percent), (right, sweep.frames_per_s)):
            axes.plot(sweep.R, values, "-", color=BLUE, lw=1.6)
            for R, value, fits in zip(sweep.R, values, sweep.fits, strict=True):
                axes.plot([R], [value], "o", ms=5, mec=BLUE, mfc=BLUE if fits else PAPER, mew=1.4)
                if sweep.built == R:
                    axes.plot([R], [value], "o", ms=11, mec=ORANGE, mfc="none", mew=1.6)
                    axes.annotate(
                        f"R = {R}", (R, value), (8, 8), textcoords="offset points", color=ORANGE, fontsize=8.5
                    )
            axes.set(xlabel="R, clock cycles per sample", xscale="log", ylim=(0, 1.12 * max([*values, 1.0])))
            axes.set_xticks(*_marks(sweep.R))
            axes.minorticks_off()
        left.set_ylabel("LUTs, % of the board")
        left.set_ylim(0, 1.12 * max([*sweep.lut_percent, *sweep.counted.values(), 105.0]))
        left.axhline(100, color=RED, lw=1.2, ls=(0, (4, 3)))
        left.annotate("board full", (sweep.R[-1], 100), (0, 4), textcoords="offset points", ha="right", color=RED)
        left.plot(
            list(sweep.counted), list(sweep.counted.values()), "D", ms=6, color=TEAL, label="counted by synthesis"
        )
        if sweep.counted:
            left.legend(loc="upper right", bbox_to_anchor=(1.0, 0.8), fontsize=8.5)
        right.set_ylabel("frames/s, estimated")
        right.yaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
        return _svg(figure)


def accuracies(curves: dict[str, dict[int, float]]) -> str:
    """Accuracy (0..1) over SNR in dB of several models."""
    with _figure(8.2, 3.7) as (figure, axes):
        for color, (name, values) in zip(SERIES, curves.items(), strict=False):
            axes.plot(*_points(values), "-o", color=color, ms=4, lw=1.8, label=_label(name))
        axes.set(xlabel="signal-to-noise ratio, dB", ylabel="top-1 accuracy, %", ylim=(0, 102))
        axes.margins(x=0.02)
        axes.legend(loc="upper left")
        return _svg(figure)


def cost_of_speed(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """LUTs in percent of the board over frames/s, of several models: (frames/s, LUTs) by name."""
    with _figure(8.2, 3.5) as (figure, axes):
        for color, (name, (speeds, luts)) in zip(SERIES, curves.items(), strict=False):
            axes.plot(speeds, luts, "-o", color=color, ms=4.5, lw=1.8, label=_label(name))
        axes.axhline(100, color=RED, lw=1.2, ls=(0, (4, 3)))
        fastest = max(max(speeds) for speeds, _ in curves.values())
        axes.annotate("board full", (fastest, 100), (0, 4), textcoords="offset points", ha="right", color=RED)
        axes.set(xlabel="frames/s, estimated", ylabel="LUTs, % of the board", xscale="log", ylim=(0, None))
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
        axes.legend(loc="upper left")
        return _svg(figure)


def trade(reuse: Sequence[int], cycles: Sequence[float], shares: dict[str, Sequence[float]]) -> str:
    """Two panels over the reuse factor: cycles per frame, and the share of the board that each resource takes.

    A share of zero has no place on a logarithmic axis: its point is left out.
    """
    with _figure(8.6, 3.5, 2) as (figure, (left, right)):
        left.plot(reuse, cycles, "-o", color=BLUE, ms=4.5, lw=2)
        left.set(xlabel="reuse factor", ylabel="cycles per frame", xscale="log", yscale="log")
        for color, (name, values) in zip(SERIES, shares.items(), strict=False):
            right.plot(reuse, [value or math.nan for value in values], "-o", color=color, ms=4, lw=1.8, label=name)
        right.axhline(100, color=RED, lw=1.2, ls=(0, (4, 3)))
        right.annotate("board full", (reuse[-1], 100), (0, 4), textcoords="offset points", ha="right", color=RED)
        right.set(xlabel="reuse factor", ylabel="share of the board, %", xscale="log", yscale="log")
        if shares:
            right.legend(loc="upper right", fontsize=8.5)
        used = [value for group in shares.values() for value in group if value] or [100.0]
        for axes, values in ((left, cycles), (right, used)):
            axes.set_xticks(*_marks(reuse))
            axes.set_yticks(*_marks(_one_two_five(min(values), max(values))))
            axes.minorticks_off()
        return _svg(figure)


def shares(groups: dict[str, dict[str, float]]) -> str:
    """Bars of the board's budget in percent: one group a resource, one colour a source."""
    resources = list(dict.fromkeys(name for group in groups.values() for name in group))
    height = 0.8 / len(groups)
    with _figure(8.2, 0.75 + 0.62 * len(resources)) as (figure, axes):
        most = max(value for group in groups.values() for value in group.values())
        for index, (color, (label, group)) in enumerate(zip(SERIES, groups.items(), strict=False)):
            places = [resources.index(name) + (index - (len(groups) - 1) / 2) * height for name in group]
            axes.barh(places, list(group.values()), height * 0.88, color=color, label=_label(label))
            for place, value in zip(places, group.values(), strict=True):
                axes.text(value + most * 0.008, place, f"{value:.1f} %", va="center", fontsize=8.5)
        axes.axvline(100, color=RED, lw=1.2, ls=(0, (4, 3)))
        axes.set_yticks(range(len(resources)), [name.upper() for name in resources])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="share of the board's budget, %", xlim=(0, max(112.0, most * 1.1)))
        axes.legend(loc="lower right", frameon=True, facecolor=PAPER, edgecolor="none", framealpha=0.85)
        return _svg(figure)


def _marks(values: Sequence[float]) -> tuple[list[float], list[str]]:
    """Ticks of a logarithmic axis and their labels, none where it would touch the one before."""
    last, labels = 0.0, []
    for value in values:
        labels.append(f"{value:,.6g}" if value >= 1.6 * last else "")
        last = value if labels[-1] else last
    return list(values), labels


def _one_two_five(low: float, high: float) -> list[float]:
    """Powers of ten with their doubles and fives, from the last one below `low` to the first above `high`."""
    start, end = math.floor(math.log10(low)), math.ceil(math.log10(high))
    grid = [step * 10.0**power for power in range(start, end + 1) for step in (1, 2, 5)]
    below = max((value for value in grid if value <= low), default=grid[0])
    above = min((value for value in grid if value >= high), default=grid[-1])
    return [value for value in grid if below <= value <= above]


@contextmanager
def _figure(width: float, height: float, columns: int = 1) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure in the report's style, drawn off screen, and its axes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(1, columns)
        # Margins that hold our labels: to have them worked out takes a third of the time of a picture.
        gap = _LEFT + _RIGHT
        inside = (width - gap - (columns - 1) * gap) / columns
        figure.subplots_adjust(
            _LEFT / width, _BOTTOM / height, 1 - _RIGHT / width, 1 - _RIGHT / height, wspace=gap / inside
        )
        yield figure, axes


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return stream.getvalue().replace("</style>", f"{dark_rules()}</style>", 1)
