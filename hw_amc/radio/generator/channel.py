"""Channel impairments that are constant over a frame, in GNU Radio's order: sampling clock, carrier, fading.

Every function is vectorised over the frames of a batch, (n, T), and treats each row alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.generator.waveforms import Floats, Signals, from_phase

#: Points of the Lagrange interpolator; its error at 0.1 cycles per sample is below -55 dB.
POINTS = 6

#: Points before the one that `floor` selects.
LEAD = 2


def lagrange_weights(fraction: Floats) -> list[Floats]:
    """Weights of the `POINTS` neighbours, from -LEAD on, that interpolate at `fraction` (0 to 1)."""
    nodes = [float(i - LEAD) for i in range(POINTS)]
    distances = [fraction - node for node in nodes]
    weights = []
    for i, node in enumerate(nodes):
        weight = np.ones_like(fraction)
        for j, other in enumerate(nodes):
            if j != i:
                weight *= distances[j] / (node - other)
        weights.append(weight)
    return weights


def resample(signals: Signals, start: float, step: Floats, count: int) -> Signals:
    """Sample signals at evenly spaced times that need not be whole: a sampling clock offset.

    Parameters
    ----------
    signals : (n, M) complex64
    start : float
        Time of the middle of the result, in samples of `signals`.
    step : (n,)
        Distance of two results; 1 + the relative clock offset.
    count : int
        Samples wanted.

    Returns
    -------
    (n, count) complex64
    """
    return sample(signals, start + (np.arange(count) - (count - 1) / 2) * step[:, None])


def sample(signals: Signals, times: Floats) -> Signals:
    """Interpolate signals at any times.

    Parameters
    ----------
    signals : (n, M) complex64
    times : (n, count)
        Samples of `signals`, from LEAD up to M - POINTS + LEAD.

    Returns
    -------
    (n, count) complex64
    """
    whole = np.floor(times)
    first = whole.astype(np.intp) - LEAD + (np.arange(len(signals)) * signals.shape[1])[:, None]
    flat = np.ascontiguousarray(signals).ravel()
    out = np.zeros(times.shape, np.complex64)
    for weight in lagrange_weights((times - whole).astype(np.float32)):
        neighbour = flat.take(first)
        neighbour *= weight
        out += neighbour
        first += 1
    return out


def rotate(signals: Signals, phase: Floats, frequency: Floats) -> Signals:
    """Turn signals by a carrier phase and a carrier frequency offset.

    Parameters
    ----------
    signals : (n, T) complex64
    phase : (n,)
        Radians at the first sample.
    frequency : (n,)
        Cycles per sample.
    """
    turns = np.arange(signals.shape[1]) * frequency[:, None]
    turned = from_phase(phase[:, None] + 2 * np.pi * turns)
    # In place, always: left to itself numpy does so for large batches only, and its two ways round differently.
    turned *= signals
    return turned


def impulse_response(gains: NDArray[np.complex128], delays: Floats, taps: int) -> Signals:
    """Sample the impulse response of discrete propagation paths.

    Parameters
    ----------
    gains : (n, P) complex
    delays : (n, P)
        Samples, 0 up to `taps` - POINTS.
    taps : int
        Length of the response.

    Returns
    -------
    (n, taps) complex64
        Delay 0 lies at tap LEAD.
    """
    response = np.zeros((len(gains), taps), np.complex64)
    rows = np.arange(len(gains))
    for path in range(gains.shape[1]):
        whole = np.floor(delays[:, path])
        # Neighbour i of an interpolator running forward in time is tap -i of a filter.
        weights = lagrange_weights(1 - (delays[:, path] - whole))
        for i, weight in enumerate(weights):
            tap = whole.astype(np.intp) + 1 + LEAD - (i - LEAD)
            response[rows, tap] += gains[:, path] * weight
    return response


def rician_gains(scatter: NDArray[np.complex128], k: float, decay: float) -> NDArray[np.complex128]:
    """Path gains with a line of sight on path 0, of unit mean total power.

    Parameters
    ----------
    scatter : (n, P) complex
        Circular normal of unit power.
    k : float
        Line-of-sight power over the power scattered into all paths.
    decay : float
        Scattered power of a path over that of the path before it.
    """
    profile = float(decay) ** np.arange(scatter.shape[1])
    gains: NDArray[np.complex128] = scatter * np.sqrt(profile / profile.sum() / (k + 1))
    gains[:, 0] += np.sqrt(k / (k + 1))
    return gains


def fade(signals: Signals, response: Signals) -> Signals:
    """Convolve every signal with its own response, keeping only samples without edges.

    Parameters
    ----------
    signals : (n, M) complex64
    response : (n, taps) complex64

    Returns
    -------
    (n, M - taps + 1) complex64
    """
    taps = response.shape[1]
    count = signals.shape[1] - taps + 1
    out = np.zeros((len(signals), count), np.complex64)
    for tap in range(taps):
        out += signals[:, taps - 1 - tap : taps - 1 - tap + count] * response[:, tap, None]
    return out


def to_unit_power(signals: Signals) -> Signals:
    """Scale every signal to a mean power of 1 over its own samples."""
    power = np.mean(np.square(signals.real) + np.square(signals.imag), axis=1, keepdims=True)
    scaled: Signals = signals / np.sqrt(power)
    return scaled
