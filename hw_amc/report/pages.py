"""report.md and report.html: written for people from report.json and accuracy.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw_amc.files import load_json, write_text
from hw_amc.report.chapters import build_document
from hw_amc.report.document import Document, Picture
from hw_amc.report.html import emit_html
from hw_amc.report.markdown import emit_markdown
from hw_amc.report.store import load

#: Pictures of report.md, beside it.
PICTURES = "report_pictures"


def write_pages(folder: Path, title: str) -> tuple[Path, Path]:
    """Write report.md (pictures beside it) and report.html (one file, works offline) into `folder`.

    Chapters whose section report.json lacks are left out. The accuracy comes from accuracy.json in the model's
    folder, the parent of `folder`, where it exists; the names of the classes from graph.json there.

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
    return build_document(load(folder), title, _load_accuracy(folder.parent))


def _load_accuracy(model_folder: Path) -> dict[str, Any] | None:
    path = model_folder / "accuracy.json"
    if not path.exists():
        return None
    accuracy = load_json(path)
    graph = model_folder / "graph.json"
    if "classes" not in accuracy and graph.exists():
        accuracy["classes"] = load_json(graph).get("classes", [[]])[0]
    return accuracy
