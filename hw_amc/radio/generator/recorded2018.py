"""Emitters of RadioML 2018.01A's classes as networks trained on the published file recognise them.

Not textbook waveforms: what each class looks like was inferred from frames of the file and from the answers of public
networks that were trained on it. docs/radio.md has the evidence of each, and how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.generator import waveforms
from hw_amc.radio.generator.constellations import radioml2018
from hw_amc.radio.generator.emitters import Draws, Emitter, fsk
from hw_amc.radio.generator.propagation import Extent
from hw_amc.radio.generator.recipes import Recipe
from hw_amc.radio.generator.waveforms import Signals


@dataclass(frozen=True)
class _Analogue:
    """A carrier, a tone beside it and noise around it."""

    #: Amplitude of the carrier.
    carrier: float
    #: Amplitude of the tone, and its cycles a sample.
    tone: float
    frequency: float
    #: Whether the tone has both sidebands.
    both: bool = False
    #: Deviation of complex white noise that belongs to the signal.
    noise: float = 0.0


_ANALOGUE = {
    "AM-SSB-WC": _Analogue(2.4, 0.0, 0.0, noise=0.72),
    "AM-SSB-SC": _Analogue(3.0, 0.3, 1 / 64),
    "AM-DSB-WC": _Analogue(0.0, 2**0.5, 1 / 32, both=True),
    "AM-DSB-SC": _Analogue(0.0, 2.0, 1 / 32, both=True),
    "FM": _Analogue(0.0, 1.0, 1 / 32),
}


def recorded2018(recipe: Recipe, names: tuple[str, ...], extent: Extent) -> Emitter:
    """Build the source of a class, at the level that it has in the file: unit variance of the ideal symbols."""
    (name,) = names
    if name == "GMSK":
        return fsk(recipe.sps, recipe.gmsk_bt, (0.5, 0.5), extent.made)
    return _analogue(_ANALOGUE[name], extent.made) if name in _ANALOGUE else _linear(recipe, name, extent.made)


def _linear(recipe: Recipe, name: str, made: int) -> Emitter:
    points = radioml2018(name)
    sps, span = recipe.sps, recipe.rrc_span
    rolloff = recipe.rolloff[0]

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        offset = sps / 2 if name == "OQPSK" else 0.0
        sent = waveforms.shaped(
            points[content], sps * draw["timing"], lambda t: waveforms.cubed_pulse(t, rolloff), (sps, span), offset
        )
        return sent[:, :made]

    return Emitter(len(points), waveforms.symbol_count(made, sps, span), make)


def _analogue(kind: _Analogue, made: int) -> Emitter:
    turns = kind.frequency * np.arange(made)

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        phase = 2 * np.pi * (turns + draw["timing"][:, None])
        tone = kind.tone * (np.cos(phase) if kind.both else np.exp(1j * phase))
        noise = (content[:, :made] + 1j * content[:, made:]) * (kind.noise / 2**0.5) if kind.noise else 0.0
        sent: Signals = (kind.carrier + tone + noise).astype(np.complex64)
        return sent

    return Emitter(0, 2 * made if kind.noise else 0, make)
