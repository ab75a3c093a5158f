"""Emitters of the RadCom sets at 10 MS/s: communication signals with their standards' parameters, and radars.

A frame of 128 samples is 12.8 microseconds long. The publication (Jagannath and Jagannath, Computer Networks 199,
2021, 108441) names modulations and signals and gives the channel, not the waveforms' parameters: those below are ours,
from the standards and textbooks named beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.radio.generator import emitters, radar, spread, waveforms
from hw_amc.radio.generator.emitters import Draws, Emitter, between
from hw_amc.radio.generator.propagation import Extent
from hw_amc.radio.generator.recipes import Recipe
from hw_amc.radio.generator.waveforms import Floats, Signals

#: Samples a microsecond.
_MHZ = 10

#: Fewest samples that hold a whole pulse, and most in which the fastest chirp stays in the sampled band.
_LENGTHS = (64, 200)

#: Bluetooth basic rate (Core specification, volume 2, part A, 3.1): 1 MBd, BT 0.5, index 0.28 to 0.35.
_BLUETOOTH_SPS, _BLUETOOTH_BT, _BLUETOOTH_INDEX = _MHZ, 0.5, (0.28, 0.35)

#: Short range: the downlink of EN 12253 (5.8 GHz road charging), FM0 at 500 kbit/s with two amplitudes whose difference
#: over their sum is 0.5 to 0.9. A half bit takes 1 microsecond; its edges are those of a Gaussian filter of BT 1.
_FM0_SPS, _FM0_BT, _FM0_DEPTH = _MHZ, 1.0, (0.5, 0.9)

#: 802.11b: 11 Mchip/s through a receiver 8 MHz wide (half power; nothing beyond +-5 MHz), for which 10 MS/s suffice.
_CCK_SPC, _CCK_WIDTH = _MHZ / 11, 8 / 11

#: 802.15.4 at 2.4 GHz: 2 Mchip/s.
_OQPSK_SPC = _MHZ / 2

#: FMCW altimeter at 4.3 GHz: sweep in MHz and its duration in microseconds, of the order of the altimeters that ITU-R
#: M.2059 lists; the frequency in mid-frame, in cycles per sample, keeps a whole frame inside the sampled band.
_SWEEP_MHZ, _SWEEP_US, _SWEEP_CENTRE = (100.0, 200.0), (1000.0, 5000.0), (-0.3, 0.3)

#: Length of a pulse's edges, microseconds, and the carrier's distance from the receiver's, cycles per sample.
_RISE_US, _PULSE_OFFSET = 0.1, (-0.1, 0.1)


@dataclass(frozen=True)
class _Pulses:
    """Bounds of a radar's pulse width and pulse repetition interval, microseconds."""

    width_us: tuple[float, float]
    interval_us: tuple[float, float]


#: Airborne radars by their use of the repetition frequency (Stimson, Introduction to Airborne Radar, 2nd edition, part
#: VI: high 100 to 300 kHz, medium 10 to 20 kHz, low 250 Hz to 4 kHz), with widths that tell them apart: search at high
#: repetition frequency and duty, ranging at medium, maps of 30 to 75 m resolution at low, moving targets at low.
_PULSES: dict[str, _Pulses] = {
    "Airborne-detection": _Pulses((1.0, 1.6), (3.4, 5.0)),
    "Airborne-range": _Pulses((0.8, 2.0), (50.0, 100.0)),
    "Ground mapping": _Pulses((0.2, 0.5), (500.0, 2000.0)),
    "Air-Ground-MTI": _Pulses((2.5, 5.0), (250.0, 500.0)),
}


def radcom(recipe: Recipe, names: tuple[str, ...], extent: Extent) -> Emitter:
    """Build the source of a modulation and signal class of the RadCom sets.

    Raises
    ------
    ConfigError
        The frame is too short for the widest pulse, or so long that a chirp would leave the sampled band.
    """
    modulation, signal = names
    made = extent.made
    if not _LENGTHS[0] <= recipe.frame_len <= _LENGTHS[1]:
        raise ConfigError(f"RadCom frames have {_LENGTHS[0]} to {_LENGTHS[1]} samples, not {recipe.frame_len}")
    if modulation == "BPSK":
        return emitters.linear(recipe, "BPSK", made)
    if modulation in ("AM-DSB", "AM-SSB"):
        return emitters.analogue(recipe, {"AM-DSB": "AM-DSB-WC", "AM-SSB": "AM-SSB-SC"}[modulation], made)
    if modulation == "GFSK":
        return emitters.fsk(_BLUETOOTH_SPS, _BLUETOOTH_BT, _BLUETOOTH_INDEX, made)
    if modulation == "PCW":
        return _pulsed(_PULSES[signal], extent, recipe.frame_len)
    return {"ASK": _fm0, "DSSS-CCK": _cck, "DSSS-OQPSK": _oqpsk, "FMCW": _fmcw}[modulation](made)


def _fm0(made: int) -> Emitter:
    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        depth = between(_FM0_DEPTH, draw["depth"])
        return fm0(content, 2 * _FM0_SPS * draw["timing"], depth)[:, :made]

    # The delay reaches over a whole bit, two half bits.
    bits = ceil((waveforms.symbol_count(made, _FM0_SPS, waveforms.GAUSS_SPAN) + 2) / 2)
    return Emitter(2, bits, make)


def fm0(bits: NDArray[Any], delay: Floats, depth: Floats) -> Signals:
    """Two amplitudes keyed by FM0: the level changes with every bit, and in the middle of a 0.

    Parameters
    ----------
    bits : (n, K) int
        0 or 1.
    delay : (n,)
        Timing offset, samples, 0 to 2 half bits.
    depth : (n,)
        Difference of the amplitudes over their sum.

    Returns
    -------
    (n, (2 K - 2 GAUSS_SPAN - 2) 10) complex64; the higher amplitude is 1 + `depth`
    """
    flips = np.stack([np.ones_like(bits), 1 - bits], axis=2).reshape(len(bits), -1)
    levels = (1 - 2 * (np.cumsum(flips, axis=1) % 2)).astype(np.float32)
    late = delay >= _FM0_SPS
    rows = np.where(late[:, None], levels[:, :-2], levels[:, 1:-1])
    pulse = waveforms.gauss_pulse(
        waveforms.pulse_times(delay - _FM0_SPS * late, _FM0_SPS, waveforms.GAUSS_SPAN), _FM0_BT
    )
    shaped = waveforms.shape(rows[:, None], pulse[:, None].astype(np.float32))[:, 0]
    sent: Signals = (1 + depth[:, None] * shaped).astype(np.complex64)
    return sent


def _cck(made: int) -> Emitter:
    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        symbols = content.reshape(len(content), -1, 4)
        return spread.cck(symbols, spread.CCK_CHIPS * draw["timing"], made, _CCK_SPC, _CCK_WIDTH)

    chips = ceil(made / _CCK_SPC) + 2 * spread.CCK_SPAN + spread.CCK_CHIPS + 2
    return Emitter(4, 4 * ceil(chips / spread.CCK_CHIPS), make)


def _oqpsk(made: int) -> Emitter:
    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        return spread.dsss_oqpsk(content, spread.OQPSK_CHIPS * draw["timing"], made, _OQPSK_SPC)

    return Emitter(16, ceil((made / _OQPSK_SPC + 2) / spread.OQPSK_CHIPS) + 1, make)


def _fmcw(made: int) -> Emitter:
    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        slope = between(_SWEEP_MHZ, draw["band"]) / between(_SWEEP_US, draw["depth"]) / _MHZ**2
        falling = np.where(draw["sideband"] < 0.5, -1.0, 1.0)
        return radar.chirp(between(_SWEEP_CENTRE, draw["timing"]), slope * falling, 2 * np.pi * draw["rolloff"], made)

    return Emitter(2, 0, make)


def _pulsed(bounds: _Pulses, extent: Extent, frame_len: int) -> Emitter:
    rise = _RISE_US * _MHZ

    def make(draw: Draws, content: NDArray[Any]) -> Signals:
        width = _MHZ * between(bounds.width_us, draw["band"])
        interval = _MHZ * between(bounds.interval_us, draw["depth"])
        # One pulse at least lies in the frame: a receiver cuts its frames where there is a signal.
        middle = extent.first + (width + rise) / 2 + draw["timing"] * (frame_len - width - rise)
        envelope = radar.pulses(middle, width, interval, rise, extent.made)
        return radar.pulsed(envelope, between(_PULSE_OFFSET, draw["sideband"]), 2 * np.pi * draw["rolloff"])

    return Emitter(2, 0, make, pulsed=True)
