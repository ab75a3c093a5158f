"""A Document as Markdown; pictures are files beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from hw_amc.report.document import Cell, Document, Picture, Table
from hw_amc.report.schema import MOST_CHARACTERS
from hw_amc.text import plain


def emit_markdown(document: Document, folder: str) -> str:
    """Write `document` as Markdown text.

    Parameters
    ----------
    document : Document
    folder : str
        Where the pictures lie, relative to the page: `folder`/`name`.svg.
    """
    lines = [f"# {_escape(document.title)}", ""]
    if document.subtitle:
        lines += [_escape(document.subtitle), ""]
    if document.answer:
        lines += [_escape(document.answer), ""]
    if document.verdict:
        lines += [f"**{_escape(document.verdict)}**", ""]
    if points := (*document.proofs, *document.left_open):
        lines += [*(f"- {_escape(line)}" for line in points), ""]
    if facts := (*document.lead, *document.facts):
        rows = tuple((Cell(fact.label), Cell(fact.value, fact.kind)) for fact in facts)
        lines += _table(Table(("Figure", "Value"), rows))
    for chapter in document.chapters:
        lines += [f"## {_escape(chapter.title)}", ""]
        for part in chapter.parts:
            if isinstance(part, str):
                lines += [_escape(part), ""]
            elif isinstance(part, Picture):
                lines += [f"![{_escape(part.alt)}]({folder}/{part.name}.svg)", ""]
                lines += [f"*{_escape(part.caption)}*", ""] if part.caption else []
            else:
                lines += _table(part)
    lines.append(
        "Kinds of figures: m(easured) by running it, e(stimated) by a formula or an assumed clock, p(ublished)."
    )
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    rows = [*table.rows, *([table.total] if table.total else [])]
    one = ["" if table.kind or kind == "mixed" else kind for kind in table.column_kinds]
    heads = [f"{head} ({kind})" if kind else head for head, kind in zip(table.heads, one, strict=True)]
    lines = [_line(heads), "|" + " --- |" * len(heads)]
    for row in rows:
        cells = zip(row, table.column_kinds, strict=True)
        texts = [f"{cell.text} ({cell.kind})" if kind == "mixed" and cell.kind else cell.text for cell, kind in cells]
        shown = [f"**{text}**" if row is table.total and text else text for text in map(_escape, texts)]
        links = [f"[{text}]({quote(cell.href)})" if cell.href else text for text, cell in zip(shown, row, strict=True)]
        lines.append("| " + " | ".join(links) + " |")
    caption = ", ".join(part for part in (table.caption, table.kind) if part)
    return [*lines, "", *([f"*{_escape(caption)}*", ""] if caption else [])]


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escape, texts)) + " |"


def _escape(text: str) -> str:
    """Escape what Markdown or the HTML in it would take for its own."""
    return re.sub(r"([|<>\\`\[\]])", r"\\\1", plain(text, limit=MOST_CHARACTERS))
