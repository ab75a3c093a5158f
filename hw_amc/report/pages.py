"""report.md and report.html: written for people from report.json and what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hw_amc.errors import ConfigError
from hw_amc.files import write_text
from hw_amc.report.chapters import build_document
from hw_amc.report.compare import compare_subjects
from hw_amc.report.document import Document, Picture
from hw_amc.report.html import emit_html
from hw_amc.report.markdown import emit_markdown
from hw_amc.report.store import FILE, load_file
from hw_amc.report.subject import Subject, load_subject
from hw_amc.workspace import Workspace

#: Pictures of report.md, beside it.
PICTURES = "report_pictures"


def write_pages(folder: Path, title: str, model_folder: Path | None = None) -> tuple[Path, Path]:
    """Write report.md (pictures beside it) and report.html (one file, works offline) into `folder`.

    Chapters whose section report.json lacks are left out. Nothing is written unless all of it can be.

    Parameters
    ----------
    folder : Path
        The model's build folder, with report.json.
    title : str
    model_folder : Path, optional
        Where the model's accuracy.json, graph and answers lie; the folder above by default.

    Returns
    -------
    Paths of report.md and report.html.

    Raises
    ------
    DataError
        report.json, accuracy.json or the graph is damaged.
    """
    document = build_document(load_subject(folder, title, model_folder))
    pictures = pictures_of(document)
    texts = {f"{PICTURES}/{name}.svg": svg for name, svg in pictures.items()}
    texts |= {"report.md": emit_markdown(document, PICTURES), "report.html": emit_html(document)}
    for name, text in texts.items():
        write_text(folder / name, text)
    for path in (folder / PICTURES).glob("*.svg"):
        if path.stem not in pictures:
            path.unlink()
    return folder / "report.md", folder / "report.html"


def load_side(name: str) -> Subject:
    """Read one side of a comparison: a model by name, its build folder, or a file of the form of report.json.

    Raises
    ------
    ConfigError
        There is no such model or file, or the model has no report yet.
    DataError
        A file is damaged.
    """
    path = Path(name)
    if path.suffix == ".json" and path.name != FILE:
        return Subject(path.stem, path.absolute().parent, load_file(path))
    if path.name == FILE or (path / FILE).is_file():
        folder = (path if path.is_dir() else path.parent).absolute()
        title = folder.parent.name if folder.name == "build" else folder.name
        model_folder = None
    else:
        workspace = Workspace.open(name)
        folder, title, model_folder = workspace.build, name, workspace.folder
    if not (folder / FILE).is_file():
        raise ConfigError(f"{name} has no {FILE} yet; `hw-amc hls {title}` or `hw-amc rtl {title}` makes it")
    return load_subject(folder, title, model_folder)


def write_comparison(left: Subject, right: Subject, path: Path) -> Document:
    """Write one HTML file that sets two models side by side; return what it says."""
    if left.title == right.title:
        left, right = (replace(side, title=f"{side.title} ({mark})") for side, mark in ((left, "A"), (right, "B")))
    document = compare_subjects(left, right)
    write_text(path, emit_html(document))
    return document


def pictures_of(document: Document) -> dict[str, str]:
    """Return the pictures of a page by name."""
    parts = (part for chapter in document.chapters for part in chapter.parts)
    return {part.name: part.svg for part in parts if isinstance(part, Picture)}
