"""What is in a file of frames: counts of everything, quality of some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, FrameFile
from hw_amc.radio.files.readers import open_frames
from hw_amc.radio.quality import InputPath, Quality

#: Most frames whose samples are read.
_EXAMINED = 16384

#: Attributes of a file that are shown.
_SHOWN = ("recipe_name", "digest", "split", "source", "sample_rate_hz", "datatype", "hardware", "description")


def describe(path: Path, options: CaptureOptions | None = None, to_network: InputPath | None = None) -> dict[str, Any]:
    """Summarise a file of frames of any format.

    What the samples are like comes from at most 16,384 frames spread evenly over the file, the rest from all of it.

    Parameters
    ----------
    path : Path
    options : CaptureOptions, optional
        Of a recording.
    to_network : InputPath, optional
        How frames reach the network in question; the default wire format when left out.

    Returns
    -------
    dict
        format, frames, frame_len, classes (name -> frames), signals likewise where frames have a second label,
        snrs_db (list; none where unknown), frames_per_cell (fewest, most), frames_examined, mean_power (of
        I**2 + Q**2), mean_offset (I, Q), silent_frames, saturated (share of the I and Q values that leave the range
        `input_range` of the network's input), clipped (share at the lowest or highest value of all), recipe_name,
        digest, split, sample_rate_hz and the like where the file has them, and problems (list of lines).

    Raises
    ------
    DataError
        The file is damaged, empty or of no known format.
    """
    with open_frames(path, options) as file:
        if not len(file):
            raise DataError(f"{path} holds no frames; generate or fetch it again")
        quality = _examine(file, to_network or InputPath())
        cells = [len(rows) for _, _, rows in file.cells()]
        found: dict[str, Any] = {
            "format": type(file).__name__.removesuffix("File").removesuffix("Frames"),
            "frames": len(file),
            "frame_len": file.frame_len,
            "classes": _count(file.classes, file.labels),
        }
        if file.signals:
            found["signals"] = _count(file.signals, file.signal_labels)
        return {
            **found,
            "snrs_db": [int(snr) for snr in np.unique(file.snrs_db) if snr != UNKNOWN_SNR_DB],
            "frames_per_cell": (min(cells), max(cells)),
            **_figures(quality),
            **{key: file.attributes[key] for key in _SHOWN if key in file.attributes},
            "problems": quality.problems(),
        }


def _examine(file: FrameFile, to_network: InputPath) -> Quality:
    quality = Quality(to_network)
    rows = np.unique(np.linspace(0, len(file) - 1, min(len(file), _EXAMINED)).astype(np.int64))
    for frames, _, _ in file.batches(rows, 1024):
        quality.add(frames)
    return quality


def _figures(quality: Quality) -> dict[str, Any]:
    return {
        "frames_examined": quality.frames,
        "mean_power": quality.mean_power,
        "mean_offset": quality.mean_offset,
        "silent_frames": quality.silent,
        "saturated": quality.saturated_share,
        "input_range": quality.path.highest,
        "clipped": quality.clipped_share,
    }


def _count(names: tuple[str, ...], labels: Any) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
