"""What a network answers when frames come louder or softer than those it was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc.models.network import Classes
from hw_amc.radio.gains import GAINS_DB, GainAccuracy
from hw_amc.train.data import FrameSet
from hw_amc.train.evaluate import predict

#: Frames that are measured at each gain, evenly chosen, and their lowest SNR, dB.
_FRAMES, _SNR_DB_FROM = 2048, 10


def scale(frames: FrameSet, gain_db: float) -> FrameSet:
    """Scale frames as a receiver with another gain would have put them onto the wire, saturated at its ends."""
    words = np.rint(frames.wire * 10 ** (gain_db / 20)).clip(-(2**15), 2**15 - 1).astype(np.int16)
    return FrameSet(words, frames.labels, frames.snr_db)


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
    chosen = FrameSet(frames.wire[rows], frames.labels[rows], frames.snr_db[rows])
    wire = np.concatenate([scale(chosen, gain_db).wire for gain_db in GAINS_DB])
    labels, snr_db = (np.concatenate([array] * len(GAINS_DB)) for array in (chosen.labels, chosen.snr_db))
    right = predict(model, FrameSet(wire, labels, snr_db), {}, names).right.reshape(len(GAINS_DB), -1)
    shares = dict(zip(GAINS_DB, map(float, right.mean(axis=1)), strict=True))
    return GainAccuracy(len(rows), shares, _SNR_DB_FROM if len(loud) else None)
