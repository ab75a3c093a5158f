"""How answers are printed: tables for people, lines for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_amc.cli.output import printer
from hw_amc.text import plain

if TYPE_CHECKING:
    from hw_amc.radio.answers import Answers, Stretch, Timeline
    from hw_amc.radio.files.frames import Rows

#: Rows of a table on the screen.
_ROWS = 40


class Form(str, Enum):
    """Forms of the answers."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True)
class Clock:
    """Where a frame lies, by its number among those that are answered."""

    frame_len: int
    #: First sample of every frame of a recording that was cut; None: frames follow each other from sample 0.
    starts: Rows | None = None
    #: Whether frames are of a recording at all.
    is_recording: bool = True
    rate_hz: float | None = None
    #: Each so many frames are answered.
    every: int = 1

    def sample(self, number: int) -> int | None:
        """First sample of a frame."""
        frame = number * self.every
        if not self.is_recording:
            return None
        return frame * self.frame_len if self.starts is None else int(self.starts[frame])

    def time_s(self, sample: int | None) -> float | None:
        """Time of a sample."""
        return None if sample is None or self.rate_hz is None else sample / self.rate_hz

    @property
    def unit(self) -> str:
        """What `place` tells."""
        return "frame" if not self.is_recording else "sample" if self.rate_hz is None else "time, s"

    def place(self, number: int) -> str:
        """Where a frame lies, for people."""
        sample = self.sample(number)
        time = self.time_s(sample)
        return f"{number * self.every if sample is None else sample:,}" if time is None else f"{time:.6f}"


class Lines:
    """Answers as lines that another program reads, one a frame, as soon as they are there."""

    def __init__(self, name: str, clock: Clock, heads: Sequence[str], classes: Sequence[Sequence[str]]) -> None:
        self._name, self._clock, self._classes = plain(name), clock, classes
        names = ["", *(f"_{head}" for head in heads[1:])]
        self._columns = [f"{what}{head}" for head in names for what in ("label", "margin")]

    def print_head(self, form: Form) -> None:
        """Print the names of the columns, where the form has some."""
        if form is Form.CSV:
            printer.data(_row(["file", "frame", "sample", "time_s", *self._columns]))

    def print(self, answers: Answers, form: Form) -> None:
        """Print answers, in all forms but the table."""
        if form is Form.TABLE:
            return
        for number, values in enumerate(self._values(answers), answers.first):
            sample = self._clock.sample(number)
            place = [number * self._clock.every, sample, self._clock.time_s(sample)]
            if form is Form.CSV:
                printer.data(_row([self._name, *place, *values]))
            else:
                names = ("file", "frame", "sample", "time_s", *self._columns)
                printer.data(json.dumps(dict(zip(names, (self._name, *place, *values), strict=True))))

    def _values(self, answers: Answers) -> Iterator[list[str | float]]:
        for labels, margins in zip(answers.labels.tolist(), answers.margins.tolist(), strict=True):
            heads = zip(self._classes, labels, margins, strict=True)
            yield [item for names, label, margin in heads for item in (plain(names[label]), margin)]


def _row(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


class Shares:
    """How often each class was answered, and by which mean margin: all that is kept of a stream without end."""

    def __init__(self, classes: Sequence[Sequence[str]]) -> None:
        self._classes = classes
        self._counts = [np.zeros(len(names), np.int64) for names in classes]
        self._sums = [np.zeros(len(names)) for names in classes]

    def add(self, answers: Answers) -> None:
        """Take in answers."""
        for head, names in enumerate(self._classes):
            labels = answers.labels[:, head]
            self._counts[head] += np.bincount(labels, minlength=len(names))
            self._sums[head] += np.bincount(labels, answers.margins[:, head], len(names))

    @property
    def frames(self) -> int:
        """Frames that were answered."""
        return int(self._counts[0].sum())

    def print(self) -> None:
        """Print the shares of the answers of every head."""
        rows: list[tuple[str, ...]] = []
        for head, names in enumerate(self._classes):
            counts, sums = self._counts[head], self._sums[head]
            rows += [()] if head else []
            for label in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]:
                share, mean = counts[label] / self.frames, sums[label] / counts[label]
                rows.append((names[label], f"{counts[label]:,}", f"{share:.1%}", f"{mean:.3f}"))
        printer.table(("answer", "frames", "share", "mean margin"), rows)


class Running:
    """Stretches of equal answers of the first head, each printed when the next one begins."""

    _WIDTHS = (16, 10)

    def __init__(self, clock: Clock, names: Sequence[str]) -> None:
        self._clock, self._names = clock, names
        self._first = self._frames = 0
        self._label: int | None = None
        self._sum = 0.0

    def print_head(self) -> None:
        """Print the names of the columns."""
        self._line(self._clock.unit, "frames", "label", "margin")

    def print(self, answers: Answers) -> None:
        """Take in answers, and print the stretches that they end."""
        pairs = zip(answers.labels[:, 0].tolist(), answers.margins[:, 0].tolist(), strict=True)
        for number, (label, margin) in enumerate(pairs, answers.first):
            if label != self._label:
                self.finish()
                self._first, self._label = number, label
            self._frames += 1
            self._sum += margin

    def finish(self) -> None:
        """Print the stretch that is open."""
        if self._label is not None:
            margin = f"{self._sum / self._frames:.3f}"
            self._line(self._clock.place(self._first), f"{self._frames:,}", self._names[self._label], margin)
        self._label, self._frames, self._sum = None, 0, 0.0

    def _line(self, place: str, frames: str, label: str, margin: str) -> None:
        first, second = self._WIDTHS
        printer.line(f"{place:>{first}} {frames:>{second}}  {plain(label):<14} {margin}")


def print_table(timeline: Timeline, clock: Clock, names: Sequence[str]) -> None:
    """Print frames, or where these are many the stretches of equal answers of the first head."""
    stretches = timeline.stretches(merged=len(timeline) > _ROWS)
    printer.table(
        (clock.unit, "frames", "label", "margin"), [_told(item, clock, names) for item in islice(stretches, _ROWS)]
    )
    if more := sum(1 for _ in stretches):
        printer.line(f"and {more:,} stretches more; --format csv or jsonl prints every frame")


def _told(stretch: Stretch, clock: Clock, names: Sequence[str]) -> tuple[str, ...]:
    return clock.place(stretch.first), f"{stretch.frames:,}", names[stretch.label], f"{stretch.margin:.3f}"
