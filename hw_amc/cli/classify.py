"""The command that says what is in a recording: classify."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from hw_amc.cli.data import Format, Samples
from hw_amc.cli.options import Context, Cycles, Model, command_of
from hw_amc.cli.output import Aside, printer
from hw_amc.errors import ConfigError
from hw_amc.text import plain, shown

if TYPE_CHECKING:
    from hw_amc.flows.classify import Classifier, Entry
    from hw_amc.flows.rtl import RtlFlow
    from hw_amc.radio.annotations import Target
    from hw_amc.radio.answers import Answers, Stretch, Timeline
    from hw_amc.radio.files.frames import FrameFile

#: Rows of a table on the screen.
_ROWS = 40


class Form(str, Enum):
    """Forms of the answers."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


class Scaling(str, Enum):
    """What is done to each frame."""

    NONE = "none"
    RMS = "rms"


SimulatedBoard = Annotated[
    str | None, typer.Option(help="Through the driver to a simulated board: a folder under boards/, or sim.")
]
Overlay = Annotated[
    Path | None, typer.Option(help="Through the driver to this overlay, on the board that is here or driven.")
]
Gain = Annotated[float, typer.Option(help="Factor of the samples.")]
InputShift = Annotated[
    int | None, typer.Option(help="Shift of the accelerator's input; project.toml's by default.", min=-15, max=15)
]
Normalise = Annotated[
    Scaling | None, typer.Option(help="rms brings each frame to unit power; project.toml's by default.")
]


@dataclass(frozen=True)
class _Wanted:
    """What to make of the answers."""

    form: Form
    annotate: bool
    picture: Path | None


def classify(
    context: Context,
    model: Model,
    files: Annotated[list[Path], typer.Argument(help="Recordings or files of frames, of any format of `data info`.")],
    form: Annotated[
        Form, typer.Option("--format", help="Table; or every frame as CSV or a line of JSON.")
    ] = Form.TABLE,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Write <recording>.<model>.sigmf-meta beside each recording.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw spectrogram, answers and margins: .png, .svg or .pdf.")
    ] = None,
    board: SimulatedBoard = None,
    overlay: Overlay = None,
    cycles: Cycles = None,
    samples: Format = None,
    gain: Gain = 1.0,
    input_shift: InputShift = None,
    normalise: Normalise = None,
) -> None:
    """Say what is in recordings: modulation, margin and time of every frame, by golden or through the driver."""
    from hw_amc.flows.classify import make_entry, open_classifier
    from hw_amc.flows.rtl import RtlFlow, RtlOptions
    from hw_amc.radio.plots import require_picture

    if picture is not None:
        require_picture(picture)
        if len(files) > 1:
            raise ConfigError("--picture draws one file; give one, or leave it out")
    require_one_way(overlay, board, cycles)
    output = printer if form is Form.TABLE else Aside(printer)
    flow = RtlFlow.open(model, RtlOptions(board, cycles), command_of(context), output)
    entry = make_entry(flow, normalise.value if normalise else None, input_shift, gain)
    wanted = _Wanted(form, annotate, picture)
    opened = [_open(flow, path, samples, wanted) for path in files]
    with open_classifier(flow, entry.path.input_shift, overlay, board is not None) as classifier:
        for number, (file, target) in enumerate(opened):
            with file:
                _classify_one(flow, classifier, entry, wanted, file, target, number == 0)


def _open(flow: RtlFlow, path: Path, samples: Samples | None, wanted: _Wanted) -> tuple[FrameFile, Target | None]:
    """Open a file and see where its annotations go, before anything is computed."""
    from hw_amc.flows.classify import open_recording
    from hw_amc.radio.annotations import find_target

    file = open_recording(flow, path, samples.value if samples else None)
    return file, find_target(file, flow.workspace.model, flow.graph.digest()) if wanted.annotate else None


def _classify_one(
    flow: RtlFlow, classifier: Classifier, entry: Entry, wanted: _Wanted, file: FrameFile, target: Target | None,
    first: bool,
) -> None:  # fmt: skip
    from hw_amc.flows.classify import classify as answers_of
    from hw_amc.radio.answers import Timeline

    print_level(flow, classifier, file, entry)
    lines = _Lines(flow, file, wanted.form)
    if first:
        lines.print_head()
    parts = []
    for part in answers_of(flow, classifier, file, entry):
        parts.append(part)
        lines.print(part)
    timeline = Timeline.join(file, parts)
    if wanted.form is Form.TABLE:
        _print_table(flow, timeline)
    if target is not None:
        count = target.write(timeline.stretches(), flow.graph.classes[0])
        flow.output.done(f"{count:,} annotations in {shown(target.path)}")
    if wanted.picture is not None:
        _draw(flow, timeline, file, wanted.picture)


def require_one_way(overlay: Path | None, board: str | None, cycles: int | None) -> None:
    """Require that an overlay is not asked for together with what it has settled; ConfigError says so."""
    if overlay is not None and (board, cycles) != (None, None):
        raise ConfigError("the overlay has its board and its cycles per step already; leave --board and -R out")


def print_level(flow: RtlFlow, classifier: Classifier, file: FrameFile, entry: Entry) -> None:
    """Say how many frames there are, at which level, and what to mend about it."""
    from hw_amc.flows.classify import measure_level

    level = measure_level(flow, file, entry)
    flow.output.done(f"{shown(file.path)}: {len(file):,} frames by {classifier.name}; {level.summary()}")
    for problem in level.problems():
        printer.warning(f"{file.path.name}: {problem}")


def _draw(flow: RtlFlow, timeline: Timeline, file: FrameFile, picture: Path) -> None:
    from hw_amc.radio.answer_plots import plot_answers

    plot_answers(file, timeline, flow.graph.classes[0], picture, f"{plain(file.path.name)}, {flow.workspace.model}")
    flow.output.done(shown(picture))


class _Lines:
    """Answers as lines that another program reads, one a frame, as soon as they are there."""

    def __init__(self, flow: RtlFlow, file: FrameFile, form: Form) -> None:
        from hw_amc.radio.answers import rate_of

        self._flow, self._form = flow, form
        self._path, self._starts, self._rate = plain(file.path), file.starts, rate_of(file)
        names = ["", *(f"_{name}" for name in flow.graph.outputs[1:])]
        self._columns = [f"{what}{name}" for name in names for what in ("label", "margin")]

    def print_head(self) -> None:
        if self._form is Form.CSV:
            printer.data(_row(["file", "frame", "sample", "time_s", *self._columns]))

    def print(self, answers: Answers) -> None:
        if self._form is Form.TABLE:
            return
        for frame, values in enumerate(self._values(answers), answers.first):
            start = None if self._starts is None else int(self._starts[frame])
            time = None if start is None or self._rate is None else start / self._rate
            if self._form is Form.CSV:
                printer.data(_row([self._path, frame, start, time, *values]))
            else:
                known = {"file": self._path, "frame": frame, "sample": start, "time_s": time}
                printer.data(json.dumps({**known, **dict(zip(self._columns, values, strict=True))}))

    def _values(self, answers: Answers) -> Iterator[list[str | float]]:
        classes = self._flow.graph.classes
        for labels, margins in zip(answers.labels.tolist(), answers.margins.tolist(), strict=True):
            heads = zip(classes, labels, margins, strict=True)
            yield [item for names, label, margin in heads for item in (plain(names[label]), margin)]


def _row(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _print_table(flow: RtlFlow, timeline: Timeline) -> None:
    """Print frames, or where these are many the stretches of equal answers; and how often each class was answered."""
    names = flow.graph.classes[0]
    stretches = timeline.stretches(merged=len(timeline) > _ROWS)
    place = "frame" if timeline.starts is None else "sample" if timeline.rate_hz is None else "time, s"
    rows = [_told(stretch, timeline, names) for stretch in islice(stretches, _ROWS)]
    printer.table((place, "frames", "label", "margin"), rows)
    if more := sum(1 for _ in stretches):
        printer.line(f"and {more:,} stretches more; --format csv or jsonl prints every frame")
    _print_shares(flow, timeline)


def _told(stretch: Stretch, timeline: Timeline, names: tuple[str, ...]) -> tuple[str, ...]:
    if stretch.start is None:
        place = f"{stretch.first:,}"
    else:
        place = f"{stretch.start:,}" if timeline.rate_hz is None else f"{stretch.start / timeline.rate_hz:.6f}"
    return place, f"{stretch.frames:,}", names[stretch.label], f"{stretch.margin:.3f}"


def _print_shares(flow: RtlFlow, timeline: Timeline) -> None:
    """Print the shares of the answers of every head."""
    rows: list[tuple[str, ...]] = []
    for head, names in enumerate(flow.graph.classes):
        labels, margins = timeline.answers.labels[:, head], timeline.answers.margins[:, head]
        counts = np.bincount(labels, minlength=len(names))
        sums = np.bincount(labels, margins, len(names))
        rows += [()] if head else []
        for label in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]:
            share, mean = counts[label] / len(timeline), sums[label] / counts[label]
            rows.append((names[label], f"{counts[label]:,}", f"{share:.1%}", f"{mean:.3f}"))
    printer.table(("answer", "frames", "share", "mean margin"), rows)
