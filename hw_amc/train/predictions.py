"""A network's answers to held-out frames, kept beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.files import file_digest, save_npz
from hw_amc.models.network import Classes, find_classes
from hw_amc.untrusted import load_npz, parse_json

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

#: Classes of answers that were kept before they named them.
_FIRST = find_classes("radioml2018")


@dataclass(frozen=True)
class Predictions:
    """A network's answers to an evaluation set.

    Attributes
    ----------
    classes : (n,) uint8, the network's, or (n, heads)
    labels : the right ones, likewise
    snr_db : (n,) int8
    eval_set : what identifies the frames
    names : class names of every head
    """

    classes: Bytes
    labels: Bytes
    snr_db: np.ndarray[Any, np.dtype[np.int8]]
    eval_set: dict[str, Any]
    names: Classes = _FIRST

    @property
    def right(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(n,) whether the network was right, in all heads."""
        return np.asarray((self.classes == self.labels).reshape(len(self.labels), -1).all(axis=1))

    def head(self, number: int) -> Predictions:
        """Answers of one head alone."""
        classes, labels = (array.reshape(len(array), -1)[:, number] for array in (self.classes, self.labels))
        return Predictions(classes, labels, self.snr_db, self.eval_set, (self.names[number],))


def save_predictions(folder: Path, predictions: Predictions) -> None:
    """Write `predictions.npz` beside `weights.h5`, with the digest of the latter."""
    digest = file_digest(folder / "weights.h5")
    note = {"eval_set": predictions.eval_set, "weights": digest, "names": predictions.names}
    arrays = {"classes": predictions.classes, "labels": predictions.labels, "snr_db": predictions.snr_db}
    save_npz(folder / "predictions.npz", {**arrays, "note": np.array(json.dumps(note))})


def load_predictions(folder: Path) -> Predictions:
    """Read what `save_predictions` wrote.

    Raises
    ------
    DataError
        The file is missing or damaged, or belongs to other weights.
    """
    path = folder / "predictions.npz"
    if not path.exists():
        raise DataError(f"{path} does not exist; run `hw-amc compare {folder.name}`")
    try:
        kept = load_npz(path, texts=True)
        note = parse_json(str(kept["note"]), "its note")
        names = tuple(tuple(map(str, head)) for head in note.get("names", _FIRST))
        found = Predictions(kept["classes"], kept["labels"], kept["snr_db"], dict(note["eval_set"]), names)
        _require_answers(found)
        weights = str(note["weights"])
    except (DataError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged; restore it") from error
    if weights != file_digest(folder / "weights.h5"):
        raise DataError(f"{path} belongs to other weights than weights.h5; run `hw-amc compare {folder.name}`")
    return found


def _require_answers(found: Predictions) -> None:
    """Require arrays of one length, of a column a head, and only answers that there are; ValueError otherwise."""
    heads = len(found.names)
    shapes = {(len(found.snr_db), heads), (len(found.snr_db),)} if heads == 1 else {(len(found.snr_db), heads)}
    fits = found.classes.shape == found.labels.shape and found.classes.shape in shapes and found.snr_db.ndim == 1
    small = found.classes.dtype == found.labels.dtype == np.uint8 and found.snr_db.dtype == np.int8
    if not (fits and small and heads):
        raise ValueError("its arrays are no answers")
    for column, names in zip(found.classes.reshape(-1, heads).T, found.names, strict=True):
        if len(column) and int(column.max()) >= len(names):
            raise ValueError("it holds a class without a name")
