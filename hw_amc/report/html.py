"""A Document as one HTML file that needs nothing else: style and pictures are inside."""

from __future__ import annotations

import base64
from html import escape

from hw_amc.report.document import Cell, Chapter, Document, Picture, Table
from hw_amc.report.schema import MOST_CHARACTERS
from hw_amc.text import plain

_STYLE = """
:root { --ink: #1f2933; --muted: #5d6975; --line: #e3e7ec; --paper: #fff; --ground: #f4f6f8;
        --blue: #2f6db5; --good: #1e7d4f; --bad: #b3312c; --estimated: #b06a10; --published: #71508f; }
* { box-sizing: border-box; }
html { color-scheme: light; }
body { margin: 0; background: var(--ground); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; letter-spacing: -.005em; }
p { max-width: 58rem; margin: 0 0 1rem; }
.subtitle { color: var(--muted); font: .85rem ui-monospace, "DejaVu Sans Mono", monospace; margin: .35rem 0 1.75rem; }
section, .verdict { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem;
                    padding: 1.5rem 1.75rem; margin: 0 0 1.25rem; }
.verdict { border-left: .4rem solid var(--muted); }
.verdict.good { border-left-color: var(--good); } .verdict.bad { border-left-color: var(--bad); }
.verdict strong { display: block; font-size: 1.3rem; line-height: 1.3; }
.verdict.good strong { color: var(--good); } .verdict.bad strong { color: var(--bad); }
.verdict ul { margin: .6rem 0 0; padding: 0; list-style: none; }
.verdict li { padding: .1rem 0 .1rem 1.5rem; position: relative; }
.verdict li::before { position: absolute; left: 0; content: "="; color: var(--good); font-weight: 700; }
.verdict.bad .proofs li::before { content: "\\00b7"; color: var(--bad); }
.verdict .open { color: var(--muted); border-top: 1px solid var(--line); padding-top: .6rem; }
.verdict .open li::before { content: "\\2013"; color: var(--muted); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 0 0 1.25rem; }
.fact { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem; }
.fact b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.fact span { color: var(--muted); font-size: .82rem; line-height: 1.35; display: block; }
.fact .kind { font-size: .68rem; margin-top: .25rem; }
figure { margin: 1rem 0 1.25rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption, .caption { color: var(--muted); font-size: .85rem; margin: .4rem 0; }
.scroll { overflow-x: auto; margin: .25rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .5rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; font-size: .78rem; vertical-align: bottom;
     border-bottom: 1.5px solid #c9d0d8; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.word, th.word { text-align: left; }
td.command { text-align: left; white-space: normal; min-width: 9rem; overflow-wrap: anywhere; font: .76rem ui-monospace,
             "DejaVu Sans Mono", monospace; color: var(--muted); }
tr.total td { font-weight: 650; border-bottom: 0; border-top: 1.5px solid #c9d0d8; }
.kind { font-size: .68rem; font-weight: 650; letter-spacing: .02em; white-space: nowrap; }
.kind.measured { color: var(--good); } .kind.estimated { color: var(--estimated); }
.kind.published { color: var(--published); }
.bar { display: block; height: .28rem; border-radius: .14rem; background: #d5e3f2; margin-top: .2rem;
       overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--blue); } .bar.over i { background: var(--bad); }
footer { color: var(--muted); font-size: .82rem; }
@media print { body { background: #fff; font-size: 11pt; } main { padding: 0; max-width: none; }
  section, .verdict, .fact { break-inside: avoid; } }
"""

_LEGEND = (
    ("measured", "seen by running it, with the command beside it"),
    ("estimated", "from a formula or an assumed clock"),
    ("published", "from somebody's paper"),
)


def emit_html(document: Document) -> str:
    """Write `document` as HTML text."""
    facts = "".join(
        f'<div class="fact"><b>{_text(fact.value)}</b><span>{_text(fact.label)}</span> {_kind(fact.kind)}</div>'
        for fact in document.facts
    )
    subtitle = f'<p class="subtitle">{_text(document.subtitle)}</p>' if document.subtitle else ""
    legend = "; ".join(f"{_kind(kind)} {text}" for kind, text in _LEGEND)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(document.title)}</title>\n<style>{_STYLE}</style></head>\n<body><main>\n"
        f"<header><h1>{_text(document.title)}</h1>{subtitle}</header>\n{_verdict(document)}\n"
        f'<div class="facts">{facts}</div>\n{"".join(map(_chapter, document.chapters))}'
        f"<footer>Every figure is one of three kinds: {legend}.</footer>\n</main></body></html>\n"
    )


def _verdict(document: Document) -> str:
    mood = {True: "good", False: "bad", None: ""}[document.good]
    proofs = "".join(f"<li>{_text(line)}</li>" for line in document.proofs)
    left_out = "".join(f"<li>Not run: {_text(line)}</li>" for line in document.not_run)
    return (
        f'<div class="verdict {mood}"><strong>{_text(document.verdict)}</strong>'
        + (f'<ul class="proofs">{proofs}</ul>' if proofs else "")
        + (f'<ul class="open">{left_out}</ul>' if left_out else "")
        + "</div>"
    )


def _chapter(chapter: Chapter) -> str:
    parts = "".join(_part(part) for part in chapter.parts)
    return f"<section><h2>{_text(chapter.title)}</h2>{parts}</section>\n"


def _part(part: str | Table | Picture) -> str:
    if isinstance(part, str):
        return f"<p>{_text(part)}</p>"
    if isinstance(part, Table):
        return _table(part)
    data = base64.b64encode(part.svg.encode()).decode()
    caption = f"<figcaption>{_text(part.caption)}</figcaption>" if part.caption else ""
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{_text(part.alt)}">{caption}</figure>'


def _table(table: Table) -> str:
    words = [_is_words([row[index] for row in table.rows]) for index in range(len(table.heads))]
    in_heads = not table.kind and "mixed" not in table.column_kinds
    heads = "".join(
        f"<th{_word(word)}>{_text(head)}{_kind(kind if in_heads else '', '<br>')}</th>"
        for head, word, kind in zip(table.heads, words, table.column_kinds, strict=True)
    )
    rows = "".join(_row(row, table, words) for row in table.rows)
    if table.total:
        rows += _row(table.total, table, words, ' class="total"')
    caption = " ".join(part for part in (_text(table.caption), _kind(table.kind)) if part)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>' + (
        f'<p class="caption">{caption}</p>' if caption else ""
    )


def _row(row: tuple[Cell, ...], table: Table, words: list[bool], attribute: str = "") -> str:
    """Write a row; where columns are mixed, its kind stands once in front if it has one, else by each figure."""
    kinds = {cell.kind for cell in row} - {""}
    mixed = "mixed" in table.column_kinds
    once = mixed and len(kinds) == 1
    cells = []
    for index, (cell, head, word) in enumerate(zip(row, table.heads, words, strict=True)):
        by_cell = mixed and not once
        kind = _kind(next(iter(kinds)) if once and index == 0 else cell.kind if by_cell else "", " ")
        style = ' class="command"' if head in ("Command", "By") else _word(word)
        cells.append(f"<td{style}>{_text(cell.text)}{kind}{_bar(cell)}</td>")
    return f"<tr{attribute}>{''.join(cells)}</tr>"


def _bar(cell: Cell) -> str:
    if cell.bar is None:
        return ""
    over = " over" if cell.bar > 100 else ""
    return f'<span class="bar{over}"><i style="width:{min(cell.bar, 100):.1f}%"></i></span>'


def _is_words(cells: list[Cell]) -> bool:
    """Whether a column holds no figures."""
    return not any(cell.kind or cell.text.replace(",", "").isdigit() for cell in cells)


def _word(is_word: bool) -> str:
    return ' class="word"' if is_word else ""


def _kind(kind: str, before: str = "") -> str:
    return f'{before}<span class="kind {_text(kind)}">{_text(kind)}</span>' if kind else ""


def _text(text: str) -> str:
    """Escape words of whatever origin for HTML."""
    return escape(plain(text, limit=MOST_CHARACTERS))
