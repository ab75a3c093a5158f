"""Complex baseband waveforms of linear, frequency-shift and analogue modulations, a batch of one modulation at a time.

Every function is vectorised over the frames of a batch and treats each row alone, so that a frame does not
depend on its neighbours in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal, special

from hw_amc.radio.generator.constellations import constellation

Floats = NDArray[np.float64]
Signals = NDArray[np.complex64]

#: Modulations made from a continuous message rather than from symbols.
ANALOGUE = frozenset({"AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "FM"})

#: Half length of the pulse of `cubed_pulse`, symbols.
CUBED_SPAN = 17
#: Half length of the frequency pulse of GMSK and GFSK, symbols.
GAUSS_SPAN = 3


def rrc_pulse(t: Floats, rolloff: Floats) -> Floats:
    """Root-raised-cosine pulse of unit energy per symbol.

    Parameters
    ----------
    t : float
        Time in symbols.
    rolloff : float
        Roll-off 0 to 1; broadcasts against `t`.

    Returns
    -------
    float
        The pulse, in the common shape of `t` and `rolloff`.
    """
    t, beta = np.broadcast_arrays(t, rolloff)
    x = 4 * beta * t
    numerator = np.sin(np.pi * t * (1 - beta)) + x * np.cos(np.pi * t * (1 + beta))
    denominator = np.pi * t * (1 - x * x)
    at_zero = np.abs(t) < 1e-7
    at_pole = np.abs(1 - x * x) < 1e-7
    pulse: Floats = numerator / np.where(at_zero | at_pole, 1.0, denominator)
    pulse[at_zero] = (1 - beta + 4 * beta / np.pi)[at_zero]
    if at_pole.any():
        b = beta[at_pole]
        angle = np.pi / (4 * b)
        pulse[at_pole] = b / np.sqrt(2) * ((1 + 2 / np.pi) * np.sin(angle) + (1 - 2 / np.pi) * np.cos(angle))
    return pulse


@cache
def _cubed_table(rolloff: float) -> tuple[Floats, Floats]:
    """Times up to `CUBED_SPAN` symbols, and the pulse of `cubed_pulse` at them."""
    bins = 2048
    f = (np.arange(bins) + 0.5) / bins * (1 + rolloff) / 2
    edge = np.clip((f - (1 - rolloff) / 2) / max(rolloff, 1e-9), 0, 1)
    spectrum = (0.5 * (1 + np.cos(np.pi * edge))) ** 1.5
    spectrum /= np.sqrt((spectrum**2).mean() * (1 + rolloff))  # unit energy per symbol, as of a root raised cosine
    times = np.linspace(0, CUBED_SPAN, CUBED_SPAN * 256 + 1)
    return times, np.cos(2 * np.pi * times[:, None] * f) @ spectrum * (1 + rolloff) / bins


def cubed_pulse(t: Floats, rolloff: float) -> Floats:
    """Pulse whose spectrum is the cube of a root raised cosine's: that of RadioML 2018.01A (docs/radio.md).

    Parameters
    ----------
    t : float
        Time in symbols; the pulse is cut at `CUBED_SPAN`.
    rolloff : float
        Roll-off above 0 to 1.
    """
    pulse: Floats = np.interp(np.abs(t), *_cubed_table(rolloff), right=0.0)
    return pulse


def gauss_pulse(t: Floats, bt: float) -> Floats:
    """Unit rectangle of one symbol through a Gaussian filter; `t` in symbols."""
    a = np.pi * bt * np.sqrt(2 / np.log(2))
    pulse: Floats = 0.5 * (special.erf(a * (t + 0.5)) - special.erf(a * (t - 0.5)))
    return pulse


def pulse_times(delay: Floats, sps: int, span: int) -> Floats:
    """Give the times at which a frame samples its pulse.

    Parameters
    ----------
    delay : (n,)
        Delay of the symbol grid, samples.
    sps, span : int
        Samples a symbol; half length of the pulse in symbols.

    Returns
    -------
    (n, 2 span + 1, sps)
        Symbols; [:, i, j] belongs to symbol i of a window and sample j of its middle symbol.
    """
    grid = np.arange(sps) / sps - np.arange(-span, span + 1)[:, None]
    times: Floats = grid - delay[:, None, None] / sps
    return times


def shape(symbols: NDArray[np.float32], pulse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Filter real symbol streams with each frame's own pulse, in polyphase form.

    Parameters
    ----------
    symbols : (n, parts, K + S - 1)
        S = taps of the pulse in symbols.
    pulse : (n, parts or 1, S, sps)

    Returns
    -------
    (n, parts, K sps)
    """
    windows = np.lib.stride_tricks.sliding_window_view(symbols, pulse.shape[2], axis=2)
    out: NDArray[np.float32] = np.matmul(np.ascontiguousarray(windows), pulse)
    return out.reshape(*out.shape[:2], -1)


def symbol_count(length: int, sps: int, span: int) -> int:
    """Symbols that `length` samples need, pulse tails included."""
    return -(-length // sps) + 2 * span


def linear(
    name: str, symbols: NDArray[np.integer[Any]], delay: Floats, rolloff: Floats, sps: int, span: int
) -> Signals:
    """Linear modulation with a root-raised-cosine pulse.

    Parameters
    ----------
    name : str
        A class with a constellation; OQPSK delays Q by half a symbol.
    symbols : (n, K + 2 span) int
        Indices into the constellation.
    delay, rolloff : (n,)
        Timing offset in samples and roll-off of every frame.
    sps, span : int
        Samples a symbol; half length of the pulse in symbols.

    Returns
    -------
    (n, K sps) complex64, mean power 1
    """
    points = constellation(name)[symbols]
    offset = sps / 2 if name == "OQPSK" else 0.0
    return shaped(points, delay, lambda t: rrc_pulse(t, rolloff[:, None, None]), (sps, span), offset)


def shaped(
    points: NDArray[np.complex128],
    delay: Floats,
    pulse: Callable[[Floats], Floats],
    grid: tuple[int, int],
    offset: float = 0.0,
) -> Signals:
    """Shape symbols with a pulse.

    Parameters
    ----------
    points : (n, K + 2 span) complex
        Symbols.
    delay : (n,)
        Timing offset of every frame, samples.
    pulse : callable
        From times in symbols (n, 2 span + 1, sps) to the pulse at them.
    grid : (sps, span)
        Samples a symbol; half length of the pulse in symbols.
    offset : float
        Delay of Q after I, samples.

    Returns
    -------
    (n, K sps) complex64
    """
    sps, span = grid
    narrow = points.astype(np.complex64)
    parts = np.stack([narrow.real, narrow.imag], axis=1)
    offsets = (0.0, offset) if offset else (0.0,)
    pulses = np.stack([pulse(pulse_times(delay + later, sps, span)) for later in offsets], axis=1)
    found = shape(parts, pulses.astype(np.float32))
    return to_complex(found[:, 0], found[:, 1])


def gfsk(bits: NDArray[np.integer[Any]], delay: Floats, sps: int, bt: float, index: float | Floats = 0.5) -> Signals:
    """Gaussian frequency-shift keying; with its default index Gaussian minimum shift keying, GMSK.

    Parameters
    ----------
    bits : (n, K + 2 GAUSS_SPAN) int
        0 or 1.
    delay : (n,)
        Timing offset, samples.
    sps : int
        Samples a symbol.
    bt : float
        Bandwidth-time product of the Gaussian filter.
    index : float or (n,)
        Modulation index: distance of the two frequencies over the symbol rate.

    Returns
    -------
    (n, K sps) complex64 of magnitude 1
    """
    pulse = gauss_pulse(pulse_times(delay, sps, GAUSS_SPAN), bt)[:, None]
    swing = shape((2 * bits[:, None] - 1).astype(np.float32), pulse.astype(np.float32))[:, 0]
    # Half a cycle per symbol and unit of index: a bit turns the phase by pi times the index.
    radians = np.reshape(np.pi * np.asarray(index) / sps, (-1, 1))
    return from_phase(np.cumsum(swing, axis=1, dtype=np.float64) * radians)


def cpfsk(bits: NDArray[np.integer[Any]], delay: Floats, sps: int, index: float) -> Signals:
    """Continuous-phase frequency-shift keying with rectangular frequency pulses.

    Parameters
    ----------
    bits : (n, K + 1) int
        0 or 1.
    delay : (n,)
        Timing offset, samples, 0 up to `sps`.
    sps : int
        Samples a symbol.
    index : float
        Modulation index.

    Returns
    -------
    (n, K sps) complex64 of magnitude 1
    """
    signs = 2.0 * bits - 1
    times = 1 + (np.arange((bits.shape[1] - 1) * sps) - delay[:, None]) / sps
    symbol = np.minimum(times.astype(np.intp), bits.shape[1] - 1)
    before = np.cumsum(signs, axis=1) - signs
    turned = np.take_along_axis(before, symbol, 1) + np.take_along_axis(signs, symbol, 1) * (times - symbol)
    return from_phase(np.pi * index * turned)


def message(coefficients: NDArray[np.float32], bandwidth: Floats, length: int, nfft: int) -> Signals:
    """Analytic audio-like random message: a band-limited Gaussian process with a falling spectrum.

    Amplitudes are flat to a fifth of the bandwidth, fall by 6 dB an octave above, and stop at the bandwidth and
    below a twentieth of it, roughly as speech does.

    Parameters
    ----------
    coefficients : (n, 2 B) float32
        Standard normal; B is at least the number of Fourier bins in the widest band.
    bandwidth : (n,)
        Cycles per sample.
    length, nfft : int
        Samples wanted and length of the transform; twice the length or more leaves no trace of its period.

    Returns
    -------
    (n, length) complex64
        The message is the real part; the analytic signal holds positive frequencies only.
    """
    bins = coefficients.shape[1] // 2
    relative = np.arange(1, bins + 1) / nfft / bandwidth[:, None]
    weight = np.where((relative >= 0.05) & (relative <= 1), 0.2 / np.maximum(relative, 0.2), 0)
    spectrum = np.zeros((len(coefficients), nfft), np.complex64)
    spectrum[:, 1 : bins + 1] = to_complex(coefficients[:, :bins], coefficients[:, bins:]) * weight
    analytic: Signals = fft.ifft(spectrum, axis=1, overwrite_x=True)[:, :length]
    return analytic


def amplitude(name: str, analytic: Signals, index: Floats, lower: NDArray[np.bool_]) -> Signals:
    """Amplitude modulation by a message.

    Parameters
    ----------
    name : str
        AM-SSB-WC, AM-SSB-SC, AM-DSB-WC or AM-DSB-SC.
    analytic : (n, T) complex64
        Analytic message.
    index : (n,)
        Peak of the message over the carrier, where there is a carrier.
    lower : (n,) bool
        Take the lower sideband, where only one is sent.

    Returns
    -------
    (n, T) complex64, of no particular power
    """
    sideband: Signals = np.where(lower[:, None], analytic.conj(), analytic)
    both: Signals = analytic.real.astype(np.complex64)
    sent = sideband if "SSB" in name else both
    sent /= np.abs(sent).max(axis=1, keepdims=True)
    if name.endswith("WC"):
        sent = 1 + sent * index[:, None].astype(np.float32)
    return sent


def frequency(analytic: Signals, deviation: Floats) -> Signals:
    """Frequency modulation by the real part of a message, magnitude 1.

    Parameters
    ----------
    analytic : (n, T) complex64
    deviation : (n,)
        Peak deviation, cycles per sample.
    """
    real = analytic.real / np.abs(analytic.real).max(axis=1, keepdims=True)
    return from_phase(np.cumsum(real, axis=1, dtype=np.float64) * (2 * np.pi * deviation[:, None]))


def hilbert_taps(count: int) -> NDArray[np.float32]:
    """Impulse response of a Hilbert transformer of `count` taps (odd) under a Hamming window."""
    n = np.arange(count) - count // 2
    ideal = np.where(n % 2 == 1, 2 / (np.pi * np.where(n == 0, 1, n)), 0.0)
    taps: NDArray[np.float32] = (ideal * np.hamming(count)).astype(np.float32)
    return taps


def hilbert_ssb(real: NDArray[np.float32], lower: NDArray[np.bool_], taps: NDArray[np.float32]) -> Signals:
    """Single sideband by the phasing method: a message and its transform by a filter of finite length.

    Parameters
    ----------
    real : (n, T + taps - 1) float32
        Message.
    lower : (n,) bool
        Take the lower sideband.
    taps : (taps,)
        See `hilbert_taps`; what it cannot turn, below about 2 / taps cycles per sample, stays in both sidebands.

    Returns
    -------
    (n, T) complex64
    """
    turned = signal.fftconvolve(real, taps[None], mode="valid", axes=1)
    centre = len(taps) // 2
    turned[lower] *= -1
    return to_complex(real[:, centre : centre + turned.shape[1]], turned)


def to_complex(real: NDArray[np.float32], imag: NDArray[np.float32]) -> Signals:
    """Join two float32 arrays into one complex64 array without a wider copy."""
    joined = np.empty(real.shape, np.complex64)
    joined.real = real
    joined.imag = imag
    return joined


def from_phase(phase: Floats) -> Signals:
    """Build unit phasors exp(i phase); `phase` in radians."""
    # Reduced in double precision, so that single precision sines lose nothing on long frames.
    small = np.remainder(phase, 2 * np.pi).astype(np.float32)
    return to_complex(np.cos(small), np.sin(small))
