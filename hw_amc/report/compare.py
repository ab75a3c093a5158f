"""Two models, or two builds of one, side by side: every figure of both, with what differs and to whose advantage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw_amc.report import plots
from hw_amc.report.document import Cell, Chapter, Document, Picture, Table, kind_of, listed, number, percent
from hw_amc.report.roads import Road, roads, sample_rate
from hw_amc.report.subject import Report, Subject
from hw_amc.report.tables import RESOURCES, comparisons, heading


@dataclass(frozen=True)
class Figure:
    """One figure of both sides; None where a side has none."""

    label: str
    values: tuple[float | None, float | None]
    kinds: tuple[str, str]
    #: How a value is written.
    shown: Callable[[float], str] = number
    #: 1 where more is better, -1 where less is, 0 where neither.
    better: int = 0

    @property
    def difference(self) -> str:
        """What the second side has more or less, in parts of the first; of shares in points."""
        left, right = self.values
        if left is None or right is None:
            return ""
        if left == right:
            return "="
        if self.shown in (percent, _of_100):
            points = (right - left) * (100 if self.shown is percent else 1)
            return f"{points:+.1f} points"
        if not left:
            return f"{right - left:+,.4g}"
        ratio = right / left
        return f"x {number(ratio)}" if ratio >= 2 else f"{100 * (ratio - 1):+.1f} %"

    def row(self) -> tuple[Cell, ...]:
        """Return the row of a table."""
        left, right = self.values
        good = None if left is None or right is None or left == right or not self.better else right > left
        good = good if good is None or self.better > 0 else not good
        cells = (
            Cell("" if value is None else self.shown(value), "" if value is None else kind)
            for value, kind in zip(self.values, self.kinds, strict=True)
        )
        return (Cell(self.label), *cells, Cell(self.difference, better=good))


def _of_100(value: float) -> str:
    return f"{value:.1f} %"


def _kilobytes(value: float) -> str:
    return f"{value / 1000:.1f} kB"


def _decibels(value: float) -> str:
    return f"{value:.1f} dB"


def compare_subjects(left: Subject, right: Subject) -> Document:
    """Put the page together that sets two models side by side; what differs is of the second as against the first."""
    names = (left.title, right.title)
    chapters = [
        _chapter("Speed and cost", names, _speed(left, right), _speed_pictures(left, right)),
        _chapter("Accuracy", names, _accuracy(left, right), _accuracy_pictures(left, right)),
        _chapter("Accuracy by class", names, _by_class(left, right)),
        _chapter("Network", names, _network(left, right)),
        _chapter("Frames compared in every integer", names, _proofs(left, right)),
        _settings(left, right),
        _layers(left, right),
    ]
    return Document(
        title=f"{left.title} and {right.title}",
        subtitle=" and ".join(subject.report.get("graph_sha256", "")[:16] or "no graph" for subject in (left, right)),
        answer=_answer(left, right),
        lead=(),
        verdict="",
        good=None,
        proofs=(),
        left_open=tuple(_unlike(left, right)),
        facts=(),
        chapters=tuple(chapter for chapter in chapters if chapter is not None),
    )


def to_json(left: Subject, right: Subject) -> dict[str, Any]:
    """Return the same figures for programs."""
    groups = {"speed": _speed, "accuracy": _accuracy, "by_class": _by_class, "network": _network, "proofs": _proofs}
    figures = {
        name: [
            {"figure": each.label, "values": list(each.values), "kinds": list(each.kinds)}
            for each in build(left, right)
        ]
        for name, build in groups.items()
    }
    return {"models": [left.title, right.title], "unlike": list(_unlike(left, right)), **figures}


def _chapter(
    title: str, names: tuple[str, str], figures: Iterator[Figure], pictures: Iterable[Picture] = ()
) -> Chapter | None:
    rows = tuple(each.row() for each in figures if each.values != (None, None))
    if not rows:
        return None
    return Chapter(title, (*pictures, Table(("", *names, "Difference"), rows)))


def _both(
    label: str, left: Report, right: Report, key: str, better: int = 0, shown: Callable[[float], str] = number
) -> Figure:
    """One key of two innermost objects."""
    values, kinds = (left.get(key), right.get(key)), (kind_of(left, key), kind_of(right, key))
    return Figure(label, values, kinds, shown, better)


def _best(subject: Subject) -> Road | None:
    return next(iter(roads(subject.report)), None)


def _answer(left: Subject, right: Subject) -> str:
    """Say who is faster and who is right more often."""
    said = []
    first, second = _best(left), _best(right)
    if first is not None and second is not None:
        ratio = second.frames_per_s / first.frames_per_s
        if ratio != 1:
            who, times = (right.title, ratio) if ratio > 1 else (left.title, 1 / ratio)
            said.append(f"{who} is {times:.2f} times as fast ({second.speed_kind}).")
        else:
            said.append("Both are equally fast.")
    average = next((each for each in _accuracy(left, right) if None not in each.values), None)
    if average is not None:
        a, b = (value or 0.0 for value in average.values)
        if a == b:
            said.append("Both are right equally often.")
        else:
            better = right.title if b > a else left.title
            said.append(f"{better} is right in {100 * abs(b - a):.1f} % more of the frames.")
    return " ".join(said)


def _unlike(left: Subject, right: Subject) -> Iterator[str]:
    """Name what makes figures of both sides hard to compare."""
    first, second = _best(left), _best(right)
    if first is not None and second is not None:
        if first.board != second.board:
            yield f"Of different boards: {first.board} and {second.board}."
        if first.clock_mhz != second.clock_mhz:
            yield f"At different clocks: {number(first.clock_mhz)} and {number(second.clock_mhz)} MHz."
    sets = [_eval_set(subject) for subject in (left, right)]
    if all(sets) and sets[0] != sets[1]:
        yield "The accuracies are of different frames: " + listed(sets) + "."
    for subject in (left, right):
        yield from (f"{subject.title}: {problem}" for problem in subject.problems)


def _eval_set(subject: Subject) -> str:
    told = (subject.accuracy or {}).get("eval_set") or subject.report.get("model", {}).get("eval_set")
    if not isinstance(told, dict):
        return str(told or "")
    return ", ".join(f"{key.replace('_', ' ')} {str(value)[:16]}" for key, value in told.items())


def _speed(left: Subject, right: Subject) -> Iterator[Figure]:
    sides = (_best(left), _best(right))
    keys: tuple[tuple[str, str, str, int], ...] = (
        ("Frames/s", "frames_per_s", "speed_kind", 1),
        ("Cycles/frame", "cycles", "cycles_kind", -1),
    )
    for label, key, kind, better in keys:
        values = tuple(None if side is None else getattr(side, key) for side in sides)
        kinds = tuple("" if side is None else getattr(side, kind) for side in sides)
        yield Figure(label, values, kinds, number, better)  # type: ignore[arg-type]
    latencies = [side.latency_cycles / side.clock_mhz if side and side.latency_cycles else None for side in sides]
    yield Figure("Latency, µs", (latencies[0], latencies[1]), ("estimated", "estimated"), number, -1)
    shares = [dict(side.percent) if side else {} for side in sides]
    kinds_of = ("" if side is None else side.percent_kind for side in sides)
    kinds_pair = (next(kinds_of), next(kinds_of))
    for name in RESOURCES:
        pair = (shares[0].get(name), shares[1].get(name))
        yield Figure(f"{heading(name)}, % of the board", pair, kinds_pair, _of_100, -1)


def _speed_pictures(left: Subject, right: Subject) -> Iterator[Picture]:
    groups = {
        f"{subject.title}, {road.name}": dict(road.percent)
        for subject in (left, right)
        if (road := _best(subject)) is not None and road.percent
    }
    if len(groups) == 2:
        caption = "Share of the board's budget; beyond the red line it does not fit."
        alt = "; ".join(f"{label}: {max(group.values()):.0f} % at most" for label, group in groups.items())
        yield Picture("resources", plots.shares(groups), alt, caption)
    sweeps = {subject.title: _rows(subject) for subject in (left, right)}
    if all(sweeps.values()) and len(sweeps) == 2:
        curves = {
            name: ([row["frames_per_s"] for row in rows], [row["percent"].get("lut", 0.0) for row in rows])
            for name, rows in sweeps.items()
        }
        alt = "LUTs over frames per second, of both models at each R"
        yield Picture("trade", plots.cost_of_speed(curves), alt, "What each R costs, estimated; one point an R.")


def _rows(subject: Subject) -> list[Report]:
    rows: list[Report] = subject.report.get("estimate", {}).get("rtl", {}).get("sweep", [])
    return rows


def _model(subject: Subject) -> Report:
    model: Report = subject.report.get("model", {})
    return model


def _shares(subject: Subject) -> Report:
    """Accuracy under the keys of report.json."""
    found, model = subject.accuracy, _model(subject)
    if found is None:
        return model
    keys = {"average_accuracy": "average", "accuracy_at_least_10_db": "at_least_10_db", "accuracy": "accuracy"}
    own = {key: found[name] for key, name in keys.items() if found.get(name) is not None}
    return {**own, "kind": found.get("kind", "measured")}


def _accuracy(left: Subject, right: Subject) -> Iterator[Figure]:
    sides = (_shares(left), _shares(right))
    yield _both("Over all SNR", *sides, "average_accuracy", 1, percent)
    yield _both("At 10 dB and above", *sides, "accuracy_at_least_10_db", 1, percent)
    tables = [side.get("accuracy", {}) for side in sides]
    for snr in sorted(map(int, set(tables[0]) & set(tables[1]))):
        values = (tables[0][str(snr)], tables[1][str(snr)])
        kinds = (kind_of(sides[0], "accuracy"), kind_of(sides[1], "accuracy"))
        yield Figure(f"At {snr} dB", values, kinds, percent, 1)


def _accuracy_pictures(left: Subject, right: Subject) -> Iterator[Picture]:
    curves = {
        subject.title: {int(snr): share for snr, share in _shares(subject).get("accuracy", {}).items()}
        for subject in (left, right)
    }
    if all(curves.values()) and len(curves) == 2:
        alt = "Accuracy over SNR of both models"
        yield Picture("accuracy", plots.accuracies(curves), alt, "Top-1 accuracy over SNR.")


def _by_class(left: Subject, right: Subject) -> Iterator[Figure]:
    """Compare the classes of both, where they are the same, over all frames."""
    sides = (left.answers, right.answers)
    if sides[0] is None or sides[1] is None or sides[0].names != sides[1].names or len(sides[0].names) > 1:
        return
    kinds = (kind_of(_shares(left), "accuracy"), kind_of(_shares(right), "accuracy"))
    for label, name in enumerate(sides[0].names[0]):
        own = [side.right[side.labels == label] for side in (sides[0], sides[1])]
        if all(map(len, own)):
            yield Figure(name, (float(np.mean(own[0])), float(np.mean(own[1]))), kinds, percent, 1)


def _network(left: Subject, right: Subject) -> Iterator[Figure]:
    sides = (_model(left), _model(right))
    yield _both("Parameters", *sides, "parameters")
    yield _both("Nonzero parameters", *sides, "nonzeros", -1)
    yield _both("Zero kernel weights", *sides, "sparsity", 0, percent)
    yield _both("Memory of the parameters", *sides, "memory_bytes", -1, _kilobytes)
    yield _both("MACs/frame", *sides, "macs_per_frame")
    yield _both("MACs/frame with nonzero weights", *sides, "nonzero_macs_per_frame", -1)
    yield _both("I/Q samples of a frame", *sides, "frame_samples")
    tables = [subject.report.get("quantisation", {}) for subject in (left, right)]
    yield _both("Right before quantisation", tables[0], tables[1], "accuracy_before", 1, percent)
    yield _both("Right after quantisation", tables[0], tables[1], "accuracy_after", 1, percent)


def _proofs(left: Subject, right: Subject) -> Iterator[Figure]:
    sides = [dict(comparisons(subject.report)) for subject in (left, right)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        yield _both(name, sides[0].get(name, {}), sides[1].get(name, {}), "frames")


def _settings(left: Subject, right: Subject) -> Chapter | None:
    """Tell with which settings each was built; what differs has a mark."""
    told = [dict(_told(subject)) for subject in (left, right)]
    rows = []
    for key in dict.fromkeys([*told[0], *told[1]]):
        values = [side.get(key, "") for side in told]
        rows.append((Cell(key), *map(Cell, values), Cell("=" if values[0] == values[1] else "different")))
    return Chapter("Settings", (Table(("", left.title, right.title, "Difference"), tuple(rows)),)) if rows else None


def _told(subject: Subject) -> Iterator[tuple[str, str]]:
    best = _best(subject)
    if best is not None:
        yield "Road", best.name
        yield "Board", f"{best.board}, {number(best.clock_mhz)} MHz"
        if subject.samples:
            yield "I/Q samples/s", sample_rate(best, subject.samples)
    if classes := ", ".join(str(len(head.classes)) for head in subject.heads if head.classes):
        yield "Classes", classes
    if data := _eval_set(subject):
        yield "Evaluated on", data


def _layers(left: Subject, right: Subject) -> Chapter | None:
    """Set the layers of both side by side, by name: formats, nonzero weights and estimated cost."""
    sides = [{layer["name"]: layer for layer in subject.report.get("layers", [])} for subject in (left, right)]
    names: Sequence[str] = list(dict.fromkeys([*sides[0], *sides[1]]))
    if not all(sides):
        return None
    rows = []
    for name in names:
        pair = [side.get(name, {}) for side in sides]
        formats = [_formats(layer) for layer in pair]
        same = "=" if formats[0] == formats[1] else "different"
        weights = _both("", pair[0], pair[1], "nonzeros", -1).row()
        rows.append((Cell(name), *map(Cell, formats), Cell(same), *weights[1:]))
    heads = ("Layer", *(f"Formats, {subject.title}" for subject in (left, right)), "Formats")
    counts = (*(f"Nonzero weights, {subject.title}" for subject in (left, right)), "Difference")
    return Chapter("Layer by layer", (Table((*heads, *counts), tuple(rows)),))


def _formats(layer: Report) -> str:
    formats = layer.get("formats", {})
    weights = f" · {formats['kernel']}" if "kernel" in formats else ""
    return f"{formats.get('input', '')} → {formats.get('output', '')}{weights}" if formats else ""
