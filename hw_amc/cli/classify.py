"""The command that says what is in a recording: classify."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from hw_amc.cli.answers import Clock, Form, Lines, Running, Shares, print_table
from hw_amc.cli.common import complete_board
from hw_amc.cli.data import Format
from hw_amc.cli.options import Context, Cycles, Model, Yes, command_of
from hw_amc.cli.output import Aside, printer
from hw_amc.ending import until_ctrl_c
from hw_amc.errors import ConfigError
from hw_amc.parallel import processors
from hw_amc.text import plain, shown

if TYPE_CHECKING:
    from hw_amc.flows.classify import Classifier, Entry
    from hw_amc.flows.rtl import RtlFlow
    from hw_amc.radio.annotations import Target
    from hw_amc.radio.answers import Timeline
    from hw_amc.radio.files.captures import SampleFormat
    from hw_amc.radio.files.frames import FrameFile
    from hw_amc.radio.files.live import LiveSamples
    from hw_amc.radio.level import Level

#: Name of the standard input.
STANDARD_INPUT = Path("-")


class Scaling(str, Enum):
    """What is done to each frame."""

    NONE = "none"
    RMS = "rms"


SimulatedBoard = Annotated[
    str | None,
    typer.Option(
        help="Through the driver to a simulated board: a folder under boards/, or sim.", autocompletion=complete_board
    ),
]
Overlay = Annotated[
    Path | None, typer.Option(help="Through the driver to this overlay, on the board that is here or driven.")
]
Gain = Annotated[float, typer.Option(help="Factor of the samples.")]
InputShift = Annotated[
    int | None, typer.Option(help="Shift of the accelerator's input; project.toml's by default.", min=-15, max=15)
]
Normalise = Annotated[
    Scaling | None,
    typer.Option(help="rms brings each frame to unit power: the default for recordings; none takes them as they are."),
]

AutomaticGain = Annotated[
    bool,
    typer.Option(
        "--automatic-gain",
        help="Shift each frame as the frame before asks, as accelerators with [rtl] automatic_gain do.",
    ),
]


@dataclass(frozen=True)
class _Wanted:
    """What to make of the answers."""

    form: Form
    annotate: bool
    picture: Path | None
    #: Each so many frames.
    every: int
    #: Follow files that grow.
    watch: bool
    #: Seconds after which a file that does not grow is complete; never by default.
    idle_s: float | None

    def check(self, files: list[Path]) -> None:
        """Require that all of it can be made; ConfigError says what cannot."""
        if self.idle_s is not None and not self.watch:
            raise ConfigError("--idle ends what --watch begins; give both")
        live = self.watch or STANDARD_INPUT in files
        if len(files) > 1 and (live or self.picture):
            raise ConfigError(f"{'--watch follows' if live else '--picture draws'} one file; give one")
        if live and (self.annotate or self.picture or self.every > 1):
            raise ConfigError("--annotate, --picture and --every need a recording that is complete")
        if self.annotate and self.every > 1:
            raise ConfigError("annotations speak of all samples; leave --every out, or --annotate")


def classify(
    context: Context,
    model: Model,
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings or files of frames, of any format of `data info`; - is the standard input."),
    ],
    form: Annotated[
        Form, typer.Option("--format", help="Table; or every frame as CSV or a line of JSON.")
    ] = Form.TABLE,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Write <recording>.<model>.sigmf-meta beside each recording.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw spectrogram, answers and margins: .png, .svg or .pdf.")
    ] = None,
    every: Annotated[int, typer.Option(help="Of a long file, each so many frames.", min=1)] = 1,
    watch: Annotated[bool, typer.Option("--watch", help="Follow a recording that grows, until Ctrl-C.")] = False,
    idle_s: Annotated[
        float | None, typer.Option("--idle", help="Seconds without growth that end --watch.", min=0)
    ] = None,
    board: SimulatedBoard = None,
    overlay: Overlay = None,
    cycles: Cycles = None,
    samples: Format = None,
    gain: Gain = 1.0,
    input_shift: InputShift = None,
    normalise: Normalise = None,
    automatic_gain: AutomaticGain = False,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
    yes: Yes = False,
) -> None:
    """Say what is in recordings: modulation, margin and time of every frame, by golden or through the driver."""
    from hw_amc.flows.classify import make_entry, open_classifier
    from hw_amc.flows.rtl import RtlFlow, RtlOptions
    from hw_amc.radio.plots import require_picture

    form = Form.JSONL if as_json else form
    wanted = _Wanted(form, annotate, picture, every, watch, idle_s)
    wanted.check(files)
    if picture is not None:
        require_picture(picture, replace=printer.confirm_new(picture, yes))
    require_one_way(overlay, board, cycles)
    output = printer if form is Form.TABLE else Aside(printer)
    flow = RtlFlow.open(model, RtlOptions(board, cycles), command_of(context), output)
    entry = make_entry(flow, normalise.value if normalise else None, input_shift, gain, automatic_gain)
    work = _classify_live if watch or files == [STANDARD_INPUT] else _classify_files
    with open_classifier(flow, entry, overlay, board is not None, processors()) as classifier:
        work(_Task(flow, classifier, entry, wanted), files, samples.value if samples else None)


@dataclass(frozen=True)
class _Task:
    """What answers, and what is made of the answers."""

    flow: RtlFlow
    classifier: Classifier
    entry: Entry
    wanted: _Wanted

    def lines(self, name: str, clock: Clock) -> Lines:
        """How answers to a file are printed for programs."""
        return Lines(name, clock, self.flow.graph.outputs, self.flow.graph.classes)

    def print_rate(self, frames: int, seconds: float, rate_hz: float | None) -> None:
        """Say how fast the frames were answered, beside how fast they come."""
        speed = frames / max(seconds, 1e-9)
        comes = "" if rate_hz is None else f"; the recording has {rate_hz / self.flow.graph.frame_len:,.0f} a second"
        name = self.classifier.name
        self.flow.output.done(f"{frames:,} frames in {seconds:,.1f} s by {name}, {speed:,.0f} a second{comes}")


def _classify_files(task: _Task, files: list[Path], samples: SampleFormat | None) -> None:
    """Answer complete files, all of which are opened before anything is computed."""
    for number, (file, target) in enumerate([_open(task, path, samples) for path in files]):
        with file:
            _classify_one(task, file, target, number == 0)


def _open(task: _Task, path: Path, samples: SampleFormat | None) -> tuple[FrameFile, Target | None]:
    """Open a file and see where its annotations go."""
    from hw_amc.flows.classify import open_recording
    from hw_amc.radio.annotations import find_target

    file = open_recording(task.flow, path, samples)
    if not task.wanted.annotate:
        return file, None
    return file, find_target(file, task.flow.workspace.model, task.flow.graph.digest())


def _classify_one(task: _Task, file: FrameFile, target: Target | None, is_first: bool) -> None:
    from hw_amc.flows.classify import classify as answers_of
    from hw_amc.flows.classify import fit_entry
    from hw_amc.radio.answers import Timeline, rate_of

    flow, wanted, entry = task.flow, task.wanted, fit_entry(task.flow, task.entry, file.starts is not None)
    print_level(flow, task.classifier, file, entry)
    clock = Clock(flow.graph.frame_len, file.starts, file.starts is not None, rate_of(file), wanted.every)
    lines, shares, parts = task.lines(str(file.path), clock), Shares(flow.graph.classes), []
    if is_first:
        lines.print_head(wanted.form)
    started = time.monotonic()
    for part in answers_of(flow, task.classifier, file, entry, np.arange(0, len(file), wanted.every)):
        lines.print(part, wanted.form)
        shares.add(part)
        parts.append(part)
    task.print_rate(shares.frames, time.monotonic() - started, clock.rate_hz)
    timeline = Timeline.join(file, parts, wanted.every)
    if wanted.form is Form.TABLE:
        print_table(timeline, clock, flow.graph.classes[0])
        shares.print()
    if target is not None:
        count = target.write(timeline.stretches(), flow.graph.classes[0])
        flow.output.done(f"{count:,} annotations in {shown(target.path)}")
    if wanted.picture is not None:
        _draw(flow, timeline, file, wanted.picture)


def _classify_live(task: _Task, files: list[Path], samples: SampleFormat | None) -> None:
    """Answer samples as they come, until they end or Ctrl-C does."""
    from hw_amc.flows.classify import open_live

    (path,), shares, started = files, Shares(task.flow.graph.classes), time.monotonic()
    with open_live(task.flow, path, samples, task.wanted.idle_s) as live:
        with until_ctrl_c():
            _follow(task, live, shares)
        if live.rest:
            task.flow.output.done(f"{live.rest:,} samples at the end fill no frame")
        task.print_rate(shares.frames, time.monotonic() - started, live.rate_hz)
        if task.wanted.form is Form.TABLE:
            shares.print()


def _follow(task: _Task, live: LiveSamples, shares: Shares) -> None:
    from hw_amc.flows.classify import classify_live, fit_entry, live_level

    flow, form, entry = task.flow, task.wanted.form, fit_entry(task.flow, task.entry, is_recording=True)
    clock = Clock(live.frame_len, rate_hz=live.rate_hz)
    lines, running = task.lines(str(live.path), clock), Running(clock, flow.graph.classes[0])
    level, is_told = live_level(flow, entry), False
    lines.print_head(form)
    if form is Form.TABLE:
        running.print_head()
    try:
        for answers in classify_live(flow, task.classifier, live, entry, level):
            if not is_told:
                _print_level(flow, level, f"{live.path} by {task.classifier.name}", live.path.name)
                is_told = True
            shares.add(answers)
            lines.print(answers, form)
            if form is Form.TABLE:
                running.print(answers)
    finally:
        running.finish()


def require_one_way(overlay: Path | None, board: str | None, cycles: int | None) -> None:
    """Require that an overlay is not asked for together with what it has settled; ConfigError says so."""
    if overlay is not None and (board, cycles) != (None, None):
        raise ConfigError("the overlay has its board and its cycles per step already; leave --board and -R out")


def print_level(flow: RtlFlow, classifier: Classifier, file: FrameFile, entry: Entry) -> None:
    """Say how many frames there are, at which level, and what to mend about it."""
    from hw_amc.flows.classify import measure_level

    level = measure_level(flow, file, entry)
    _print_level(flow, level, f"{shown(file.path)}: {len(file):,} frames by {classifier.name}", file.path.name)


def _print_level(flow: RtlFlow, level: Level, what: str, name: str) -> None:
    flow.output.done(f"{what}; {level.summary()}")
    for problem in level.problems():
        printer.warning(f"{name}: {problem}")


def _draw(flow: RtlFlow, timeline: Timeline, file: FrameFile, picture: Path) -> None:
    from hw_amc.radio.answer_plots import plot_answers

    title = f"{plain(file.path.name)}, {flow.workspace.model}"
    plot_answers(file, timeline, flow.graph.classes[0], picture, title, replace=True)  # asked for at the start
    flow.output.done(shown(picture))
