"""A picture of answers: the spectrogram of a recording, and along it what a network says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.answers import Timeline
from hw_amc.radio.files.frames import FrameFile
from hw_amc.radio.plots import open_picture
from hw_amc.style import BLUE

#: Columns of the picture at most, and frames that one of them looks at.
_COLUMNS, _LOOKS = 1000, 4

#: Samples of a window of the spectrogram.
_WINDOW = 128

#: Lowest level shown below the highest, dB.
_FLOOR_DB = 60.0


def plot_answers(
    file: FrameFile,
    timeline: Timeline,
    classes: Sequence[str],
    path: Path,
    title: str = "",
    replace: bool = False,
) -> None:
    """Draw a recording's spectrogram, the answers of the first head along it, and their margins.

    A picture has up to 1,000 columns; in longer files each stands for several frames, of which the spectrogram shows
    four, the answers the shares and the margins the mean.

    Parameters
    ----------
    file : FrameFile
    timeline : Timeline
        Answers to all its frames.
    classes : sequence of str
        Names of the first head's classes.
    path : Path
        The ending says the format.
    title : str

    Raises
    ------
    ConfigError
        Unknown ending.
    """
    labels = timeline.answers.labels[:, 0]
    found = np.unique(labels)
    span, unit = _axis(timeline)
    rate = timeline.rate_hz
    with open_picture(path, 12.0, 5.6 + 0.2 * len(found), (3, 1), replace) as axes:
        (top,), (middle,), (bottom,) = axes
        top.get_gridspec().set_height_ratios([3, 0.5 + 0.25 * len(found), 1])
        half = rate / 2e3 if rate else 0.5
        levels = _decibels(_spectra(file))
        top.imshow(levels, extent=(*span, -half, half), cmap="viridis", vmin=-_FLOOR_DB, vmax=0, **_IMAGE)
        top.set_ylabel("frequency, kHz" if rate else "frequency, cycles per sample")
        top.set_title(title, loc="left", fontweight="bold")
        shares, margins = _columns(timeline, found)
        middle.imshow(shares, extent=(*span, -0.5, len(found) - 0.5), cmap="Blues", vmin=0, vmax=1, **_IMAGE)
        middle.set_yticks(range(len(found)), [classes[label] for label in found])
        middle.set_ylabel("answer")
        edges = np.linspace(*span, len(margins) + 1)
        bottom.stairs(margins, edges, color=BLUE, fill=True, alpha=0.6)
        bottom.set(xlabel=unit, ylabel="margin", xlim=span, ylim=(0, None))
        for one in (top, middle):
            one.grid(visible=False)


_IMAGE: dict[str, Any] = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}


def _axis(timeline: Timeline) -> tuple[tuple[float, float], str]:
    """First and last value of the horizontal axis, and what it is."""
    if timeline.starts is None or not timeline.is_gapless:
        return (0.0, float(len(timeline))), "frame"
    first, last = int(timeline.starts[0]), int(timeline.starts[-1]) + timeline.frame_len
    if timeline.rate_hz:
        return (first / timeline.rate_hz, last / timeline.rate_hz), "time, s"
    return (float(first), float(last)), "sample"


def _spectra(file: FrameFile) -> NDArray[np.float64]:
    """Power over frequency (rows, ascending) and the file's frames in order (columns)."""
    size = min(_WINDOW, file.frame_len)
    window = np.hanning(size + 2)[1:-1]
    count = min(len(file), _COLUMNS)
    # Short recordings have more columns than frames.
    pieces = max(1, min(_COLUMNS // len(file), file.frame_len // size))
    found = []
    for column in range(count):
        first, end = (len(file) * edge // count for edge in (column, column + 1))
        frames, _, _ = file.read(np.unique(np.linspace(first, end - 1, _LOOKS).astype(np.int64)))
        file.release()
        samples = frames @ np.array([1, 1j], np.complex64)
        for piece in np.array_split(samples, pieces, axis=1):
            parts = np.lib.stride_tricks.sliding_window_view(piece, size, axis=1)[:, :: max(1, size // 2)]
            found.append(np.square(np.abs(np.fft.fft(parts * window))).mean(axis=(0, 1)))
    return np.fft.fftshift(np.stack(found, axis=1), axes=0)


def _decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    level: NDArray[np.float64] = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-300), 1e-30))
    return level


def _columns(timeline: Timeline, found: NDArray[np.int16]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of each class (rows) among the answers of a column, and their mean margin."""
    count = min(len(timeline), _COLUMNS)
    column = np.arange(len(timeline)) * count // len(timeline)
    frames = np.bincount(column, minlength=count)
    row = np.searchsorted(found, timeline.answers.labels[:, 0])
    shares = np.zeros((len(found), count))
    np.add.at(shares, (row, column), 1)
    margins = np.bincount(column, timeline.answers.margins[:, 0], count)
    return shares / frames, margins / frames
