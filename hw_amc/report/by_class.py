"""Accuracy by class: over SNR from the network's own answers, or from confusion matrices where there is no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.report import heat
from hw_amc.report.document import Cell, Picture, Table, number, percent
from hw_amc.report.subject import Head
from hw_amc.train.predictions import Predictions

#: SNR from which a frame counts as loud, dB.
LOUD_DB = 10


def parts(
    answers: Predictions | None, place: int, head: Head, confusion: Mapping[str, Any], kind: str
) -> Iterator[Picture | Table]:
    """Yield what a chapter shows of one head's classes.

    Parameters
    ----------
    answers : Predictions, optional
        The network's answers in all heads; without them the confusion matrices say what they can.
    place : int
        Number of the head.
    head : Head
        Its name (empty where it is the only one) and classes.
    confusion : mapping
        SNR in dB as text -> rows of true classes.
    kind : str
        Of the figures.
    """
    own = None if answers is None else answers.head(place)
    if own is not None and own.names == (head.classes,):
        if len(np.unique(own.snr_db)) > 1:
            yield _over_snr(own, head, kind)
        yield _table(own, kind)
    elif confusion:
        yield _from_confusion(confusion, head, kind)


def _over_snr(answers: Predictions, head: Head, kind: str) -> Picture:
    """Draw each class over SNR."""
    classes, snrs = len(head.classes), np.unique(answers.snr_db)
    shares = np.full((classes, len(snrs)), np.nan)
    for column, snr in enumerate(snrs):
        at = answers.snr_db == snr
        sent = np.bincount(answers.labels[at], minlength=classes)
        right = np.bincount(answers.labels[at][answers.right[at]], minlength=classes)
        np.divide(right, sent, out=shares[:, column], where=sent > 0)
    sent = np.bincount(answers.labels, minlength=classes)
    means = np.bincount(answers.labels[answers.right], minlength=classes) / np.where(sent, sent, np.nan)
    hardest, easiest = int(np.nanargmin(means)), int(np.nanargmax(means))
    of = f" of {head.name}" if head.name else ""
    alt = (
        f"Accuracy by class{of}; over all SNR from {percent(means[hardest])} ({head.classes[hardest]}) to "
        f"{percent(means[easiest])} ({head.classes[easiest]})"
    )
    svg = heat.classes_by_snr(shares, head.classes, snrs.tolist())
    name = f"classes-{head.name}" if head.name else "classes"
    return Picture(name, svg, alt, f"How often each class{of} is named right at each SNR, {kind}.")


def _table(answers: Predictions, kind: str) -> Table:
    """Tell each class's accuracy, and what its loud frames are taken for most."""
    (names,) = answers.names
    loud = answers.snr_db >= LOUD_DB
    rows = []
    for label, name in enumerate(names):
        own = answers.labels == label
        if not own.any():
            continue
        strong = own & loud
        told = answers.classes[strong if strong.any() else own]
        rows.append(
            (
                Cell(name),
                Cell(number(int(own.sum()))),
                _share(answers.right[own], kind),
                _share(answers.right[strong], kind),
                Cell(taken_for(np.bincount(told, minlength=len(names)), label, names)),
            )
        )
    return Table(("Class", "Frames", "Over all SNR", f"From {LOUD_DB} dB", "Taken most for, when loud"), tuple(rows))


def _from_confusion(confusion: Mapping[str, Any], head: Head, kind: str) -> Table:
    snrs = sorted(map(int, confusion))
    matrices = [np.asarray(confusion[str(snr)], float) for snr in snrs]
    rows = []
    for label, name in enumerate(head.classes):
        counts = [matrix[label] for matrix in matrices]
        shares = (Cell(percent(row[label] / row.sum()), kind) if row.sum() else Cell("") for row in counts)
        rows.append((Cell(name), *shares, Cell(taken_for(counts[-1], label, head.classes))))
    last = f"Taken most for at {snrs[-1]} dB"
    return Table(("Class", *(f"At {snr} dB" for snr in snrs), last), tuple(rows))


def taken_for(counts: NDArray[Any], label: int, names: tuple[str, ...]) -> str:
    """Name the wrong class that is told most, with its share; empty where none is."""
    wrong = np.where(np.arange(len(counts)) == label, 0, counts)
    most = int(wrong.argmax())
    return f"{names[most]} ({percent(wrong[most] / counts.sum())})" if wrong[most] else ""


def _share(right: NDArray[Any], kind: str) -> Cell:
    return Cell(percent(float(right.mean())), kind, 100 * float(right.mean())) if len(right) else Cell("")
