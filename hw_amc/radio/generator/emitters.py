"""What makes the frames of RadioML's classes: how much random content each takes, and how that becomes a waveform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from scipy import fft

from hw_amc.radio.generator import waveforms
from hw_amc.radio.generator.constellations import constellation
from hw_amc.radio.generator.propagation import Extent
from hw_amc.radio.generator.recipes import Recipe
from hw_amc.radio.generator.waveforms import Floats, Signals

#: Uniform numbers of frames by name, (n,) each.
Draws = Mapping[str, Floats]

#: Uniform numbers on 0..1 that every frame has, by what they decide in most classes.
DRAWS = ("rolloff", "timing", "phase", "spread", "band", "depth", "sideband")

#: Taps of the Hilbert transformer of RadioML 2016.10A's single sideband.
_HILBERT_TAPS = 401

#: Constellations of RadioML 2016.10A under the names of `constellations`.
_LINEAR_2016 = {"16QAM": "16QAM", "64QAM": "64QAM", "8PSK": "8PSK", "BPSK": "BPSK", "PAM4": "4ASK", "QPSK": "QPSK"}


@dataclass(frozen=True)
class Emitter:
    """Source of one class's waveforms.

    Attributes
    ----------
    order : int
        The random content is integers below `order`; 0 means standard normal float32.
    size : int
        Numbers of random content in a frame.
    make : callable
        From draws (name -> (n,) uniform on 0..1) and content (n, size) to (n, made) complex64, at any power.
    pulsed : bool
        The signal is off at times; its power is then counted while it is on. Its magnitude is 1 while on.
    """

    order: int
    size: int
    make: Callable[[Draws, NDArray[Any]], Signals]
    pulsed: bool = False


def between(bounds: tuple[float, float], uniform: Floats) -> Floats:
    """Bring uniform draws from 0..1 to other bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * uniform


def radioml2018(recipe: Recipe, names: tuple[str, ...], extent: Extent) -> Emitter:
    """Build the source of a class of RadioML 2018.01A."""
    (name,) = names
    if name in waveforms.ANALOGUE:
        return analogue(recipe, name, extent.made)
    if name == "GMSK":
        return fsk(recipe.sps, recipe.gmsk_bt, (0.5, 0.5), extent.made)
    return linear(recipe, name, extent.made)


def radioml2016(recipe: Recipe, names: tuple[str, ...], extent: Extent) -> Emitter:
    """Build the source of a class of RadioML 2016.10A."""
    (name,) = names
    if name in _LINEAR_2016:
        return linear(recipe, _LINEAR_2016[name], extent.made)
    if name == "GFSK":
        return fsk(recipe.sps, recipe.gfsk_bt, (recipe.gfsk_index, recipe.gfsk_index), extent.made)
    if name == "CPFSK":
        return _cpfsk(recipe, extent.made)
    if name == "AM-SSB":
        return _hilbert(recipe, extent.made)
    return analogue(recipe, {"AM-DSB": "AM-DSB-WC", "WBFM": "FM"}[name], extent.made)


def linear(recipe: Recipe, name: str, made: int) -> Emitter:
    """Build a source of root-raised-cosine pulses on a constellation."""

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        rolloff = between(recipe.rolloff, draw["rolloff"])
        delay = recipe.sps * draw["timing"]
        return waveforms.linear(name, content, delay, rolloff, recipe.sps, recipe.rrc_span)[:, :made]

    size = waveforms.symbol_count(made, recipe.sps, recipe.rrc_span)
    return Emitter(len(constellation(name)), size, make)


def fsk(sps: int, bt: float, index: tuple[float, float], made: int) -> Emitter:
    """Build a source of Gaussian frequency-shift keying, of a modulation index between bounds."""

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        return waveforms.gfsk(content, sps * draw["timing"], sps, bt, between(index, draw["depth"]))[:, :made]

    return Emitter(2, waveforms.symbol_count(made, sps, waveforms.GAUSS_SPAN), make)


def analogue(recipe: Recipe, name: str, made: int) -> Emitter:
    """Build a source of amplitude or frequency modulation by a random message."""
    nfft, bins = _message_size(recipe, made)

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        analytic = waveforms.message(content, between(recipe.message_band, draw["band"]), made, nfft)
        if name == "FM":
            return waveforms.frequency(analytic, between(recipe.fm_deviation, draw["depth"]))
        index = between(recipe.am_index, draw["depth"])
        return waveforms.amplitude(name, analytic, index, draw["sideband"] < 0.5)

    return Emitter(0, 2 * bins, make)


def _message_size(recipe: Recipe, length: int) -> tuple[int, int]:
    """Length of a message's transform, and the bins of it that its widest band takes."""
    nfft = fft.next_fast_len(2 * length)
    return nfft, int(recipe.message_band[1] * nfft)


def _cpfsk(recipe: Recipe, made: int) -> Emitter:
    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        return waveforms.cpfsk(content, recipe.sps * draw["timing"], recipe.sps, recipe.cpfsk_index)[:, :made]

    return Emitter(2, waveforms.symbol_count(made, recipe.sps, 0) + 1, make)


def _hilbert(recipe: Recipe, made: int) -> Emitter:
    length = made + _HILBERT_TAPS - 1
    nfft, bins = _message_size(recipe, length)
    taps = waveforms.hilbert_taps(_HILBERT_TAPS)

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        analytic = waveforms.message(content, between(recipe.message_band, draw["band"]), length, nfft)
        return waveforms.hilbert_ssb(analytic.real, draw["sideband"] < 0.5, taps)

    return Emitter(0, 2 * bins, make)
