"""report.md and report.html: written for people from report.json and accuracy.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hw_amc.files import load_json, write_text
from hw_amc.report.accuracy import Head
from hw_amc.report.chapters import build_document
from hw_amc.report.document import Document, Picture
from hw_amc.report.evaluation import load_accuracy
from hw_amc.report.html import emit_html
from hw_amc.report.markdown import emit_markdown
from hw_amc.report.store import load

#: Pictures of report.md, beside it.
PICTURES = "report_pictures"


def write_pages(folder: Path, title: str) -> tuple[Path, Path]:
    """Write report.md (pictures beside it) and report.html (one file, works offline) into `folder`.

    Chapters whose section report.json lacks are left out. The accuracy comes from accuracy.json in the model's
    folder, the parent of `folder`, where it exists and is of the weights there; heads and their classes from
    graph.json there.

    Parameters
    ----------
    folder : Path
        The model's build folder, with report.json.
    title : str

    Returns
    -------
    Paths of report.md and report.html.

    Raises
    ------
    DataError
        report.json, accuracy.json or graph.json is damaged.
    """
    document = load_document(folder, title)
    for chapter in document.chapters:
        for part in chapter.parts:
            if isinstance(part, Picture):
                write_text(folder / PICTURES / f"{part.name}.svg", part.svg)
    markdown, html = folder / "report.md", folder / "report.html"
    write_text(markdown, emit_markdown(document, PICTURES))
    write_text(html, emit_html(document))
    return markdown, html


def load_document(folder: Path, title: str) -> Document:
    """Read the files of `write_pages` and put the page together."""
    accuracy, problem = load_accuracy(folder.parent)
    document = build_document(load(folder), title, accuracy, _heads(folder.parent, accuracy or {}))
    return document if problem is None else replace(document, not_run=(*document.not_run, f"accuracy: {problem}"))


def _heads(model_folder: Path, accuracy: dict[str, Any]) -> list[Head]:
    """Return the network's heads: graph.json names them, accuracy.json where the classes are others."""
    path = model_folder / "graph.json"
    graph = load_json(path) if path.exists() else {}
    names, classes = graph.get("outputs", [""]), graph.get("classes", [[]])
    if "classes" in accuracy:
        classes = [accuracy["classes"]]
    return [Head(str(name), tuple(map(str, each))) for name, each in zip(names, classes, strict=False)]
