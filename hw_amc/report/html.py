"""A Document as one HTML file that needs nothing else: style and pictures are inside, and no script."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hw_amc import __version__
from hw_amc.report.document import Cell, Document, Picture, Table
from hw_amc.report.schema import MOST_CHARACTERS
from hw_amc.style import dark_rules
from hw_amc.text import plain


@dataclass(frozen=True)
class _Look:
    """A cell with the class that the style sheet knows."""

    text: str
    look: str = ""
    kind: str = ""
    bar: float | None = None
    href: str = ""


@dataclass(frozen=True)
class _View:
    """A table as the template writes it: a kind stands once over all, over a column, in front of a row, or by each."""

    heads: list[_Look]
    rows: list[list[_Look]]
    total: list[_Look] | None
    caption: str
    kind: str


def emit_html(document: Document) -> str:
    """Write `document` as HTML text; words of whatever origin are escaped."""
    style = files("hw_amc.report").joinpath("templates/page.css").read_text(encoding="utf-8")
    return _environment().get_template("page.html.j2").render(
        page=document, style=Markup(style + dark_rules()), version=__version__
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hw_amc.report"), autoescape=True, undefined=StrictUndefined, finalize=_plain
    )
    environment.filters.update(picture=_picture, table=_view)
    return environment


def _plain(value: Any) -> Any:
    """Make words of whatever origin printable; what is HTML already stays."""
    return value if isinstance(value, Markup) else plain(value, limit=MOST_CHARACTERS)


def _picture(picture: Picture) -> Markup:
    wide = _inline(picture.svg, picture.name, picture.alt, "wide" if picture.narrow else "plot")
    return wide + (_inline(picture.narrow, f"{picture.name}-narrow", picture.alt, "narrow") if picture.narrow else "")


def _inline(svg: str, name: str, alt: str, look: str) -> Markup:
    """Put a picture into the page: identifiers of its own, the page's style, words for who cannot see."""
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.S)
    own = re.sub(r"[^\w-]", "_", name)
    body = re.sub(r'\bid="', f'id="{own}-', body)
    body = re.sub(r'(href="|url\()#', rf"\g<1>#{own}-", body)
    opening, rest = body.split(">", 1)
    width = re.search(r'\swidth="([\d.]+)"', opening)
    size = f' style="max-width:{width[1]}px"' if width else ""
    opening = re.sub(r'\s(width|height|version|xmlns:xlink)="[^"]*"', "", opening)
    label = escape(plain(alt, limit=MOST_CHARACTERS))
    return Markup(f'{opening} class="{look}"{size} role="img" aria-label="{label}">{rest.strip()}')


def _view(table: Table) -> _View:
    words = [_is_words([row[index] for row in table.rows]) for index in range(len(table.heads))]
    in_heads = not table.kind and "mixed" not in table.column_kinds
    heads = [
        _Look(head, "word" if word else "", kind if in_heads else "")
        for head, word, kind in zip(table.heads, words, table.column_kinds, strict=True)
    ]
    rows = [_row(row, table, words) for row in table.rows]
    total = _row(table.total, table, words) if table.total else None
    return _View(heads, rows, total, table.caption, table.kind)


def _row(row: tuple[Cell, ...], table: Table, words: list[bool]) -> list[_Look]:
    """Place the kinds of a row's figures: where columns are mixed, once in front if it has one, else by each figure."""
    kinds = {cell.kind for cell in row} - {""}
    mixed = "mixed" in table.column_kinds
    once = mixed and len(kinds) == 1
    looks = []
    for cell, head, word in zip(row, table.heads, words, strict=True):
        look = {True: "better", False: "worse"}[cell.better] if cell.better is not None else "word" if word else ""
        look = "command" if head in ("Command", "By", "Digest") else look
        looks.append(_Look(cell.text, look, cell.kind if mixed and not once else "", cell.bar, cell.href))
    return [replace(looks[0], kind=kinds.pop()), *looks[1:]] if once else looks


def _is_words(cells: list[Cell]) -> bool:
    """Whether a column holds no figures."""
    return not any(cell.kind or cell.better is not None or cell.text.replace(",", "").isdigit() for cell in cells)
