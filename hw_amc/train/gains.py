"""What a network answers when frames come louder or softer than those it was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.models.network import Classes
from hw_amc.radio.gains import GainAccuracy, accuracy_by_gain
from hw_amc.train.data import FrameSet
from hw_amc.train.evaluate import predict

#: Frames that are measured at each gain, evenly chosen, and their lowest SNR, dB.
_FRAMES, _SNR_DB_FROM = 2048, 10


def gain_accuracy(model: Any, frames: FrameSet, names: Classes) -> GainAccuracy:
    """Accuracy of a deployed network on the same frames at several gains: those of 10 dB SNR and more, or all.

    Parameters
    ----------
    model : the deployed network
    frames : held-out frames
    names : class names of every head

    Raises
    ------
    ConfigError, Mismatch
        As `hw_amc.train.evaluate.predict`.
    """
    loud = np.flatnonzero(frames.snr_db >= _SNR_DB_FROM)
    among = loud if len(loud) else np.arange(len(frames))
    rows = among[np.linspace(0, len(among) - 1, min(_FRAMES, len(among))).astype(int)]

    def judge(sets: list[NDArray[np.int16]]) -> NDArray[np.bool_]:
        labels, snr_db = (np.concatenate([array[rows]] * len(sets)) for array in (frames.labels, frames.snr_db))
        right = predict(model, FrameSet(np.concatenate(sets), labels, snr_db), {}, names).right
        answers: NDArray[np.bool_] = right.reshape(len(sets), -1)
        return answers

    shares = accuracy_by_gain(frames.wire[rows], judge)
    return GainAccuracy(len(rows), shares, _SNR_DB_FROM if len(loud) else None)
