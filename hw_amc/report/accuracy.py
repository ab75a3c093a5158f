"""The chapter on accuracy: by SNR, by class, confusion matrices, each head, and the published figures apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hw_amc.models import Published
from hw_amc.radio.generator.limit import kept_limit
from hw_amc.report import by_class, heat, plots, published
from hw_amc.report.document import Cell, Chapter, Picture, Table, kind_of, listed, number, percent
from hw_amc.report.subject import Head, Report, Subject

SHA256_CHARACTERS = 64

_BOUND_TEXT = (
    "Dashed: the average-likelihood classifier (Wei and Mendel 2000) for the linear modulations, estimated by "
    "simulation; it knows timing, pulse and level, not the carrier phase. Other classes count as always right."
)


def accuracy_chapter(subject: Subject) -> Chapter | None:
    """Put the chapter together, None where nothing was evaluated.

    Section `model` of report.json stands in where there is no accuracy.json. Of several heads the latter has the same
    under `heads`, one for each.
    """
    accuracy, heads, model = subject.accuracy, subject.heads, subject.report.get("model", {})
    found = accuracy or model
    if not found.get("accuracy"):
        return None
    kind = (accuracy or {}).get("kind") or kind_of(model, "accuracy")
    parts: list[Any] = [_introduction(found)]
    if len(found["accuracy"]) > 1:
        parts.append(_curves(found, heads, model.get("name", ""), kind))
    several = found.get("heads", []) if len(heads) > 1 else []
    if several:
        parts.append(_heads_table(several, heads, kind))
    for place, (head, each) in enumerate(zip(heads, several or [found], strict=False)):
        name, confusion = head.name if several else "", each.get("confusion", {})
        parts += by_class.parts(subject.answers, place, Head(name, head.classes), confusion, kind)
        parts += _confusion(confusion, head.classes, name, kind)
    rows = _published_rows(model.get("name", ""))
    if rows:
        parts += [
            "For comparison only, and of another data set: the published network, on real recordings. Ours was "
            "evaluated on the set named above; the two are not to be set against each other.",
            rows,
        ]
    return Chapter("Accuracy", tuple(parts))


def _curves(found: Report, heads: Sequence[Head], name: str, kind: str) -> Picture:
    """Accuracy by SNR; of several heads, of all together and of each."""
    values = _by_snr(found)
    classes = heads[0].classes if len(heads) == 1 else ()
    others, source = published.by_snr(name)
    bound = _bound(found.get("eval_set"), classes)
    several = dict(zip((head.name for head in heads), map(_by_snr, found.get("heads", [])), strict=False))
    svg = plots.accuracy(plots.Curves(values, several, others, bound, len(classes)))
    best = max(values, key=lambda snr: values[snr])
    alt = f"Accuracy from {percent(values[min(values)])} at {min(values)} dB to {percent(values[best])} at {best} dB"
    caption = f"Top-1 accuracy, {kind}." + (" A frame is right when every head is." if several else "")
    caption += f" Published: {source}." if others else ""
    caption += f" {_BOUND_TEXT}" if bound else ""
    return Picture("accuracy", svg, alt, caption)


def _by_snr(found: Report) -> dict[int, float]:
    return {int(snr): float(value) for snr, value in found["accuracy"].items()}


def _heads_table(found: Sequence[Report], heads: Sequence[Head], kind: str) -> Table:
    rows = tuple(
        (Cell(head.name), Cell(number(len(head.classes))), *(_share(each, key, kind) for key in _SHARES))
        for head, each in zip(heads, found, strict=False)
    )
    return Table(("Head", "Classes", *_SHARES.values()), rows)


#: Keys of accuracy.json, and what heads their columns.
_SHARES = {"average": "Average accuracy", "at_least_10_db": "At 10 dB and above"}


def _share(found: Report, key: str, kind: str) -> Cell:
    return Cell("") if found.get(key) is None else Cell(percent(found[key]), kind)


def _confusion(found: Report, classes: Sequence[str], head: str, kind: str) -> Iterator[Picture]:
    """Draw the confusion matrices of a head, if there are any."""
    confusion = {int(snr): np.asarray(matrix, float) for snr, matrix in found.items()}
    if not confusion:
        return
    sums = {snr: np.maximum(matrix.sum(axis=1, keepdims=True), 1e-12) for snr, matrix in confusion.items()}
    shares = {snr: matrix / sums[snr] for snr, matrix in confusion.items()}
    diagonals = listed(f"{percent(float(np.trace(shares[snr]) / len(shares[snr])))} at {snr} dB" for snr in shares)
    of = f" of {head}" if head else ""
    alt = f"Confusion matrices{of}; on the diagonal {diagonals}"
    caption = f"Which class{of} was taken for which, {kind}: rows are what was sent, each row adds up to 100 %."
    yield Picture(f"confusion-{head}" if head else "confusion", heat.confusion(shares, classes), alt, caption)


def _bound(eval_set: Any, classes: Sequence[str]) -> dict[int, float] | None:
    """Give what no classifier passes on the evaluation set, by SNR; none where its recipe is not one of noise only."""
    recipe = eval_set.get("recipe") if isinstance(eval_set, dict) else None
    limit = kept_limit(recipe) if isinstance(recipe, str) else None
    return limit.bound(classes) if limit is not None and set(limit.classes) <= set(classes) else None


def _told(value: Any) -> str:
    """Digests are cut to what a person compares."""
    text = number(value)
    return f"{text[:16]}…" if len(text) == SHA256_CHARACTERS else text


def _words(key: str) -> str:
    return key.replace("_snr_db", "_SNR").replace("_", " ")


def _introduction(found: Report) -> str:
    """Say the averages, and what they were measured on."""
    parts = []
    average = found.get("average", found.get("average_accuracy"))
    if average is not None:
        parts.append(f"{percent(average)} average over all SNR")
    high = found.get("at_least_10_db", found.get("accuracy_at_least_10_db"))
    if high is not None:
        parts.append(f"{percent(high)} at 10 dB and above")
    text = f"{listed(parts)}. " if parts else ""
    eval_set = found.get("eval_set")
    if isinstance(eval_set, dict):
        described = "; ".join(
            f"{key.replace('_', ' ').replace('snr db', 'SNR')} {_told(value)}" for key, value in eval_set.items()
        )
        text += f"Evaluation set: {described}."
    elif eval_set:
        text += f"Evaluation set: {eval_set}."
    if "date" in found:
        text += f" Evaluated {found['date']}."
    return text


def _printed(figures: Published) -> tuple[str | None, ...]:
    """Parameters, average, best and memory as they are shown; None where nobody printed them."""
    return (
        None if figures.parameters is None else number(figures.parameters),
        None if figures.average_percent is None else f"{figures.average_percent:.2f} %",
        None if figures.best_percent is None else f"{figures.best_percent:.2f} %",
        None if figures.memory_kb is None else f"{figures.memory_kb:g} kB",
    )


def _published_rows(model: str) -> Table | None:
    """Tell what the authors of a model's family reached."""
    family = published.family_of(model)
    if not family:
        return None
    kind = "published"
    rows = tuple(
        (
            Cell(f"{spec.summary}, " + (f"sparsity {spec.sparsity:g}" if spec.sparsity else "dense")),
            *(Cell("not given") if text is None else Cell(text, kind) for text in _printed(figures)),
        )
        for spec, figures in family
    )
    heads = ("Published network", "Parameters", "Average accuracy", "Best accuracy", "Memory")
    return Table(heads, rows, caption=listed(dict.fromkeys(figures.source for _, figures in family)))
