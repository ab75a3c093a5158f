"""From a recording to answers: the frames of any file through golden, or through the driver of an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.flows.rtl import RtlFlow
from hw_amc.graph import Graph
from hw_amc.interface.gain import MISSING, AutomaticGain
from hw_amc.interface.wire import Normalisation, to_wire
from hw_amc.parallel import map_blocks
from hw_amc.radio.answers import Answers
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.frames import FrameFile, Rows
from hw_amc.radio.level import EXAMINED, Level, examine, scale
from hw_amc.radio.quality import InputPath
from hw_amc.train.level import trained_levels_db, wants_unit_power
from hw_amc.verify.heldout import input_path
from hw_amc.verify.results import golden_logits

if TYPE_CHECKING:
    from hw_amc.driver import AmcOverlay
    from hw_amc.radio.files.live import LiveSamples
    from hw_amc.radio.files.memory import Source

#: Frames that become wire words at a time.
_CONVERTED = 64

#: Frames at a time: of golden or a board, and of a simulation, which takes about a second for each.
_BLOCK, _SIMULATED_BLOCK = 256, 16

#: Blocks from which golden works in several processes.
_MANY = 4

#: What frames that nobody has labelled are called inside.
_UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class Entry:
    """How the samples of a file become the words of a network's input."""

    path: InputPath
    #: Factor of the samples, before anything else.
    gain: float = 1.0
    #: Whether any of it was asked for in place of project.toml's.
    is_asked: bool = False
    #: Whether the accelerator shifts each frame by the gain that the frame before asked for.
    automatic_gain: bool = False

    def to_wire(self, frames: NDArray[np.float32]) -> NDArray[np.int16]:
        """Convert frames (n, T, 2) to wire words, a few at a time: what is computed on the way stays small."""
        words = np.empty(frames.shape, np.int16)
        for first in range(0, len(frames), _CONVERTED):
            part = scale(frames[first : first + _CONVERTED], self.gain)
            words[first : first + _CONVERTED] = to_wire(part, self.path.wire_frac, self.path.normalise)
        return words


@dataclass(frozen=True)
class Classifier:
    """What answers: golden, a simulation, or a board."""

    name: str
    #: Wire words (n, T, 2) -> raw logits (n, classes) of all heads.
    run: Callable[[NDArray[np.int16]], NDArray[np.int32]]
    #: Frames at a time.
    block: int
    #: The same for blocks, one after another as they are taken; by default with `run`.
    run_all: Callable[[Sequence[NDArray[np.int16]]], Iterator[NDArray[np.int32]]] | None = None
    #: Channels whose frames take turns.
    n_channels: int = 1

    def answer(self, blocks: Sequence[NDArray[np.int16]]) -> Iterator[NDArray[np.int32]]:
        """Yield the raw logits of every block, in order."""
        return map(self.run, blocks) if self.run_all is None else self.run_all(blocks)


def make_entry(
    flow: RtlFlow,
    normalise: Normalisation | None = None,
    input_shift: int | None = None,
    gain: float = 1.0,
    automatic_gain: bool = False,
) -> Entry:
    """Make the way into a network: project.toml's, with what is asked for in place of it.

    The automatic gain takes the place of a normalisation.

    Raises
    ------
    ConfigError
        The gain is no positive number; or frames are to be normalised and to have the automatic gain.
    """
    if automatic_gain and normalise == "rms":
        raise ConfigError("frames that are normalised need no gain; leave out --automatic-gain, or --normalise")
    if not 0 < gain < float("inf"):
        raise ConfigError(f"a gain is a factor above 0, not {gain:g}")
    path = input_path(flow.graph, flow.workspace.settings().input)
    shift = path.input_shift if input_shift is None else input_shift
    asked = normalise is not None or input_shift is not None or gain != 1 or automatic_gain
    scaling = "none" if automatic_gain else normalise or path.normalise
    return Entry(replace(path, normalise=scaling, input_shift=shift), gain, asked, automatic_gain)


def fit_entry(flow: RtlFlow, entry: Entry, is_recording: bool) -> Entry:
    """Return the way of a file into a network: recordings, whose level nobody knows, are normalised frame by frame.

    Frames of sets keep the level that they have, as do all frames of a model that was trained at a level which is not
    known, and those for which a gain, a shift or a normalisation was asked.
    """
    if entry.is_asked or not is_recording or not wants_unit_power(flow.workspace):
        return entry
    return replace(entry, path=replace(entry.path, normalise="rms"))


def open_recording(flow: RtlFlow, path: Source, samples: Any = None, labelled: bool = False) -> FrameFile:
    """Open a file and cut it into frames of the network's length: all of it, or what is labelled.

    Errors are those of `hw_amc.radio.open_frames` as well.

    Raises
    ------
    ConfigError
        The file holds frames of another length.
    """
    from hw_amc.radio import open_frames

    wanted = flow.graph.frame_len
    options = CaptureOptions(wanted, samples=samples)
    if not labelled:
        options = replace(options, stand_in=_UNLABELLED, whole=True)
    file = open_frames(path, options)
    if file.frame_len != wanted:
        raise ConfigError(f"{path} holds frames of {file.frame_len} samples, {flow.workspace.model} takes {wanted}")
    return file


@contextmanager
def open_classifier(
    flow: RtlFlow, entry: Entry, overlay: Path | None, simulated: bool, workers: int = 1
) -> Iterator[Classifier]:
    """Open golden, in several processes where asked; or an overlay's accelerator, or a simulated one, through PYNQ.

    Raises
    ------
    ConfigError
        The overlay holds another network; or the accelerator has no automatic gain, and `entry` asks for it.
    DeviceError, ToolMissing, ToolFailed
        The device fails; what a simulation needs is missing, or fails.
    """
    if entry.automatic_gain and overlay is None and not flow.settings.automatic_gain:
        raise ConfigError(MISSING)
    if overlay is None and not simulated:
        if entry.automatic_gain:
            levelled = _Levelled(flow, entry, workers)
            channels = levelled.rule.n_channels
            yield Classifier("golden", levelled.run, _whole_groups(_BLOCK, channels), n_channels=channels)
            return
        work = partial(_golden, flow.graph, entry.path.input_shift)
        yield Classifier(
            "golden", work, _BLOCK, lambda blocks: map_blocks(work, blocks, workers if len(blocks) >= _MANY else 1)
        )
        return
    from hw_amc.bench.backend import Device
    from hw_amc.driver import AmcOverlay
    from hw_amc.flows.board import write_simulated

    if overlay is None:
        with flow.exclusive():
            overlay = write_simulated(flow)
    with AmcOverlay(overlay) as amc:
        device = Device(flow.graph, amc)
        amc.set_input_shift(entry.path.input_shift)
        amc.automatic_gain = entry.automatic_gain
        block, channels = _SIMULATED_BLOCK if amc.simulated else _BLOCK, amc.manifest.n_channels
        work = partial(_through, amc)
        yield Classifier(device.name, work, _whole_groups(block, channels), n_channels=channels)


def _whole_groups(block: int, n_channels: int) -> int:
    """Make a block one of whole groups: frame i of a file is then of channel i mod n_channels, whatever the block."""
    return max(block - block % n_channels, n_channels)


def _golden(graph: Graph, input_shift: int, wire: NDArray[np.int16]) -> NDArray[np.int32]:
    return golden_logits(graph, wire, input_shift)


class _Levelled:
    """Golden behind the automatic gain of one stream of frames, whose gains it remembers from call to call."""

    def __init__(self, flow: RtlFlow, entry: Entry, workers: int) -> None:
        self._graph, self._input_shift, self._workers = flow.graph, entry.path.input_shift, workers
        # Where project.toml does not say, what is built tells how many channels there are.
        is_built = flow.settings.mode == "channels" and not flow.settings.n_channels
        n_channels = flow.accelerator.manifest.n_channels if is_built else max(flow.settings.n_channels, 1)
        self.rule = AutomaticGain(flow.graph.frame_len, flow.graph.input.fmt.frac, n_channels)
        self._gains = self.rule.start

    def run(self, wire: NDArray[np.int16]) -> NDArray[np.int32]:
        """Return the raw logits of the next frames."""
        gains, self._gains = self.rule.follow(_fill_channels(wire, self.rule.n_channels), self._gains)
        shifts = AutomaticGain.shifts(gains[: len(wire)], self._input_shift)
        return golden_logits(self._graph, wire, shifts, self._workers)


def _fill_channels(wire: NDArray[np.int16], n_channels: int) -> NDArray[np.int16]:
    """Put silence into the channels that frames (n, T, 2) leave over."""
    missing = -len(wire) % n_channels
    return np.concatenate([wire, np.zeros((missing, *wire.shape[1:]), np.int16)])


def _through(amc: AmcOverlay, wire: NDArray[np.int16]) -> NDArray[np.int32]:
    """Classify by an accelerator, with silence in the channels that are left over."""
    return amc.classify(_fill_channels(wire, amc.manifest.n_channels)).logits[: len(wire)]


def classify(
    flow: RtlFlow, classifier: Classifier, file: FrameFile, entry: Entry, rows: Rows | None = None
) -> Iterator[Answers]:
    """Yield the answers to the frames of a file, all or those of `rows`, a block at a time."""
    wanted = np.arange(len(file)) if rows is None else rows
    blocks = _Blocks(file, wanted, entry, classifier.block)
    firsts = flow.output.track(range(0, len(wanted), classifier.block), f"{classifier.name}: {file.path.name}")
    for first, logits in zip(firsts, classifier.answer(blocks), strict=True):
        yield to_answers(flow.graph, logits, first)


@dataclass(frozen=True)
class _Blocks(Sequence[NDArray[np.int16]]):
    """Frames of a file as wire words, read a block at a time when they are asked for."""

    file: FrameFile
    rows: Rows
    entry: Entry
    size: int

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        frames, _, _ = self.file.read(self.rows[number * self.size : (number + 1) * self.size])
        self.file.release()
        return self.entry.to_wire(frames)


def open_live(flow: RtlFlow, path: Path, samples: Any = None, idle_s: float | None = None) -> LiveSamples:
    """Open the standard input (`-`) or a file that grows; errors are those of `LiveSamples`."""
    from hw_amc.radio.files.live import LiveSamples

    return LiveSamples(path, CaptureOptions(flow.graph.frame_len, samples=samples), idle_s)


def require_one_channel(classifier: Classifier, entry: Entry) -> None:
    """Refuse the automatic gain of several channels for a stream: it comes in pieces of any size, from one source.

    Raises
    ------
    ConfigError
        Frames of a stream would meet the gains of other channels.
    """
    if entry.automatic_gain and classifier.n_channels > 1:
        raise ConfigError(
            f"this accelerator has a gain for each of its {classifier.n_channels} channels, and a stream is one: "
            "normalise its frames instead of the automatic gain, or build the accelerator for one channel"
        )


def live_level(flow: RtlFlow, entry: Entry) -> Level:
    """Make what measures the level of frames as they come."""
    rule = AutomaticGain(flow.graph.frame_len, entry.path.wire_frac) if flow.settings.automatic_gain else None
    return Level(entry.path, entry.gain, trained_levels_db(flow.workspace), rule=rule, is_levelled=entry.automatic_gain)


def classify_live(
    flow: RtlFlow, classifier: Classifier, live: LiveSamples, entry: Entry, level: Level
) -> Iterator[Answers]:
    """Yield the answers to frames as they come; `level` measures the first of them.

    Raises
    ------
    ConfigError
        The automatic gain is one of several channels.
    """
    require_one_channel(classifier, entry)
    for first, frames in live.batches(classifier.block):
        if level.quality.frames < EXAMINED:
            level.add(frames)
        yield to_answers(flow.graph, classifier.run(entry.to_wire(frames)), first)


def to_answers(graph: Graph, logits: NDArray[np.int32], first: int = 0) -> Answers:
    """Take class and margin of every head from raw logits (n, classes); the lowest index wins a tie."""
    ends = np.cumsum([len(classes) for classes in graph.classes])[:-1]
    labels, margins = [], []
    for head in np.split(logits.astype(np.int64), ends, axis=1):
        labels.append(head.argmax(axis=1))
        ranked = np.sort(head, axis=1)
        lead = ranked[:, -1] - ranked[:, -2] if head.shape[1] > 1 else np.zeros(len(head))
        margins.append(lead / 2.0**graph.logit_frac)
    return Answers(first, np.stack(labels, axis=1).astype(np.int16), np.stack(margins, axis=1))


def measure_level(flow: RtlFlow, file: FrameFile, entry: Entry) -> Level:
    """Measure the level of a file's frames at the network's input, on at most 4,096 frames of all over it."""
    level = live_level(flow, entry)
    examine(level, file)
    return level
