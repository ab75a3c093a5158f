"""What a page is about: report.json with all that stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw_amc.errors import DataError
from hw_amc.graph import Graph
from hw_amc.report.evaluation import load_accuracy
from hw_amc.report.store import load
from hw_amc.train.predictions import Predictions, load_predictions

Report = dict[str, Any]


@dataclass(frozen=True)
class Head:
    """An output of the network: its name and its classes."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """One model's figures, and what explains them."""

    title: str
    #: Where report.json lies, and its content.
    folder: Path
    report: Report
    #: Content of accuracy.json, where it is of the weights that are there.
    accuracy: Report | None = None
    #: The network's outputs.
    heads: Sequence[Head] = ()
    graph: Graph | None = None
    #: The network's answers to the frames of its evaluation.
    answers: Predictions | None = None
    #: Files beside the page: (what, path relative to the page).
    files: Sequence[tuple[str, str]] = field(default=())
    #: What is not shown, and why.
    problems: Sequence[str] = ()

    @property
    def samples(self) -> int | None:
        """I/Q samples of a frame, None where nothing says."""
        told = self.report.get("model", {}).get("frame_samples")
        return self.graph.frame_len if told is None and self.graph is not None else told


def load_subject(folder: Path, title: str, model_folder: Path | None = None) -> Subject:
    """Read report.json of a build folder, and the model's accuracy.json, graph and answers.

    Parameters
    ----------
    folder : Path
        The model's build folder.
    title : str
    model_folder : Path, optional
        Where the model's own files lie; the folder above by default.

    Raises
    ------
    DataError
        report.json, accuracy.json or the graph is damaged.
    """
    model_folder = folder.parent if model_folder is None else model_folder
    report, problems = load(folder), []
    accuracy, problem = load_accuracy(model_folder)
    if problem is not None:
        problems.append(f"accuracy: {problem}")
    graph = Graph.load(model_folder) if (model_folder / "graph.json").exists() else None
    if graph is not None and report.get("graph_sha256", graph.digest()) != graph.digest():
        problems.append("network: report.json is of another graph than graph.json; run `hw-amc hls` again")
        graph = None
    answers = None
    if accuracy is not None and (model_folder / "predictions.npz").exists():
        try:
            answers = load_predictions(model_folder)
        except DataError as error:
            problems.append(f"accuracy by class: {error}")
    heads, files = _heads(graph, accuracy or {}), _files(folder, model_folder)
    return Subject(title, folder, report, accuracy, heads, graph, answers, files, problems)


def _heads(graph: Graph | None, accuracy: Report) -> list[Head]:
    """Return the network's heads: the graph names them, accuracy.json where the classes are others."""
    names: Sequence[str] = [""] if graph is None else graph.outputs
    classes: Sequence[Sequence[str]] = [()] if graph is None else graph.classes
    if "classes" in accuracy:
        classes = [accuracy["classes"]]
    return [Head(name, tuple(each)) for name, each in zip(names, classes, strict=False)]


#: Of the model's folder, then of its build folder: a pattern, and what a file of it is.
_OF_MODEL = (
    ("MODEL_CARD.md", "card"),
    ("project.toml", "settings"),
    ("weights.h5", "deployed QKeras model"),
    ("graph.json", "integer graph"),
    ("accuracy.json", "accuracy"),
    ("train.toml", "recipe of training"),
)
_OF_BUILD = (
    ("report.json", "these figures, for programs"),
    ("*/*/firmware/*.cpp", "HLS project"),
    ("*/*/logs/*.log", "log of the HLS tool"),
    ("rtl/*/manifest.json", "manifest of the Verilog beside it"),
    ("rtl/*/*_core.v", "Verilog of the network"),
    ("cosim/**/*.fst", "waveforms"),
    ("synth/*/*.log", "log of synthesis"),
    ("overlay/*/*.zip", "archive for the board"),
)
_MARKDOWN = ("this page as Markdown", "report.md")
#: Files of one pattern.
_MOST_FILES = 4


def _files(folder: Path, model_folder: Path) -> list[tuple[str, str]]:
    """List the files that a reader may want, relative to the page; those of a shipped model lie elsewhere."""
    own = model_folder == folder.parent
    found = [(what, f"../{name}") for name, what in _OF_MODEL if own and (model_folder / name).is_file()]
    for pattern, what in _OF_BUILD:
        paths = sorted(path for path in folder.glob(pattern) if path.is_file())[:_MOST_FILES]
        found += [(what, path.relative_to(folder).as_posix()) for path in paths]
        # It is written after it is listed; else a second report would differ from the first.
        if pattern == "report.json" and paths:
            found.append(_MARKDOWN)
    return found
