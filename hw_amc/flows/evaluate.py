"""Labelled frames of any file against a network's answers: accuracy by SNR, confusion, each class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.flows.classify import Classifier, Entry, classify
from hw_amc.flows.rtl import RtlFlow
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, FrameFile
from hw_amc.verify.heldout import NONE, known_labels

#: SNR from which a frame counts as loud, dB.
LOUD_DB = 10


@dataclass(frozen=True)
class Judged:
    """Answers of one head to frames of which the class is known."""

    head: str
    classes: tuple[str, ...]
    #: (n,) index into `classes`.
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    #: (n,) dB, or `UNKNOWN_SNR_DB`.
    snrs_db: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return float((self.labels == self.answers).mean())

    @property
    def loud_accuracy(self) -> float | None:
        """The same of the frames of `LOUD_DB` and more, None where there is none."""
        loud = self.snrs_db >= LOUD_DB
        return float((self.labels == self.answers)[loud].mean()) if loud.any() else None

    def by_snr(self) -> dict[int, tuple[int, float]]:
        """Give frames and accuracy at every SNR that is known, ascending."""
        found = {}
        for snr in np.unique(self.snrs_db[self.snrs_db != UNKNOWN_SNR_DB]).tolist():
            at = self.snrs_db == snr
            found[snr] = int(at.sum()), float((self.labels == self.answers)[at].mean())
        return found

    def confusion(self) -> NDArray[np.int64]:
        """Frames by true class (rows) and answer."""
        matrix = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(matrix, (self.labels, self.answers), 1)
        return matrix

    def to_section(self, source: str, told: dict[str, Any]) -> dict[str, Any]:
        """Return what report.json holds of it; `told` says which run it was."""
        section = {
            "source": source,
            "frames": len(self.labels),
            "accuracy": {str(snr): round(share, 5) for snr, (_, share) in self.by_snr().items()},
            "average_accuracy": round(self.accuracy, 5),
            "confusion": [
                {"sent": name, "recognised": {self.classes[at]: int(row[at]) for at in np.flatnonzero(row)}}
                for name, row in zip(self.classes, self.confusion(), strict=True)
                if row.any()
            ],
        }
        if (loud := self.loud_accuracy) is not None:
            section["accuracy_at_least_10_db"] = round(loud, 5)
        return {**section, **told}


def evaluate(flow: RtlFlow, classifier: Classifier, file: FrameFile, entry: Entry) -> list[Judged]:
    """Classify the frames whose class the network knows, and judge every head of which the file says the class.

    Accuracy by SNR, confusion and averages are merged into report.json, `evaluation.<head>`.

    Raises
    ------
    DataError
        The file holds no class that the network knows.

    Warns
    -----
    UserWarning
        Frames are left out, of classes that the network does not know; or outputs, of which the file says no class.
    """
    graph = flow.graph
    labels, rows = known_labels(graph.classes, file)
    parts = [part.labels for part in classify(flow, classifier, file, entry, rows)]
    answers = np.concatenate(parts).astype(np.int64)
    snrs = file.snrs_db[rows].astype(np.int64)
    found = [
        Judged(name, classes, labels[rows, head], answers[:, head], snrs)
        for head, (name, classes) in enumerate(zip(graph.outputs, graph.classes, strict=True))
        if (labels[rows, head] != NONE).all()
    ]
    if not found:
        raise DataError(f"{file.path} says of no output of {flow.workspace.model} what is right for all frames")
    judged = {each.head for each in found}
    if untold := [name for name in graph.outputs if name not in judged]:
        output = f"output{'s' if len(untold) > 1 else ''} {', '.join(untold)}"
        warnings.warn(f"{file.path.name} does not say what is right in {output}: not judged", stacklevel=2)
    _merge(flow, found, file.path.name, f"classified by {classifier.name}")
    return found


def _merge(flow: RtlFlow, found: Sequence[Judged], source: str, note: str) -> None:
    told = {"note": note, "command": flow.command, "kind": "measured"}
    flow.merge({"evaluation": {each.head: each.to_section(source, told) for each in found}})
