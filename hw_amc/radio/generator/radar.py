"""Radar waveforms: a frequency-modulated continuous wave, and pulses of an unmodulated carrier.

Every function is vectorised over the frames of a batch and treats each row alone.
"""

from __future__ import annotations

import numpy as np

from hw_amc.radio.generator.waveforms import Floats, Signals, from_phase


def chirp(centre: Floats, slope: Floats, phase: Floats, count: int) -> Signals:
    """Part of a linear frequency sweep, magnitude 1.

    Parameters
    ----------
    centre : (n,)
        Frequency in the middle of the result, cycles per sample.
    slope : (n,)
        Cycles per sample, a sample.
    phase : (n,)
        Radians in the middle.
    count : int
        Samples wanted.

    Returns
    -------
    (n, count) complex64
    """
    t = np.arange(count) - (count - 1) / 2
    turns = (centre[:, None] + slope[:, None] / 2 * t) * t
    return from_phase(phase[:, None] + 2 * np.pi * turns)


def pulses(first: Floats, width: Floats, interval: Floats, rise: float, count: int) -> Floats:
    """Envelope of a pulse train, 0 to 1, with raised-cosine edges.

    Parameters
    ----------
    first : (n,)
        Middle of one pulse, samples.
    width : (n,)
        Pulse width between half amplitudes, samples; at least `rise`.
    interval : (n,)
        Pulse repetition interval, samples.
    rise : float
        Length of an edge, samples.
    count : int
        Samples wanted.

    Returns
    -------
    (n, count)
    """
    t = np.arange(count) - first[:, None]
    off = np.abs(t - interval[:, None] * np.round(t / interval[:, None]))
    edge = np.clip((width[:, None] / 2 + rise / 2 - off) / rise, 0, 1)
    envelope: Floats = np.square(np.sin(np.pi / 2 * edge))
    return envelope


def pulsed(envelope: Floats, offset: Floats, phase: Floats) -> Signals:
    """Carrier under an envelope.

    Parameters
    ----------
    envelope : (n, T)
    offset : (n,)
        Frequency of the carrier, cycles per sample.
    phase : (n,)
        Radians at the first sample.

    Returns
    -------
    (n, T) complex64
    """
    turns = offset[:, None] * np.arange(envelope.shape[1])
    carrier = from_phase(phase[:, None] + 2 * np.pi * turns)
    carrier *= envelope.astype(np.float32)
    return carrier
