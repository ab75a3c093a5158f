"""Labelled radio frames from a recipe: every frame a pure function of its recipe, split, class, SNR and number.

What SNR means here: the mean power of the received frame's signal, after fading, over the power of the complex
white noise in the whole sampled band. With `sps` samples a symbol the ratio Es/N0 of a linear modulation is
therefore 10 log10(sps) dB more: 9.03 dB at 8. (O'Shea et al. 2018 say Es/N0; but the accuracies published for
RadioML 2018.01A, such as 95 % over 24 classes at 10 dB from 128 symbols, are out of reach at that Es/N0.)
The sum of signal and noise is scaled to a mean power of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from hw_amc.errors import DataError
from hw_amc.radio import channel, waveforms
from hw_amc.radio.classes import CLASSES
from hw_amc.radio.constellations import constellation
from hw_amc.radio.recipes import Recipe
from hw_amc.radio.waveforms import Floats, Signals

#: Number of the split that a frame belongs to; frames of different splits never share randomness.
SPLITS = {"train": 0, "validation": 1, "test": 2}

#: Frames worked on at once: small enough for the processor's cache.
BATCH = 64

#: Added to the SNR, which may be negative, to make a word of the seed.
_SNR_BIAS_DB = 1000

#: Offsets and delays are cut at this many standard deviations or scales, which bounds the margins.
_CUT = 5.0

_DRAWS = ("rolloff", "timing", "phase", "spread", "band", "depth", "sideband")


@dataclass(frozen=True)
class _Sizes:
    """Lengths that follow from a recipe: the frame plus the margins that the channel consumes."""

    taps: int
    resampled: int
    made: int
    nfft: int
    bins: int

    @staticmethod
    def build(recipe: Recipe) -> _Sizes:
        taps = ceil(_CUT * recipe.delay_spread[1]) + channel.POINTS + 1 if recipe.paths > 1 else 1
        resampled = recipe.frame_len + taps - 1
        made = resampled + 2 * (ceil(_CUT * recipe.clock_sigma * resampled / 2) + channel.POINTS)
        nfft = fft.next_fast_len(2 * made)
        return _Sizes(taps, resampled, made, nfft, int(recipe.message_band[1] * nfft))


@dataclass(frozen=True)
class _Batch:
    """Random numbers of frames of one class; rows are frames."""

    uniform: dict[str, Floats]
    normal: Floats
    delays: Floats
    payload: NDArray[Any]
    noise: NDArray[np.float32]


def generate_frames(
    recipe: Recipe,
    labels: Sequence[int] | NDArray[Any],
    snrs_db: Sequence[int] | NDArray[Any],
    numbers: Sequence[int] | NDArray[Any],
    split: int = 0,
) -> NDArray[np.float32]:
    """Generate frames of any mix of classes and SNRs.

    A frame depends on (recipe, split, label, SNR, number) only, never on the others asked for with it.

    Parameters
    ----------
    recipe : Recipe
    labels : (n,) int
        Indices into `CLASSES`.
    snrs_db : (n,) int
        Whole dB, -1000 or more.
    numbers : (n,) int
        Number of the frame within its class, SNR and split, from 0.
    split : int
        0 training, 1 validation, 2 test.

    Returns
    -------
    (n, T, 2) float32
        I, Q; mean power 1 including the noise.

    Raises
    ------
    DataError
        The three lists differ in length, or a value is out of range.
    """
    label_array, snr_array, number_array = _checked(labels, snrs_db, numbers, split)
    frames = np.empty((len(label_array), recipe.frame_len, 2), np.float32)
    for rows in _batches(label_array):
        signal, noise = _parts(recipe, int(label_array[rows[0]]), snr_array[rows], number_array[rows], split)
        total = (signal + noise) * _level(snr_array[rows])
        frames[rows] = total.view(np.float32).reshape(len(rows), -1, 2)
    return frames


def generate_parts(
    recipe: Recipe,
    labels: Sequence[int] | NDArray[Any],
    snrs_db: Sequence[int] | NDArray[Any],
    numbers: Sequence[int] | NDArray[Any],
    split: int = 0,
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Signal and noise of the very frames that `generate_frames` adds up; arguments and errors are the same.

    Returns
    -------
    signal, noise : (n, T) complex64
        At the frame's level: their sum is the frame.
    """
    label_array, snr_array, number_array = _checked(labels, snrs_db, numbers, split)
    signals = np.empty((len(label_array), recipe.frame_len), np.complex64)
    noises = np.empty_like(signals)
    for rows in _batches(label_array):
        signal, noise = _parts(recipe, int(label_array[rows[0]]), snr_array[rows], number_array[rows], split)
        signals[rows] = signal * _level(snr_array[rows])
        noises[rows] = noise * _level(snr_array[rows])
    return signals, noises


def _checked(
    labels: Sequence[int] | NDArray[Any],
    snrs_db: Sequence[int] | NDArray[Any],
    numbers: Sequence[int] | NDArray[Any],
    split: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Arguments as integer arrays."""
    arrays = [np.asarray(values) for values in (labels, snrs_db, numbers)]
    if any(a.ndim != 1 or a.shape != arrays[0].shape for a in arrays):
        raise DataError("labels, snrs_db and numbers must be flat and of one length")
    label_array, snr_array, number_array = (a.astype(np.int64) for a in arrays)
    if not np.array_equal(snr_array, arrays[1]):
        raise DataError("SNRs must be whole dB")
    if len(label_array) and not 0 <= label_array.min() <= label_array.max() < len(CLASSES):
        raise DataError(f"labels must be 0 to {len(CLASSES) - 1}")
    if len(label_array) and (number_array.min() < 0 or snr_array.min() < -_SNR_BIAS_DB or split < 0):
        raise DataError("numbers and split must not be negative, nor an SNR below -1000 dB")
    return label_array, snr_array, number_array


def _batches(labels: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of one class at a time, at most BATCH of them."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []
    return [group[i : i + BATCH] for group in groups for i in range(0, len(group), BATCH)]


def _level(snrs_db: NDArray[np.int64]) -> NDArray[np.float32]:
    """Gain (n, 1) that brings unit signal power plus noise to a mean power of 1."""
    gain: NDArray[np.float32] = (1 / np.sqrt(1 + 10.0 ** (-snrs_db / 10))).astype(np.float32)
    return gain[:, None]


def _parts(
    recipe: Recipe, label: int, snrs_db: NDArray[np.int64], numbers: NDArray[np.int64], split: int
) -> tuple[Signals, Signals]:
    """Signal at unit power and its noise, for frames of one class: two (n, T) arrays."""
    sizes = _Sizes.build(recipe)
    keys = [(split, label, int(s) + _SNR_BIAS_DB, int(k)) for s, k in zip(snrs_db, numbers, strict=True)]
    batch = _draw(recipe, sizes, label, keys)
    sent = _modulate(recipe, sizes, CLASSES[label], batch)
    signal = channel.to_unit_power(_propagate(recipe, sizes, sent, batch))
    sigma = np.sqrt(10.0 ** (-snrs_db / 10) / 2).astype(np.float32)
    noise = waveforms.to_complex(batch.noise[:, 0], batch.noise[:, 1]) * sigma[:, None]
    return signal, noise


def _draw(recipe: Recipe, sizes: _Sizes, label: int, keys: list[tuple[int, int, int, int]]) -> _Batch:
    """Draw all random numbers of a batch, each frame from its own generator and in a fixed order."""
    n, name, paths = len(keys), CLASSES[label], recipe.paths
    uniform = np.empty((n, len(_DRAWS) + paths - 1))
    normal = np.empty((n, 2 + 2 * paths))
    noise = np.empty((n, 2, recipe.frame_len), np.float32)
    payload: NDArray[Any]
    if name in waveforms.ANALOGUE:
        order, payload = 0, np.empty((n, 2 * sizes.bins), np.float32)
    else:
        binary = name == "GMSK"
        order, span = (2, waveforms.GAUSS_SPAN) if binary else (len(constellation(name)), recipe.rrc_span)
        payload = np.empty((n, waveforms.symbol_count(sizes.made, recipe.sps, span)), np.int16)
    for row, key in enumerate(keys):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, *key])))
        rng.random(out=uniform[row])
        rng.standard_normal(out=normal[row])
        if order:
            payload[row] = rng.integers(order, size=payload.shape[1], dtype=np.int16)
        else:
            rng.standard_normal(out=payload[row], dtype=np.float32)
        rng.standard_normal(out=noise[row], dtype=np.float32)
    named = dict(zip(_DRAWS, uniform.T, strict=False))
    return _Batch(named, normal, uniform[:, len(_DRAWS) :], payload, noise)


def _between(bounds: tuple[float, float], uniform: Floats) -> Floats:
    """Bring uniform draws from 0..1 to other bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * uniform


def _modulate(recipe: Recipe, sizes: _Sizes, name: str, batch: _Batch) -> Signals:
    """Build the transmitted waveforms of one class: (n, made) complex64, at any power."""
    draw = batch.uniform
    if name in waveforms.ANALOGUE:
        band = _between(recipe.message_band, draw["band"])
        analytic = waveforms.message(batch.payload, band, sizes.made, sizes.nfft)
        if name == "FM":
            return waveforms.frequency(analytic, _between(recipe.fm_deviation, draw["depth"]))
        index = _between(recipe.am_index, draw["depth"])
        return waveforms.amplitude(name, analytic, index, draw["sideband"] < 0.5)
    delay = recipe.sps * draw["timing"]
    if name == "GMSK":
        made = waveforms.gmsk(batch.payload, delay, recipe.sps, recipe.gmsk_bt)
    else:
        rolloff = _between(recipe.rolloff, draw["rolloff"])
        made = waveforms.linear(name, batch.payload, delay, rolloff, recipe.sps, recipe.rrc_span)
    return made[:, : sizes.made]


def _propagate(recipe: Recipe, sizes: _Sizes, sent: Signals, batch: _Batch) -> Signals:
    """Channel without its noise: (n, made) -> (n, T)."""
    offset = np.clip(batch.normal[:, :2], -_CUT, _CUT) * (recipe.clock_sigma, recipe.carrier_sigma)
    received = channel.resample(sent, (sizes.made - 1) / 2, 1 + offset[:, 0], sizes.resampled)
    received = channel.rotate(received, 2 * np.pi * batch.uniform["phase"], offset[:, 1])
    if recipe.paths == 1:
        return received
    spread = _between(recipe.delay_spread, batch.uniform["spread"])
    rayleigh = np.sqrt(-2 * np.log1p(-batch.delays))
    delays = np.zeros((len(sent), recipe.paths))
    delays[:, 1:] = np.minimum(rayleigh, _CUT) * spread[:, None]
    parts = batch.normal[:, 2:].reshape(len(sent), recipe.paths, 2)
    scatter = (parts[..., 0] + 1j * parts[..., 1]) / np.sqrt(2)
    gains = channel.rician_gains(scatter, recipe.rician_k, recipe.path_decay)
    return channel.fade(received, channel.impulse_response(gains, delays, sizes.taps))
