"""Channel impairments that move while a frame passes: clipped random walks, and paths that fade as sums of sinusoids.

The models are those of GNU Radio's `channels.dynamic_channel_model`, written anew for batches of frames. Every
function is vectorised over the frames of a batch and treats each row alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.generator.waveforms import Floats, Signals, from_phase

Gains = NDArray[np.complex128]

#: Largest part of a Doppler cycle between two computed gains; straight lines between them are 66 dB true.
_CYCLES = 0.01

#: Signals filtered at once: few enough for the processor's cache.
_ROWS = 16


def reflected(values: Floats, limit: float) -> Floats:
    """Fold values into -limit..limit, as if reflected at its ends.

    A clipped random walk that takes small steps is distributed as a free one, folded.
    """
    if limit == 0:
        return np.zeros_like(values)
    folded: Floats = np.abs(np.remainder(values + limit, 4 * limit) - 2 * limit) - limit
    return -folded


def clipped_walk(start: Floats, steps: NDArray[np.float32], limit: float) -> Floats:
    """Random walk that stops at its bounds: each value is the one before it plus a step, clipped.

    Parameters
    ----------
    start : (n,)
        Value before the first step, within the bounds.
    steps : (n, T)
    limit : float

    Returns
    -------
    (n, T)
    """
    walk = start[:, None] + np.cumsum(steps, axis=1, dtype=np.float64)
    for row in np.flatnonzero(np.abs(walk).max(axis=1) > limit):
        value = float(start[row])
        for t, step in enumerate(steps[row].tolist()):
            value = min(max(value + step, -limit), limit)
            walk[row, t] = value
    return walk


def fader_draws(paths: int, sinusoids: int) -> int:
    """Uniform numbers that `path_gains` takes a frame: phases, an angle a path, and two for the line of sight."""
    return paths * (2 * sinusoids + 1) + 2


def path_gains(uniform: Floats, magnitudes: Sequence[float], k: float, doppler: float, times: NDArray[Any]) -> Gains:
    """Fading gains of every path as sums of sinusoids with random phases and angles of arrival.

    The real and the imaginary part of a path are sums of N cosines with independent phases at the Doppler shifts
    doppler cos((2 pi i - pi + theta) / 4N), i = 1..N (Xiao, Zheng and Beaulieu 2006, without the slow walk of theta).
    Path 0 has a line of sight of its own random phase and angle.

    Parameters
    ----------
    uniform : (n, fader_draws(P, N))
        Uniform on 0..1.
    magnitudes : P values
        Root mean square gain of every path.
    k : float
        Line-of-sight over scattered power on path 0; 0 for none.
    doppler : float
        Largest Doppler shift, cycles per sample.
    times : (m,)
        Samples.

    Returns
    -------
    (n, P, m) complex128
    """
    paths = len(magnitudes)
    drawn = uniform[:, :-2].reshape(len(uniform), paths, -1)
    sinusoids = drawn.shape[2] // 2
    phases = 2 * np.pi * drawn[:, :, :-1].reshape(len(uniform), paths, 2, sinusoids, 1)
    theta = np.pi * (2 * drawn[:, :, -1:] - 1)
    angles = (2 * np.pi * np.arange(1, sinusoids + 1) - np.pi + theta) / (4 * sinusoids)
    turns = 2 * np.pi * doppler * np.cos(angles)[:, :, None, :, None] * times
    parts = np.sqrt(1 / sinusoids) * np.cos(turns + phases).sum(axis=3)
    gains: Gains = parts[:, :, 0] + 1j * parts[:, :, 1]
    phase, angle = 2 * np.pi * uniform[:, -2:].T[:, :, None]
    sight = np.exp(1j * (phase + 2 * np.pi * doppler * np.cos(angle) * times))
    gains[:, 0] = np.sqrt(1 / (k + 1)) * gains[:, 0] + np.sqrt(k / (k + 1)) * sight
    gains *= np.asarray(magnitudes)[:, None]
    return gains


def node_times(count: int, doppler: float) -> NDArray[np.int64]:
    """Times, in whole samples, at which gains for `count` samples are computed; lines join them."""
    spacing = max(1, int(_CYCLES / doppler)) if doppler > _CYCLES / count else count
    return spacing * np.arange(-(-count // spacing) + 1)


def sinc_taps(delays: Sequence[float], taps: int) -> Floats:
    """Impulse response of every path: a sinc about its delay, cut to the taps there are. (P, taps)."""
    responses: Floats = np.sinc(np.arange(taps) - np.asarray(delays)[:, None])
    return responses


def fade_paths(signals: Signals, responses: Floats, gains: Gains, nodes: NDArray[np.int64]) -> Signals:
    """Send signals over paths with fixed responses and moving gains, keeping only samples without edges.

    Parameters
    ----------
    signals : (n, M) complex64
    responses : (P, taps)
    gains : (n, P, m) complex
        At the times `nodes`; time 0 is the first sample of the result.
    nodes : (m,) int
        Evenly spaced times from 0 to M - taps or beyond.

    Returns
    -------
    (n, M - taps + 1) complex64
    """
    count = signals.shape[1] - responses.shape[1] + 1
    taken = responses.astype(np.float32)
    known = gains.astype(np.complex64)
    out = np.empty((len(signals), count), np.complex64)
    for first in range(0, len(signals), _ROWS):
        rows = slice(first, first + _ROWS)
        values = np.ascontiguousarray(signals[rows]).view(np.float32)
        for path, response in enumerate(taken):
            delayed = _delayed(values, response)
            delayed *= _between(known[rows, path], int(nodes[1]), count)
            if path == 0:
                out[rows] = delayed
            else:
                out[rows] += delayed
    return out


def _delayed(values: NDArray[np.float32], response: NDArray[np.float32]) -> Signals:
    """Filter complex signals, given as pairs of floats (n, 2 M), with one real response: (n, M - taps + 1)."""
    length = values.shape[1] - 2 * (len(response) - 1)
    total = np.zeros((len(values), length), np.float32)
    term = np.empty_like(total)
    # A delay of whole samples has one tap; sinc leaves rounding errors, not zeros, at the others.
    for tap in np.flatnonzero(np.abs(response) > 1e-7):
        start = 2 * (len(response) - 1 - int(tap))
        np.multiply(values[:, start : start + length], response[tap], out=term)
        total += term
    return total.view(np.complex64)


def _between(known: Signals, spacing: int, count: int) -> Signals:
    """Straight lines through gains that are `spacing` samples apart: (n, m) -> (n, count)."""
    gains = np.empty((len(known), count), np.complex64)
    for first in range(0, count, spacing):
        part = gains[:, first : first + spacing]
        before, after = known[:, first // spacing, None], known[:, first // spacing + 1, None]
        np.multiply(after - before, (np.arange(part.shape[1]) / spacing).astype(np.float32), out=part)
        part += before
    return gains


def drift(signals: Signals, offsets: Floats) -> Signals:
    """Turn signals by a carrier offset that changes with every sample.

    Parameters
    ----------
    signals : (n, T) complex64
    offsets : (n, T)
        Cycles per sample.
    """
    turned = from_phase(2 * np.pi * np.cumsum(offsets, axis=1))
    turned *= signals
    return turned
