"""What a page says, apart from how it is written: chapters of paragraphs, tables and pictures.

`chapters` and `compare` fill these from report.json; `html`, `markdown` and `terminal` write them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One entry of a table; `kind` stands by every figure."""

    text: str
    kind: str = ""
    #: Share of a budget, 0..100 and more: drawn as a bar in HTML.
    bar: float | None = None
    #: File beside the page that the text stands for.
    href: str = ""
    #: Whether the figure is better (True) or worse than what it is compared with.
    better: bool | None = None


@dataclass(frozen=True)
class Table:
    """Rows under a heading; where all figures are of one kind, the caption says it once."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    #: Row that stands for the sum of the others.
    total: tuple[Cell, ...] | None = None

    @property
    def kind(self) -> str:
        """The one kind of all figures, empty where they differ."""
        kinds = set(self.column_kinds) - {""}
        return kinds.pop() if len(kinds) == 1 and self.column_kinds.count("mixed") == 0 else ""

    @cached_property
    def column_kinds(self) -> list[str]:
        """By column: the one kind of its figures, empty where it has none, `mixed` where they differ."""
        rows = [*self.rows, *([self.total] if self.total else [])]
        kinds = [{row[index].kind for row in rows} - {""} for index in range(len(self.heads))]
        return [next(iter(found), "") if len(found) < 2 else "mixed" for found in kinds]


@dataclass(frozen=True)
class Picture:
    """A plot as SVG text."""

    name: str
    svg: str
    #: The same in words, for readers who cannot see it.
    alt: str
    caption: str = ""
    #: The same for a screen of the width of a phone; empty where one fits both.
    narrow: str = ""


@dataclass(frozen=True)
class Fact:
    """One figure of the head of the page."""

    value: str
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands under it, in order: paragraphs (str), tables and pictures."""

    title: str
    parts: tuple[str | Table | Picture, ...]

    @property
    def anchor(self) -> str:
        """Name of the heading, for the contents."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "chapter"


@dataclass(frozen=True)
class Document:
    """A whole page."""

    title: str
    subtitle: str
    #: What a reader came for, in a sentence or two, and its figures.
    answer: str
    lead: tuple[Fact, ...]
    #: The verdict in one sentence, whether it is good (None: nothing was compared), and what it rests on.
    verdict: str
    good: bool | None
    proofs: tuple[str, ...]
    #: What was not run or is not shown, and why.
    left_open: tuple[str, ...]
    facts: tuple[Fact, ...]
    chapters: tuple[Chapter, ...]


def number(value: Any) -> str:
    """Write a number for people: whole ones with separators, others to three or four digits that count."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 4)}f}"


def short(value: float) -> str:
    """Write a count with a k or M in front of its unit: `8.2 k`, `24.7 M`; small ones as they are, a space behind."""
    for power, prefix in ((1e6, "M"), (1e3, "k")):
        if value >= power:
            return f"{value / power:.1f} {prefix}"
    return f"{number(value)} "


def percent(fraction: float) -> str:
    """Write a fraction 0..1 in percent."""
    return f"{100 * fraction:.1f} %"


def duration(seconds: float) -> str:
    """Write seconds, or minutes and hours where there are many."""
    if seconds < 120:
        return f"{number(round(seconds, 2))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def kind_of(item: dict[str, Any], key: str) -> str:
    """Return the kind of one figure of an innermost object of the report."""
    kind = item.get("kind", "")
    return str(kind.get(key, "")) if isinstance(kind, dict) else str(kind)


def figure(item: dict[str, Any], key: str, suffix: str = "") -> Cell:
    """Return the cell of one figure, an empty one where the report has none."""
    if key not in item:
        return Cell("")
    return Cell(number(item[key]) + suffix, kind_of(item, key))


def listed(words: Iterable[str]) -> str:
    """Join words as in `a, b and c`."""
    *rest, last = list(words)
    return f"{', '.join(rest)} and {last}" if rest else last
