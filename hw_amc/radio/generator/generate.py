"""Labelled radio frames from a recipe: every frame a pure function of its recipe, split, class, SNR and number.

What SNR means here: the mean power of the received frame's signal, after fading, over the power of the complex
white noise in the whole sampled band. With `sps` samples a symbol the ratio Es/N0 of a linear modulation is
therefore 10 log10(sps) dB more: 9.03 dB at 8. (O'Shea et al. 2018 say Es/N0; but the accuracies published for
RadioML 2018.01A, such as 95 % over 24 classes at 10 dB from 128 symbols, are out of reach at that Es/N0.)
The sum of signal and noise is scaled to a mean power of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.generator import emitters, radcom, recorded2018
from hw_amc.radio.generator.channel import to_unit_power
from hw_amc.radio.generator.emitters import DRAWS, Emitter
from hw_amc.radio.generator.propagation import Channel, Extent, Fortune, build_channel
from hw_amc.radio.generator.recipes import Recipe
from hw_amc.radio.generator.waveforms import Floats, Signals, to_complex

#: Number of the split that a frame belongs to; frames of different splits never share randomness.
SPLITS = {"train": 0, "validation": 1, "test": 2}

#: Frames worked on at once: small enough for the processor's cache.
BATCH = 64

#: Added to the SNR, which may be negative, to make a word of the seed.
_SNR_BIAS_DB = 1000

#: Sources of the class sets.
_EMITTERS: dict[str, Callable[[Recipe, tuple[str, ...], Extent], Emitter]] = {
    "radioml2018": emitters.radioml2018,
    "radioml2016": emitters.radioml2016,
    "radcom-awgn": radcom.radcom,
    "radcom-dynamic": radcom.radcom,
}


@dataclass(frozen=True)
class _Batch:
    """Random numbers of frames of one cell; rows are frames."""

    fortune: Fortune
    content: NDArray[Any]
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
        Cells of the recipe's class set: its classes where a frame has one label, and with several what
        `recipe.classes.labels` turns into one label a head.
    snrs_db : (n,) int
        Whole dB, -1000 or more.
    numbers : (n,) int
        Number of the frame within its class, SNR and split, from 0.
    split : int
        0 training, 1 validation, 2 test.

    Returns
    -------
    (n, T, 2) float32
        I, Q; mean power 1 including the noise (of pulses: while they are on).

    Raises
    ------
    DataError
        The three lists differ in length, or a value is out of range.
    """
    label_array, snr_array, number_array = _checked(recipe, labels, snrs_db, numbers, split)
    frames = np.empty((len(label_array), recipe.frame_len, 2), np.float32)
    for rows in _batches(label_array):
        signal, noise = _parts(recipe, int(label_array[rows[0]]), snr_array[rows], number_array[rows], split)
        total = (signal + noise) * _level(recipe, snr_array[rows])
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
    label_array, snr_array, number_array = _checked(recipe, labels, snrs_db, numbers, split)
    signals = np.empty((len(label_array), recipe.frame_len), np.complex64)
    noises = np.empty_like(signals)
    for rows in _batches(label_array):
        signal, noise = _parts(recipe, int(label_array[rows[0]]), snr_array[rows], number_array[rows], split)
        signals[rows] = signal * _level(recipe, snr_array[rows])
        noises[rows] = noise * _level(recipe, snr_array[rows])
    return signals, noises


def _checked(
    recipe: Recipe,
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
    cells = len(recipe.classes)
    if len(label_array) and not 0 <= label_array.min() <= label_array.max() < cells:
        raise DataError(f"labels must be 0 to {cells - 1}")
    if len(label_array) and (number_array.min() < 0 or snr_array.min() < -_SNR_BIAS_DB or split < 0):
        raise DataError("numbers and split must not be negative, nor an SNR below -1000 dB")
    return label_array, snr_array, number_array


def _batches(labels: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of one class at a time, at most BATCH of them."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []
    return [group[i : i + BATCH] for group in groups for i in range(0, len(group), BATCH)]


def _noise_power(recipe: Recipe, snrs_db: NDArray[np.int64]) -> Floats:
    """Noise power (n,) at a signal power of 1."""
    power: Floats = 10.0 ** (-snrs_db / (10 if recipe.noise_law == "power" else 5))
    return power


def _level(recipe: Recipe, snrs_db: NDArray[np.int64]) -> NDArray[np.float32]:
    """Gain (n, 1) that brings unit signal power plus noise to a mean power of 1."""
    gain: NDArray[np.float32] = (1 / np.sqrt(1 + _noise_power(recipe, snrs_db))).astype(np.float32)
    return gain[:, None]


def _parts(
    recipe: Recipe, cell: int, snrs_db: NDArray[np.int64], numbers: NDArray[np.int64], split: int
) -> tuple[Signals, Signals]:
    """Signal at unit power and its noise, for frames of one cell: two (n, T) arrays."""
    channel = build_channel(recipe)
    build = recorded2018.recorded2018 if recipe.waveforms == "recorded" else _EMITTERS[recipe.class_set]
    emitter = build(recipe, recipe.classes.cells[cell], channel.extent)
    keys = [(split, cell, int(s) + _SNR_BIAS_DB, int(k)) for s, k in zip(snrs_db, numbers, strict=True)]
    batch = _draw(recipe, channel, emitter, keys)
    sent = emitter.make(batch.fortune.named, batch.content)
    signal = to_unit_power(channel.apply(sent, batch.fortune))
    if emitter.pulsed or recipe.waveforms == "recorded":  # frames keep the power that they were sent with
        first = channel.extent.first
        power = np.mean(np.square(np.abs(sent[:, first : first + recipe.frame_len])), axis=1, keepdims=True)
        signal *= np.sqrt(power)
    sigma = np.sqrt(_noise_power(recipe, snrs_db) / 2).astype(np.float32)
    noise = to_complex(batch.noise[:, 0], batch.noise[:, 1]) * sigma[:, None]
    return signal, noise


def _draw(recipe: Recipe, channel: Channel, emitter: Emitter, keys: list[tuple[int, int, int, int]]) -> _Batch:
    """Draw all random numbers of a batch, each frame from its own generator and in a fixed order."""
    n = len(keys)
    uniform = np.empty((n, len(DRAWS) + channel.uniforms))
    normal = np.empty((n, channel.normals))
    content: NDArray[Any] = np.empty((n, emitter.size), np.int16 if emitter.order else np.float32)
    noise = np.empty((n, 2, recipe.frame_len), np.float32)
    steps = np.empty((n, channel.steps), np.float32)
    for row, key in enumerate(keys):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, *key])))
        rng.random(out=uniform[row])
        rng.standard_normal(out=normal[row])
        if emitter.order:
            content[row] = rng.integers(emitter.order, size=emitter.size, dtype=np.int16)
        else:
            rng.standard_normal(out=content[row], dtype=np.float32)
        rng.standard_normal(out=noise[row], dtype=np.float32)
        rng.standard_normal(out=steps[row], dtype=np.float32)
    named = dict(zip(DRAWS, uniform.T, strict=False))
    return _Batch(Fortune(named, uniform[:, len(DRAWS) :], normal, steps), content, noise)
