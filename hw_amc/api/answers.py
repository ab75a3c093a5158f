"""What a network says of frames."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.api import html
from hw_amc.api.words import python_words
from hw_amc.models import Classes
from hw_amc.radio.answers import Timeline
from hw_amc.radio.files.frames import FrameFile
from hw_amc.text import plain

#: MIME type of a picture by its ending.
_MIME = {".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf"}


@dataclass(frozen=True)
class Picture:
    """A picture that a notebook shows."""

    data: bytes = field(repr=False)
    mime: str
    #: Where it was written, if anywhere.
    path: Path | None = None

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {self.mime: self.data.decode() if self.mime == _MIME[".svg"] else self.data}


@dataclass(frozen=True, eq=False, repr=False)
class Answers:
    """Answers to the frames of a file or an array, in their order.

    Of a network with one head the arrays are (n,), of one with several (n, heads).

    Attributes
    ----------
    model, source, by : str
        Who answered, about what, and through what: golden, the simulated device, the board.
    classes : tuple of tuples of str
        Class names of every head.
    level : str
        The frames' level at the network's input, in one line.
    problems : tuple of str
        What is wrong with it, each with its mend; these were warned about.
    """

    model: str
    source: str
    by: str
    classes: Classes
    level: str
    problems: tuple[str, ...]
    _timeline: Timeline
    _file: FrameFile
    _digest: str

    def __len__(self) -> int:
        return len(self._timeline)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.labels)

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {share:.0%}" for name, share in list(self.shares.items())[:5])
        return f"<{len(self):,} answers of {self.model} to {plain(self.source)} by {self.by}: {told}>"

    @property
    def indices(self) -> NDArray[np.int16]:
        """Number of the answered class."""
        return self._squeezed(self._timeline.answers.labels)

    @property
    def margins(self) -> NDArray[np.float64]:
        """By how much the best logit leads the next one; no probability."""
        return self._squeezed(self._timeline.answers.margins)

    @cached_property
    def labels(self) -> NDArray[np.str_]:
        """Name of the answered class."""
        columns = self._timeline.answers.labels.T
        return self._squeezed(
            np.stack([np.array(names)[column] for names, column in zip(self.classes, columns, strict=True)], axis=1)
        )

    @property
    def starts(self) -> NDArray[np.int64] | None:
        """First sample of every frame, of a recording."""
        return self._timeline.starts

    @property
    def times_s(self) -> NDArray[np.float64] | None:
        """When every frame begins, seconds, where the sample rate is known."""
        starts, rate = self._timeline.starts, self._timeline.rate_hz
        return None if starts is None or rate is None else starts / rate

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share (0..1) of each answer of the first head, the most frequent first."""
        labels = self._timeline.answers.labels[:, 0]
        counts = np.bincount(labels, minlength=len(self.classes[0])) / len(labels)
        order = np.argsort(-counts, kind="stable")
        return {self.classes[0][at]: float(counts[at]) for at in order if counts[at]}

    def plot(self, path: str | Path | None = None) -> Picture:
        """Draw the spectrogram, and along it answers and margins; a notebook shows what this returns.

        Parameters
        ----------
        path : str or Path, optional
            Write it there, too: .png, .svg or .pdf.
        """
        from hw_amc.radio.answer_plots import plot_answers

        title = f"{plain(Path(self.source).name)}, {self.model}"
        with tempfile.TemporaryDirectory() as folder, python_words():
            target = Path(folder) / "answers.png" if path is None else Path(path)
            plot_answers(self._file, self._timeline, self.classes[0], target, title)
            return Picture(target.read_bytes(), _MIME[target.suffix.lower()], None if path is None else target)

    def annotate(self) -> Path:
        """Write `<recording>.<model>.sigmf-meta` beside a recording: an annotation for every stretch.

        Raises
        ------
        ConfigError
            Something else stands there.
        DataError
            The frames are no recording in a file.
        """
        from hw_amc.radio.annotations import find_target

        with python_words():
            target = find_target(self._file, self.model, self._digest)
            target.write(self._timeline.stretches(), self.classes[0])
        return target.path

    def _repr_html_(self) -> str:
        title = f"{len(self):,} answers of {self.model} to {self.source} by {self.by}"
        notes = [html.paragraph(text) for text in (self.level, *self.problems)]
        return html.block(title, *notes, self._stretches(), self._counts())

    def _stretches(self) -> str:
        rate, every, rows = self._timeline.rate_hz, self._timeline.every, []
        merged = len(self) > html.MOST_ROWS
        for each in self._timeline.stretches(merged):
            first, last = every * each.first, every * (each.first + each.frames - 1)
            frames = f"{first}" if each.frames == 1 else f"{first} to {last}"
            time = "" if each.start is None or rate is None else f"{each.start / rate:.6g}"
            label = self.classes[0][each.label]
            rows.append((frames, "" if each.start is None else f"{each.start:,}", time, label, f"{each.margin:.3f}"))
        heads = ("frames" if merged else "frame", "first sample", "time, s", "answer", "margin")
        keep = [at for at in range(len(heads)) if not rows or any(row[at] for row in rows)]
        return html.table([heads[at] for at in keep], [[row[at] for at in keep] for row in rows])

    def _counts(self) -> str:
        return html.table(("answer", "share"), [(name, f"{share:.1%}") for name, share in self.shares.items()])

    def _squeezed(self, array: NDArray[Any]) -> NDArray[Any]:
        return array[:, 0] if len(self.classes) == 1 else array
