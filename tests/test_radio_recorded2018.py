"""Frames of radioml2018-v2: what was found in the published file and by networks that were trained on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.radio import CLASSES, RECIPES, generate_frames, generate_parts
from hw_amc.radio.generator import waveforms
from hw_amc.radio.generator.constellations import radioml2018
from hw_amc.radio.generator.recipes import Recipe

AWGN = RECIPES["radioml2018-awgn-v2"]


def sent(name: str, count: int = 64) -> NDArray[np.complex128]:
    """Frames of a class without noise, each turned back to the carrier phase 0 where a carrier or an axis shows it."""
    signal, _ = generate_parts(AWGN, [CLASSES.index(name)] * count, [100] * count, range(count))
    return signal.astype(np.complex128)


def test_the_pulse_is_the_cube_of_a_root_raised_cosine() -> None:
    times = np.arange(-17 * 64, 17 * 64) / 64
    spectrum = np.abs(np.fft.fft(waveforms.cubed_pulse(times, 0.4))) / 64
    symbol_rates = np.abs(np.fft.fftfreq(len(times), 1 / 64))
    at = {f: spectrum[np.argmin(np.abs(symbol_rates - f))] for f in (0.0, 0.5, 0.75)}
    assert 20 * np.log10(at[0.5] / at[0.0]) == pytest.approx(-9.03, abs=0.1)
    assert at[0.75] < 1e-3
    assert (waveforms.cubed_pulse(times, 0.4) ** 2).sum() / 64 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("name", "power"), [("OOK", 2.0), ("4ASK", 2.8), ("8ASK", 10 / 3), ("BPSK", 1.0)])
def test_ask_is_unipolar_at_unit_variance(name: str, power: float) -> None:
    points = radioml2018(name)
    assert np.var(points) == pytest.approx(1)
    assert np.mean(np.abs(points) ** 2) == pytest.approx(power)


@pytest.mark.parametrize(("name", "rings"), [("64APSK", (4, 14, 20, 26)), ("128APSK", (8, 18, 24, 36, 42))])
def test_large_apsk_has_the_rings_of_liquid_dsp(name: str, rings: tuple[int, ...]) -> None:
    _, counts = np.unique(np.round(np.abs(radioml2018(name)), 6), return_counts=True)
    assert tuple(counts) == rings


def test_oqpsk_has_its_points_on_the_axes() -> None:
    assert np.allclose(np.sort_complex(radioml2018("OQPSK")), [-1, -1j, 1j, 1])


@pytest.mark.parametrize(
    ("name", "frequency", "sidebands", "rms"),
    [("FM", 1 / 32, 1, 1.0), ("AM-DSB-WC", 1 / 32, 2, 1.0), ("AM-DSB-SC", 1 / 32, 2, 2**0.5), ("AM-SSB-SC", 0, 1, 3.0)],
)
def test_analogue_classes_are_tones(name: str, frequency: float, sidebands: int, rms: float) -> None:
    frames = sent(name)
    assert np.sqrt(np.mean(np.abs(frames) ** 2)) == pytest.approx(rms, rel=0.02)
    power = np.mean(np.abs(np.fft.fft(frames, axis=1)) ** 2, axis=0)
    bins = np.argsort(power)[::-1][:sidebands]
    assert {abs(round(float(f), 6)) for f in np.fft.fftfreq(1024)[bins]} == {frequency}
    assert power[bins].sum() / power.sum() > 0.98


def test_the_label_is_twice_the_snr_in_db() -> None:
    _, noise = generate_parts(AWGN, [CLASSES.index("QPSK")] * 64, [10] * 64, range(64))
    signal, _ = generate_parts(AWGN, [CLASSES.index("QPSK")] * 64, [10] * 64, range(64))
    ratio = np.mean(np.abs(signal) ** 2) / np.mean(np.abs(noise) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(20, abs=0.3)


def test_recorded_waveforms_need_the_classes_of_2018() -> None:
    with pytest.raises(ConfigError, match="waveforms textbook"):
        Recipe("x", class_set="radioml2016", waveforms="recorded")
    with pytest.raises(ConfigError, match="waveforms textbook"):
        Recipe("x", rolloff=(0.1, 0.4), waveforms="recorded")


def test_every_class_is_finite_and_of_its_own_at_any_snr() -> None:
    labels: Any = np.tile(np.arange(24), 3)
    frames = generate_frames(RECIPES["radioml2018-v2"], labels, np.repeat([-20, 0, 30], 24), np.zeros(72, int))
    assert np.isfinite(frames).all()
    assert len(np.unique(frames.reshape(72, -1), axis=0)) == 72
