"""Small pieces of HTML for notebooks; whatever words go in come out as words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hw_amc.report.document import Table
from hw_amc.text import plain

#: Rows of a table at most.
MOST_ROWS = 40


def block(title: str, *parts: str) -> str:
    """Put parts under a title."""
    return f"<div><b>{words(title)}</b>{''.join(parts)}</div>"


def paragraph(text: str) -> str:
    """Write a paragraph."""
    return f"<p>{words(text)}</p>"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """Write a table; of more than `MOST_ROWS` rows the first ones, and how many there are more."""
    found = list(rows)
    caption = f"<caption>{words(title)}</caption>" if title else ""
    head = "".join(f"<th>{words(cell)}</th>" for cell in heads)
    body = "".join(_row(row) for row in found[:MOST_ROWS])
    more = f"<p>and {len(found) - MOST_ROWS:,} more</p>" if len(found) > MOST_ROWS else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def report_table(title: str, found: Table | None) -> str:
    """Write a table of the report; nothing where it has none."""
    if found is None:
        return ""
    rows = [*found.rows, *([found.total] if found.total else [])]
    kinds = found.column_kinds
    in_heads = not found.kind and "mixed" not in kinds
    heads = [f"{head} ({kind})" if in_heads and kind else head for head, kind in zip(found.heads, kinds, strict=True)]
    each = not found.kind and not in_heads
    texts = [[f"{cell.text} {cell.kind}".strip() if each else cell.text for cell in row] for row in rows]
    return table(heads, texts, f"{title} ({found.kind})" if found.kind else title)


def _row(row: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<td>{words(cell)}</td>' for cell in row)}</tr>"


def words(text: object) -> str:
    """Escape words of whatever origin."""
    return escape(plain(text))
