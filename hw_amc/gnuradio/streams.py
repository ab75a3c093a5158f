"""A stream of samples, as it comes, to the answers of a network: frames are cut, levelled and classified."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.flows.classify import (
    Classifier,
    fit_entry,
    live_level,
    make_entry,
    open_classifier,
    require_one_channel,
    to_answers,
)
from hw_amc.flows.rtl import SIMULATED, RtlFlow, RtlOptions
from hw_amc.interface.wire import Normalisation
from hw_amc.radio.level import Level

#: What answers where no accelerator is asked for.
GOLDEN = "golden"

#: Frames whose level is measured before anything is said about it.
_EXAMINED = 64


@dataclass(frozen=True)
class FrameAnswer:
    """The answer to one frame of a stream."""

    #: Number of the frame's first sample since the stream began, and how many samples it has.
    sample: int
    samples: int
    #: Class of every head of the network, and by how much its logit leads the next one.
    labels: tuple[str, ...]
    margins: tuple[float, ...]


class StreamClassifier:
    """Classifies a stream of complex samples frame by frame.

    Parameters
    ----------
    model : str
        Name of a model: a folder under hls_projects/ of the workspace, or one that the package ships.
    device : str
        `golden`, the integer interpreter; `sim`, the simulated Verilog of the model's board; or the path of an
        overlay, which runs on the board that is here, a remote one, or is itself a simulated overlay.
    every : int
        Answer one frame of every so many; the others are passed over.
    normalise : str
        `none` or `rms`; empty for what a recording gets: `rms`, unless a gain of either kind or a shift is given.
    input_shift : int, optional
        Shift of the accelerator's input; project.toml's by default.
    gain : float
        Factor of the samples before anything else.
    automatic_gain : bool
        Whether a frame is shifted as the answered frame before it asks, for an accelerator that is built with
        `[rtl] automatic_gain = true` and has one channel.

    Raises
    ------
    ConfigError
        Unknown model, wrong setting, or an overlay of another network or without the gain.
    DeviceError, ToolMissing, ToolFailed
        The device fails; what a simulation needs is missing, or fails.
    """

    def __init__(
        self,
        model: str,
        device: str = GOLDEN,
        every: int = 1,
        normalise: str = "",
        input_shift: int | None = None,
        gain: float = 1.0,
        automatic_gain: bool = False,
    ) -> None:
        if every < 1:
            raise ConfigError(f"every = {every}: one frame of every 1 or more can be answered")
        if normalise and normalise not in get_args(Normalisation):
            raise ConfigError(f"normalise = {normalise!r} is none of {', '.join(get_args(Normalisation))}")
        self._device, self._every = device, every
        self._flow = RtlFlow.open(model, RtlOptions(SIMULATED if device == SIMULATED else None))
        scaling = cast(Normalisation, normalise) if normalise else None
        entry = make_entry(self._flow, scaling, input_shift, gain, automatic_gain)
        self._entry = fit_entry(self._flow, entry, is_recording=True)
        self._columns = ("", *(f"_{name}" for name in self._flow.graph.outputs[1:]))
        self._opened = ExitStack()
        self._classifier: Classifier | None = None
        self.open()

    @property
    def frame_len(self) -> int:
        """Samples of a frame."""
        return self._flow.graph.frame_len

    @property
    def heads(self) -> tuple[str, ...]:
        """What tells the heads apart in a name: nothing for the first, `_<output>` for others."""
        return self._columns

    def open(self) -> None:
        """Open the device, if it is not open, and begin with sample 0."""
        self._rest: NDArray[np.complex64] = np.zeros(0, np.complex64)
        self._taken = self._frames = self._broken = 0
        self._level: Level | None = live_level(self._flow, self._entry)
        if self._classifier is None:
            overlay = None if self._device in (GOLDEN, SIMULATED) else Path(self._device)
            opening = open_classifier(self._flow, self._entry, overlay, self._device == SIMULATED)
            self._classifier = self._opened.enter_context(opening)
            require_one_channel(self._classifier, self._entry)

    def close(self) -> None:
        """Close the device."""
        self._classifier = None
        self._opened.close()

    def answer(self, samples: NDArray[np.complex64]) -> Iterator[FrameAnswer]:
        """Take the next samples, and yield the answers to the frames that they complete, in order.

        Frames with samples that are no numbers get no answer. `problems` says so.
        """
        frames, starts = self._cut(samples)
        assert self._classifier is not None, "open() before answer()"
        for first in range(0, len(frames), self._classifier.block):
            block = frames[first : first + self._classifier.block]
            if self._level is not None:
                self._level.add(block)
            logits = self._classifier.run(self._entry.to_wire(block))
            answers = to_answers(self._flow.graph, logits)
            for start, labels, margins in zip(
                starts[first:].tolist(), answers.labels.tolist(), answers.margins.tolist(), strict=False
            ):
                named = (names[label] for names, label in zip(self._flow.graph.classes, labels, strict=True))
                yield FrameAnswer(start, self.frame_len, tuple(named), tuple(margins))

    def problems(self, at_end: bool = False) -> Iterator[str]:
        """Say once what is wrong with the level, when 64 frames were seen or the stream ends; and what got no answer.

        The words name this class's parameters.
        """
        if self._broken:
            yield f"{self._broken} frames hold samples that are no numbers and got no answer"
            self._broken = 0
        level, seen = self._level, self._frames
        if level is not None and seen and (seen >= _EXAMINED or at_end):
            self._level = None
            for problem in level.problems():
                yield re.sub("--([a-z-]+)", lambda option: option[1].replace("-", "_"), problem)

    def _cut(self, samples: NDArray[np.complex64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the frames (n, T, 2) that are complete now and are to be answered, and their first samples."""
        T = self.frame_len
        joined = np.concatenate([self._rest, samples.astype(np.complex64, copy=False)])
        count = len(joined) // T
        starts = self._taken + T * np.arange(count)
        frames = np.ascontiguousarray(joined[: count * T]).view(np.float32).reshape(count, T, 2)
        self._rest = joined[count * T :].copy()
        self._taken += count * T
        wanted = starts // T % self._every == 0
        sound = np.isfinite(frames).all(axis=(1, 2))
        self._broken += int(np.count_nonzero(wanted & ~sound))
        chosen = wanted & sound
        self._frames += int(np.count_nonzero(chosen))
        return frames[chosen], starts[chosen]
