"""What a network answers when frames come louder or softer than those it was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc.models.network import Classes
from hw_amc.train.data import FrameSet
from hw_amc.train.evaluate import predict

#: Gains at which a network is measured, dB of the amplitude.
GAINS_DB = (-6, -3, 0, 3, 6)

#: Frames that are measured at each gain, evenly chosen.
_FRAMES = 2048


def scale(frames: FrameSet, gain_db: float) -> FrameSet:
    """Scale frames as a receiver with another gain would have put them onto the wire, saturated at its ends."""
    words = np.rint(frames.wire * 10 ** (gain_db / 20)).clip(-(2**15), 2**15 - 1).astype(np.int16)
    return FrameSet(words, frames.labels, frames.snr_db)


def gain_accuracy(model: Any, frames: FrameSet, names: Classes) -> dict[str, Any]:
    """Accuracy (0..1) of a deployed network on the same frames at several gains.

    Parameters
    ----------
    model : the deployed network
    frames : held-out frames
    names : class names of every head

    Returns
    -------
    `frames` (how many), `accuracy` (gain in dB as text -> share).

    Raises
    ------
    ConfigError, Mismatch
        As `hw_amc.train.evaluate.predict`.
    """
    rows = np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).astype(int)
    chosen = FrameSet(frames.wire[rows], frames.labels[rows], frames.snr_db[rows])
    wire = np.concatenate([scale(chosen, gain_db).wire for gain_db in GAINS_DB])
    labels, snr_db = (np.concatenate([array] * len(GAINS_DB)) for array in (chosen.labels, chosen.snr_db))
    right = predict(model, FrameSet(wire, labels, snr_db), {}, names).right.reshape(len(GAINS_DB), -1)
    shares = {str(gain_db): round(float(share), 5) for gain_db, share in zip(GAINS_DB, right.mean(axis=1), strict=True)}
    return {"frames": len(rows), "accuracy": shares}
