"""Frames in memory, read as the same array is in an `.npy` file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.captures import CaptureOptions
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB, Index
from hw_amc.radio.files.plain import Layout, PlainFile, as_samples
from hw_amc.radio.names import label_columns

#: What frames without a label are called.
UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False)
class Samples:
    """An array with what is known of it; it stands where the path of a file of frames may stand."""

    #: Frames, complex (m, T) or real (m, T, 2) or (m, 2, T); or a recording, complex (n,) or real (n, 2).
    array: NDArray[Any]
    #: Class of every frame, by name; None where nobody knows it.
    labels: Sequence[str] | None = None
    #: SNR of every frame, whole dB.
    snrs_db: Sequence[int] | None = None
    #: What messages call it.
    name: str = "given frames"

    def __str__(self) -> str:
        return self.name


#: Where frames come from.
Source: TypeAlias = "Path | Samples"


class SamplesFile(PlainFile):
    """Frames in memory: what an `.npy` file may hold, with a label for each frame where they are known.

    Parameters
    ----------
    samples : Samples
    options : CaptureOptions
        Frames without labels take `stand_in`, or `UNLABELLED`.

    Raises
    ------
    DataError
        An array of another form or of no numbers, frames of another length, or labels or SNRs that are not one a frame.
    """

    def __init__(self, samples: Samples, options: CaptureOptions) -> None:
        self._array = _to_samples(np.asarray(samples.array), Path(samples.name))
        if self._array.ndim == 3 and options.frame_len not in (None, self._array.shape[1]):
            raise DataError(
                f"{samples} have {self._array.shape[1]} samples each, and the network takes {options.frame_len}; cut"
                " them to its length, or give a recording: one array, complex (n,)"
            )
        unlabelled = options.stand_in or UNLABELLED
        super().__init__(Path(samples.name), replace(options, stand_in=unlabelled))
        labels = self._each(samples.labels, "labels")
        snrs = self._each(samples.snrs_db, "SNRs")
        if labels is not None:
            ((self.classes, places),) = label_columns([[str(name) for name in labels]], self.path)
            self._found = replace(self._found, labels=places)
        if snrs is not None:
            self._found = Index(self._found.labels, np.clip(np.rint(snrs), UNKNOWN_SNR_DB, 127).astype(np.int8))

    def layout(self) -> Layout | None:
        """Say that no file holds the samples."""
        return None

    def _mapped(self) -> NDArray[Any]:
        return self._array

    def _each(self, told: Sequence[Any] | None, what: str) -> Sequence[Any] | None:
        if told is not None and len(told) != len(self):
            raise DataError(f"{len(told)} {what} for {len(self)} frames; give one for each frame")
        return told


def _to_samples(array: NDArray[Any], path: Path) -> NDArray[Any]:
    if array.dtype.kind not in "cfiu" or array.dtype.itemsize > (16 if array.dtype.kind == "c" else 8):
        raise DataError(f"{path} must be an array of numbers, not of {array.dtype}")
    if not array.size:
        raise DataError(f"{path}: an array of shape {array.shape}, which is empty")
    if array.dtype.kind == "c":
        whole = np.ascontiguousarray(array)
        array = whole.view(whole.real.dtype).reshape(*array.shape, 2)
    return as_samples(array, path)
