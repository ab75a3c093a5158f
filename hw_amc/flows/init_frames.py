"""Frames of `hw-amc init`: some to calibrate on and to learn from, others to judge by."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.models import Classes
from hw_amc.radio.files.frames import UNKNOWN_SNR_DB
from hw_amc.radio.files.memory import UNLABELLED, Source
from hw_amc.verify.heldout import NONE, SEED, Labels, generated, known_labels

if TYPE_CHECKING:
    from hw_amc.radio.files.frames import FrameFile

#: Most frames of a file to calibrate on and to judge by, and those that are generated.
CALIBRATED, JUDGED = 256, 1000
DRAWN, DRAWN_JUDGED = 192, 96
#: Most frames of a file to train on with, and to choose the best weights by.
TUNED, VALIDATED = 16_384, 2048
#: Shares of a file for training on, for choosing weights and for judging.
SHARES = (0.7, 0.1, 0.2)
#: Split of the generated frames to calibrate on; proofs take another.
CALIBRATION_SPLIT = 1


@dataclass(frozen=True)
class TuningFrames:
    """Labelled frames to train on with, in float; no sample of them is among those that judge.

    Attributes
    ----------
    train, validation : (n, T, 2) float32
    labels : of both, (n, heads) index into each head's classes
    snrs_db : of both, (n,)
    """

    train: NDArray[np.float32]
    validation: NDArray[np.float32]
    labels: tuple[NDArray[np.int64], NDArray[np.int64]]
    snrs_db: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class UserFrames:
    """Frames for calibration and evaluation, in float."""

    #: (n, T, 2) float32
    calibration: NDArray[np.float32]
    #: (m, T, 2) float32
    evaluation: NDArray[np.float32]
    #: (m, heads) index into each head's classes, or `NONE`; None where nobody knows them.
    labels: NDArray[np.int64] | None
    #: (m,)
    snrs_db: NDArray[np.int64]
    #: Where those of the calibration and of the evaluation come from.
    calibrated: str
    evaluated: str
    #: Where they were asked for.
    tuning: TuningFrames | None = None

    @property
    def has_snrs(self) -> bool:
        """Whether every frame has all labels and an SNR."""
        known = self.labels is not None and bool((self.labels != NONE).all())
        return known and bool((self.snrs_db != UNKNOWN_SNR_DB).all())

    def right(self, answers: Any) -> NDArray[np.bool_]:
        """Whether the answers (m, heads) are right in every head that has a label: (m,)."""
        assert self.labels is not None
        found: NDArray[np.bool_] = ((answers == self.labels) | (self.labels == NONE)).all(axis=1)
        return found

    def describe(self) -> str:
        """Say in one line which frames there are."""
        labelled = "labelled" if self.labels is not None else "no labels"
        tuned = f"; {len(self.tuning.train)} to train on with" if self.tuning else ""
        return (
            f"{len(self.calibration)} to calibrate on ({self.calibrated}), {len(self.evaluation)} to judge by,"
            f" {labelled}{tuned}"
        )


def draw_frames(classes: Classes, frame_len: int) -> UserFrames:
    """Generate frames of the network's classes, or signals without labels where no recipe has them.

    Their labels are not taken: the network was trained on others.
    """
    calibration, _, _, source = generated(classes, frame_len, DRAWN, CALIBRATION_SPLIT)
    evaluation, _, snrs, judged = generated(classes, frame_len, DRAWN_JUDGED)
    return UserFrames(calibration, evaluation, None, snrs, f"generated, {source}", f"generated, {judged}")


def read_frames(data: Source, classes: Classes, frame_len: int, is_tuned: bool = False) -> UserFrames:
    """Take frames of a file, different ones to calibrate on and to judge by where it has several.

    Parameters
    ----------
    data : Path or Samples
    classes : names of every head
    frame_len : int
    is_tuned : whether some are taken to train on with, too: then those that judge share no sample with any other

    Raises
    ------
    DataError
        The file is missing or damaged, or its frames are of another length; or they are to be trained on, and have no
        labels or are too few.

    Warns
    -----
    UserWarning
        The network knows none of its classes, or the file has one frame only.
    """
    from hw_amc.radio import CaptureOptions, open_frames

    with open_frames(data, CaptureOptions(frame_len=frame_len, stand_in=UNLABELLED)) as file:
        if file.frame_len != frame_len:
            raise DataError(
                f"{data} holds frames of {file.frame_len} samples, and the model takes {frame_len}; give frames of its"
                f" length (`hw-amc data convert` cuts recordings)"
            )
        labels, rows = None, np.arange(len(file))
        if tuple(file.classes) != (UNLABELLED,):
            try:
                labels, rows = known_labels(classes, file)
            except DataError as error:
                if is_tuned:
                    raise
                warnings.warn(f"{error}; accuracy is not measured", stacklevel=2)
        if is_tuned:
            return _divide(file, data.name, labels, rows)
        order = rows[np.random.default_rng(SEED).permutation(len(rows))]
        cut = min(CALIBRATED, max(len(order) // 2, 1))
        first, second = np.sort(order[:cut]), np.sort(order[cut : cut + JUDGED])
        if not len(second):
            warnings.warn(f"{data.name} has one frame of use: it is calibrated and judged by the same", stacklevel=2)
            second = first
        calibration = file.read(first)[0]
        evaluation, _, snrs = file.read(second)
    told = None if labels is None else labels[second]
    return UserFrames(calibration, evaluation, told, snrs.astype(np.int64), data.name, data.name)


def _divide(file: FrameFile, name: str, labels: Labels | None, rows: NDArray[np.int64]) -> UserFrames:
    """Divide a file's frames once and for all; what shares samples stays on one side."""
    if labels is None or bool((labels[rows] == NONE).any()):
        lacks = "no labels" if labels is None else "no label for some of the network's heads"
        raise DataError(f"{name} has {lacks}, and --tune learns from labelled frames; leave --tune out, or label them")
    known = np.zeros(len(file), bool)
    known[rows] = True
    parts = [part[known[part]] for part in file.split(SEED, SHARES)]
    if min(map(len, parts)) == 0:
        raise DataError(
            f"{name} has {len(rows)} frames of use, too few to train on, to choose weights by and to judge by; --tune"
            " takes a few hundred at least"
        )
    random = np.random.default_rng(SEED)
    most = (TUNED, VALIDATED, JUDGED)
    some = [np.sort(random.permutation(part)[:count]) for part, count in zip(parts, most, strict=True)]
    frames, _, snrs = zip(*(file.read(part) for part in some), strict=True)
    told = [labels[part] for part in some]
    first, second, _ = (each.astype(np.int64) for each in snrs)
    tuning = TuningFrames(frames[0], frames[1], (told[0], told[1]), (first, second))
    calibration = frames[0][np.linspace(0, len(frames[0]) - 1, min(CALIBRATED, len(frames[0]))).astype(int)]
    return UserFrames(calibration, frames[2], told[2], snrs[2].astype(np.int64), name, name, tuning)
