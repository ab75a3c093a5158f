"""The chapters on a user's own labelled frames: accuracy by SNR, each class, confusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hw_amc.report import heat, plots
from hw_amc.report.document import Cell, Chapter, Picture, Table, kind_of, listed, number, percent
from hw_amc.report.subject import Head


def evaluation_chapters(report: dict[str, Any], heads: Sequence[Head]) -> Iterator[Chapter]:
    """Put together what `evaluation` of report.json says, one chapter for each head."""
    found = report.get("evaluation", {})
    for head in heads:
        if head.name in found:
            several = f", {head.name}" if len(heads) > 1 else ""
            section = found[head.name]
            yield Chapter(f"Accuracy on {section['source']}{several}", tuple(_parts(section, head)))


def _parts(section: dict[str, Any], head: Head) -> Iterator[str | Picture | Table]:
    kind = kind_of(section, "average_accuracy")
    told = [f"{percent(section['average_accuracy'])} of {number(section['frames'])} frames"]
    if "accuracy_at_least_10_db" in section:
        told.append(f"{percent(section['accuracy_at_least_10_db'])} of those at 10 dB and above")
    yield f"Right are {listed(told)} ({kind}; {section.get('note', '')})."
    values = {int(snr): float(share) for snr, share in section["accuracy"].items()}
    if len(values) > 1:
        svg = plots.accuracy(plots.Curves(values, {}, {}, None, len(head.classes)))
        alt = f"Accuracy from {percent(values[min(values)])} at {min(values)} dB to {percent(values[max(values)])}"
        caption = f"Top-1 accuracy on {section['source']}, {kind}."
        yield Picture(f"evaluation-{head.name}", svg, f"{alt} at {max(values)} dB", caption)
    yield _classes(section["confusion"], kind)
    yield _confusion(section, head, kind)


def _classes(confusion: Sequence[dict[str, Any]], kind: str) -> Table:
    """Tell of each class how many frames are right, and what it was taken for most."""
    rows = []
    for row in confusion:
        sent, counts = row["sent"], row["recognised"]
        total = sum(counts.values())
        wrong = {name: count for name, count in counts.items() if name != sent}
        most = max(wrong, key=lambda name: wrong[name], default="")
        taken = f"{most} ({percent(wrong[most] / total)})" if most else ""
        rows.append((Cell(sent), Cell(number(total)), Cell(percent(counts.get(sent, 0) / total), kind), Cell(taken)))
    return Table(("Class", "Frames", "Right", "Taken most for"), tuple(rows))


def _confusion(section: dict[str, Any], head: Head, kind: str) -> Picture:
    told = (name for row in section["confusion"] for name in (row["sent"], *row["recognised"]))
    places = {name: place for place, name in enumerate(dict.fromkeys([*head.classes, *told]))}
    matrix = np.zeros((len(places), len(places)))
    for row in section["confusion"]:
        for name, count in row["recognised"].items():
            matrix[places[row["sent"]], places[name]] = count
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    svg = heat.confusion({0: shares}, list(places), "all SNR")
    right = percent(float(np.trace(matrix) / matrix.sum()))
    caption = f"Which class was taken for which on {section['source']}, {kind}: each row adds up to 100 %."
    return Picture(f"evaluation-confusion-{head.name}", svg, f"Confusion matrix; on the diagonal {right}", caption)
