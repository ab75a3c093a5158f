"""Channels of a recipe: how long a waveform they consume, how much randomness, and what they make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hw_amc.radio.generator import channel, fading
from hw_amc.radio.generator.recipes import Dynamic, Recipe
from hw_amc.radio.generator.waveforms import Floats, Signals

#: Offsets and delays are cut at this many standard deviations or scales, which bounds the margins.
_CUT = 5.0


@dataclass(frozen=True)
class Extent:
    """Samples that a waveform needs: so many `made`, of which `first` becomes the first one of the frame."""

    made: int
    first: int


@dataclass(frozen=True)
class Fortune:
    """Random numbers of a batch of n frames for their channel.

    Attributes
    ----------
    named : mapping
        Name -> (n,) uniform on 0..1.
    uniform : (n, uniforms) on 0..1
    normal : (n, normals) standard normal
    steps : (n, steps) float32 standard normal
    """

    named: Mapping[str, Floats]
    uniform: Floats
    normal: Floats
    steps: NDArray[np.float32]


class Channel(Protocol):
    """A channel without its noise."""

    #: Random numbers of each kind that it takes a frame.
    uniforms: int
    normals: int
    steps: int
    extent: Extent

    def apply(self, sent: Signals, fortune: Fortune) -> Signals:
        """Send waveforms through the channel: (n, made) -> (n, T)."""


def build_channel(recipe: Recipe) -> Channel:
    """Find the channel of a recipe."""
    return Still(recipe) if recipe.dynamic is None else Moving(recipe.dynamic, recipe.frame_len)


class Still:
    """Clock offset, carrier offset and paths that are constant over a frame and drawn anew for each."""

    steps = 0

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._taps = ceil(_CUT * recipe.delay_spread[1]) + channel.POINTS + 1 if recipe.paths > 1 else 1
        self._resampled = recipe.frame_len + self._taps - 1
        margin = ceil(_CUT * recipe.clock_sigma * self._resampled / 2) + channel.POINTS
        filtered = self._taps - 1 - channel.LEAD if recipe.paths > 1 else 0
        self.extent = Extent(self._resampled + 2 * margin, margin + filtered)
        self.uniforms = recipe.paths - 1
        self.normals = 2 + 2 * recipe.paths

    def apply(self, sent: Signals, fortune: Fortune) -> Signals:
        recipe = self._recipe
        offset = np.clip(fortune.normal[:, :2], -_CUT, _CUT) * (recipe.clock_sigma, recipe.carrier_sigma)
        received = channel.resample(sent, (self.extent.made - 1) / 2, 1 + offset[:, 0], self._resampled)
        received = channel.rotate(received, 2 * np.pi * fortune.named["phase"], offset[:, 1])
        if recipe.paths == 1:
            return received
        low, high = recipe.delay_spread
        spread = low + (high - low) * fortune.named["spread"]
        rayleigh = np.sqrt(-2 * np.log1p(-fortune.uniform))
        delays = np.zeros((len(sent), recipe.paths))
        delays[:, 1:] = np.minimum(rayleigh, _CUT) * spread[:, None]
        parts = fortune.normal[:, 2:].reshape(len(sent), recipe.paths, 2)
        scatter = (parts[..., 0] + 1j * parts[..., 1]) / np.sqrt(2)
        gains = channel.rician_gains(scatter, recipe.rician_k, recipe.path_decay)
        return channel.fade(received, channel.impulse_response(gains, delays, self._taps))


class Moving:
    """Sampling clock and carrier on random walks, then paths that fade: see `recipes.Dynamic`."""

    def __init__(self, dynamic: Dynamic, frame_len: int) -> None:
        self._dynamic = dynamic
        self._count = frame_len + dynamic.taps - 1
        margin = ceil(dynamic.sro_max_hz / dynamic.sample_rate_hz * self._count) + channel.POINTS
        self.extent = Extent(self._count + 2 * margin, margin + dynamic.taps - 1)
        self.normals = 2
        self.steps = 2 * self._count
        self.uniforms = 1 + fading.fader_draws(len(dynamic.magnitudes), dynamic.sinusoids)
        self._doppler = dynamic.doppler_hz / dynamic.sample_rate_hz
        self._nodes = fading.node_times(frame_len, self._doppler)
        self._responses = fading.sinc_taps(dynamic.delays, dynamic.taps)

    def offsets(self, fortune: Fortune) -> tuple[Floats, Floats]:
        """Offsets of clock and carrier in Hz at every sample, from `taps` - 1 samples before the frame on."""
        dynamic = self._dynamic
        low, high = dynamic.warm_up
        run = np.sqrt(np.floor(low + (high + 1 - low) * fortune.uniform[:, 0]))
        walks = []
        limits = ((dynamic.sro_std_hz, dynamic.sro_max_hz), (dynamic.cfo_std_hz, dynamic.cfo_max_hz))
        for i, (std, limit) in enumerate(limits):
            start = fading.reflected(std * run * fortune.normal[:, i], limit)
            steps = fortune.steps[:, i * self._count : (i + 1) * self._count] * np.float32(std)
            walks.append(fading.clipped_walk(start, steps, limit))
        return walks[0], walks[1]

    def apply(self, sent: Signals, fortune: Fortune) -> Signals:
        dynamic, rate = self._dynamic, self._dynamic.sample_rate_hz
        clock, carrier = self.offsets(fortune)
        late = np.cumsum(clock, axis=1) - clock
        margin = self.extent.first - dynamic.taps + 1
        received = channel.sample(sent, margin + np.arange(self._count) + late / rate)
        received = fading.drift(received, carrier / rate)
        gains = fading.path_gains(
            fortune.uniform[:, 1:], dynamic.magnitudes, dynamic.rician_k, self._doppler, self._nodes
        )
        return fading.fade_paths(received, self._responses, gains, self._nodes)
