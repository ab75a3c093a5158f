"""Pictures of frames: samples, constellation, spectrum, spectrogram; of the limit that noise sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import atomic_path, require_replaceable
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, FrameFile, Rows
from hw_amc.radio.generator.limit import Limit
from hw_amc.style import BLUE, MUTED, ORANGE, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Picture formats, by ending.
ENDINGS = (".png", ".svg", ".pdf")

#: Stands in the metadata of pictures, within so many bytes of either end.
_MARK, _METADATA = b"hw-amc", 4096

#: Most frames in one picture.
MOST_FRAMES = 16

#: Samples of a spectrogram's window, at most; how many windows overlap at each sample.
_WINDOW, _OVERLAP = 64, 4

#: Lowest level shown below the highest, dB.
_FLOOR_DB = 70.0


def choose_rows(
    file: FrameFile,
    count: int,
    rows: Sequence[int] = (),
    class_name: str | None = None,
    snr_db: int | None = None,
) -> Rows:
    """Pick the frames to draw: those named, or the first of a class and SNR, or some from all over the file.

    Raises
    ------
    DataError
        No frame is so, or the class is unknown.
    """
    if rows:
        return np.asarray(rows, np.int64)
    from hw_amc.radio.names import standard_name

    labels = None
    if class_name is not None:
        labels = [i for i, name in enumerate(file.classes) if standard_name(name) == standard_name(class_name)]
        if not labels:
            raise DataError(f"{file.path} has no class {class_name!r}; it has {', '.join(file.classes)}")
    found = file.select(labels, None if snr_db is None else [snr_db])
    if not len(found):
        raise DataError(f"{file.path} has no frame of {class_name or 'any class'} at {snr_db} dB")
    if class_name is None and snr_db is None:
        return found[np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).astype(np.int64))]
    return found[:count]


def plot_frames(file: FrameFile, rows: Rows, path: Path, replace: bool = False) -> None:
    """Draw frames, one a line: I and Q, constellation, spectrum, spectrogram.

    Parameters
    ----------
    file : FrameFile
    rows : (n,) int
    path : Path
        The ending says the format. A picture of hw-amc's is replaced.

    replace : bool
        Replace any file at `path`.

    Raises
    ------
    ConfigError
        Unknown ending, more than 16 frames, or a file at `path` that hw-amc did not draw.
    DataError
        A frame cannot be read.
    """
    if not 1 <= len(rows) <= MOST_FRAMES:
        raise ConfigError(f"a picture shows 1 to {MOST_FRAMES} frames, not {len(rows)}")
    frames, labels, snrs = file.read(rows)
    rate_hz = float(file.attributes.get("sample_rate_hz", 0)) or None
    with open_picture(path, 15.0, 3.1 * len(rows), (len(rows), 4), replace) as all_axes:
        for number, axes in enumerate(all_axes):
            name = file.classes[labels[number]]
            if file.signals:
                name += f" / {file.signals[file.signal_labels[rows[number]]]}"
            level = "" if snrs[number] == UNKNOWN_SNR_DB else f", {snrs[number]} dB"
            axes[0].set_title(f"frame {rows[number]}: {name}{level}", loc="left", fontweight="bold")
            _draw(axes, frames[number].astype(np.float64), rate_hz)


def _draw(axes: Sequence[Any], frame: NDArray[np.float64], rate_hz: float | None) -> None:
    """Draw one frame (T, 2) into its four panels."""
    samples = frame @ (1, 1j)
    time = np.arange(len(frame)) / (rate_hz / 1e6 if rate_hz else 1)
    unit, frequency = ("µs", "frequency, kHz") if rate_hz else ("samples", "frequency, cycles per sample")
    axes[0].plot(time, frame[:, 0], color=BLUE, lw=1, label="I")
    axes[0].plot(time, frame[:, 1], color=ORANGE, lw=1, label="Q")
    axes[0].set(xlabel=f"time, {unit}", xlim=(time[0], time[-1]))
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    reach = 1.05 * max(float(np.abs(frame).max()), 1e-9)
    axes[1].plot(frame[:, 0], frame[:, 1], ".", color=BLUE, ms=3, alpha=0.6)
    axes[1].set(xlabel="I", ylabel="Q", xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    scale = rate_hz / 1e3 if rate_hz else 1.0
    bins, level = spectrum(samples)
    axes[2].plot(bins * scale, level, color=BLUE, lw=1)
    axes[2].set(xlabel=frequency, ylabel="dB below the peak", ylim=(-_FLOOR_DB, 3), xlim=(-scale / 2, scale / 2))
    levels = spectrogram(samples)
    extent = (time[0], time[-1], -scale / 2, scale / 2)
    axes[3].imshow(levels, aspect="auto", origin="lower", extent=extent, cmap="viridis", vmin=-_FLOOR_DB, vmax=0)
    axes[3].set(xlabel=f"time, {unit}", ylabel=frequency)
    axes[3].grid(visible=False)


def spectrum(samples: NDArray[np.complex128]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power spectrum of a frame (T,) through a Hann window.

    Returns
    -------
    frequency : (T,) cycles per sample, ascending
    level : (T,) dB below the peak
    """
    window = np.hanning(len(samples) + 2)[1:-1]
    return np.fft.fftshift(np.fft.fftfreq(len(samples))), _decibels(np.fft.fftshift(np.fft.fft(samples * window)))


def spectrogram(samples: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Level over frequency (rows, ascending) and time of a frame (T,): dB below the peak."""
    size = min(_WINDOW, len(samples))
    parts = np.lib.stride_tricks.sliding_window_view(samples, size)[:: max(1, size // _OVERLAP)]
    spectra = np.fft.fft(parts * np.hanning(size + 2)[1:-1], axis=1)
    return _decibels(np.fft.fftshift(spectra, axes=1)).T


def _decibels(values: NDArray[np.complex128]) -> NDArray[np.float64]:
    power = np.square(np.abs(values))
    level: NDArray[np.float64] = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-300), 1e-30))
    return level


def plot_limit(
    limit: Limit,
    classes: Sequence[str],
    path: Path,
    reached: Mapping[str, Mapping[int, float]] | None = None,
    replace: bool = False,
) -> None:
    """Draw a limit over its own classes, with two standard deviations.

    Parameters
    ----------
    limit : Limit
    classes : sequence of str
        Where these are more, the bound that follows for all of them is drawn, too.
    path : Path
        The ending says the format. A picture of hw-amc's is replaced.
    reached : mapping, optional
        Accuracy (0..1) by SNR in dB among the limit's classes, by name of a network.

    Raises
    ------
    ConfigError
        Unknown ending.
    """
    with open_picture(path, 8.2, 3.9, (1, 1), replace) as ((axes,),):
        snrs = [point.snr_db for point in limit.points]
        values = np.array([100 * point.accuracy for point in limit.points])
        errors = np.array([200 * point.error for point in limit.points])
        axes.fill_between(snrs, values - errors, values + errors, color=BLUE, alpha=0.25, lw=0)
        axes.plot(snrs, values, "-o", color=BLUE, ms=4, label=f"limit, {len(limit.classes)} linear modulations")
        if len(classes) > len(limit.classes):
            bound = limit.bound(classes)
            label = f"all {len(classes)} classes, the others taken as always right"
            axes.plot(list(bound), [100 * value for value in bound.values()], "--", color=MUTED, label=label)
        for number, (name, accuracy) in enumerate((reached or {}).items(), 1):
            axes.plot(list(accuracy), [100 * x for x in accuracy.values()], "-s", color=f"C{number}", ms=3, label=name)
        title = f"average-likelihood classifier, {limit.symbols} symbols, phase {limit.phase}"
        axes.set_title(title, loc="left")
        axes.set(xlabel="signal-to-noise ratio, dB", ylabel="accuracy, %", ylim=(0, 102))
        axes.legend(loc="lower right")


def require_picture(path: Path, replace: bool = False) -> None:
    """Require that a picture can be written to `path`.

    Raises
    ------
    ConfigError
        Its ending says no format of pictures, or a file stands there that hw-amc did not draw.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"pictures end in {', '.join(ENDINGS)}, not {path.name!r}")
    require_replaceable(path, is_ours, replace)


@contextmanager
def open_picture(
    path: Path, width: float, height: float, shape: tuple[int, int], replace: bool = False
) -> Iterator[Any]:
    """Yield the axes of a figure in the project's style and write it, whole or not at all.

    A picture that hw-amc drew earlier is replaced, another file only where `replace` says so.
    """
    require_picture(path, replace)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.subplots(*shape, squeeze=False)
        _save(figure, path, replace)


def is_ours(path: Path) -> bool:
    """Whether a picture was drawn by hw-amc, as its metadata say."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_METADATA)
            stream.seek(max(0, path.stat().st_size - _METADATA))
            return _MARK in start or _MARK in stream.read()
    except OSError:
        return False


def _save(figure: Figure, path: Path, replace: bool) -> None:
    require_replaceable(path, is_ours, replace)
    # No dates: equal frames give equal files.
    metadata = {
        ".svg": {"Date": None, "Creator": _MARK.decode()},
        ".pdf": {"CreationDate": None, "Creator": _MARK.decode()},
        ".png": {"Software": _MARK.decode()},
    }
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata=metadata.get(path.suffix.lower()))
