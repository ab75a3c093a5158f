"""What a network says of the frames of a file: their answers in time, and stretches of equal ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.files.frames import FrameFile, Rows


@dataclass(frozen=True)
class Answers:
    """Answers to consecutive frames."""

    #: Number of the first of them.
    first: int
    #: (n, heads) class of every head.
    labels: NDArray[np.int16]
    #: (n, heads) by how much the best logit of a head leads the next one.
    margins: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of one answer, by the first head."""

    #: Number of the first frame, and how many.
    first: int
    frames: int
    #: First sample and how many, in a recording.
    start: int | None
    samples: int
    label: int
    #: Mean over the frames.
    margin: float


@dataclass(frozen=True)
class Timeline:
    """Answers to the frames of a file."""

    answers: Answers
    frame_len: int
    #: First sample of every frame that was answered, of a recording.
    starts: Rows | None
    #: Samples a second, where they are known.
    rate_hz: float | None
    #: Each so many frames of the file were answered.
    every: int = 1

    @classmethod
    def join(cls, file: FrameFile, parts: Sequence[Answers], every: int = 1) -> Timeline:
        """Put the answers to the frames of a file, or to each so many of them, together in their order."""
        labels, margins = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "margins"))
        starts = None if file.starts is None else file.starts[::every]
        return cls(Answers(0, labels, margins), file.frame_len, starts, rate_of(file), every)

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def is_gapless(self) -> bool:
        """Whether the file's frames follow each other in a recording without a gap."""
        return self.starts is not None and bool((np.diff(self.starts) == self.frame_len * self.every).all())

    def stretches(self, merged: bool = True) -> Iterator[Stretch]:
        """Yield stretches of equal answers without a gap, or every frame as one."""
        labels, margins = self.answers.labels[:, 0], self.answers.margins[:, 0]
        cuts = np.arange(1, len(self))
        if merged:
            change = np.diff(labels) != 0
            if self.starts is not None:
                change |= np.diff(self.starts) != self.frame_len * self.every
            cuts = np.flatnonzero(change) + 1
        edges = np.concatenate([[0], cuts, [len(self)]])
        sums = np.add.reduceat(margins, edges[:-1])
        for first, end, total in zip(edges[:-1].tolist(), edges[1:].tolist(), sums.tolist(), strict=True):
            start = None if self.starts is None else int(self.starts[first])
            yield Stretch(
                first, end - first, start, (end - first) * self.frame_len, int(labels[first]), total / (end - first)
            )


def rate_of(file: FrameFile) -> float | None:
    """Samples a second of a recording, None where the file does not say."""
    rate = file.attributes.get("sample_rate_hz")
    return float(rate) if isinstance(rate, (int, float)) and rate > 0 and file.starts is not None else None
