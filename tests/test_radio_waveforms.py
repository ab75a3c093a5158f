"""Waveforms: what they carry, their bandwidths and envelopes, against theory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import ConfigError
from hw_amc.radio import CLASSES, RECIPES, generate_parts
from hw_amc.radio.generator import radar, radcom, spread, waveforms
from hw_amc.radio.generator.constellations import constellation
from hw_amc.radio.generator.recipes import Recipe
from hw_amc.radio.generator.waveforms import ANALOGUE, rrc_pulse

DIGITAL = [name for name in CLASSES if name not in ANALOGUE and name != "GMSK"]
STILL = replace(RECIPES["awgn-v1"], name="still")
RADCOM = RECIPES["radcom-awgn-v1"]
ZERO = np.array([0.0])


def signals(recipe: Recipe, name: str, count: int = 40) -> np.ndarray:
    """Noiseless frames of a class."""
    cell = recipe.classes.find(name)[0]
    return generate_parts(recipe, [cell] * count, [30] * count, range(count))[0]


def spectra(recipe: Recipe, name: str, count: int = 40) -> np.ndarray:
    """Spectrum of each frame of a class by signed frequency, carrier in the middle."""
    made = signals(recipe, name, count)
    return np.fft.fftshift(np.abs(np.fft.fft(made * np.hanning(made.shape[1]), axis=1)) ** 2, axes=1)


def share_within(power: np.ndarray, edge: float) -> float:
    """Share of the power at frequencies up to `edge` cycles per sample."""
    frequency = np.fft.fftshift(np.fft.fftfreq(power.shape[1]))
    return float(power[:, np.abs(frequency) <= edge].sum() / power.sum())


@pytest.mark.parametrize("name", DIGITAL)
def test_a_matched_filter_recovers_the_constellation(name: str) -> None:
    """Send known symbols through the modulator at a fractional delay, and take them back out."""
    rng = np.random.default_rng(5)
    points = constellation(name)
    span, count, delay, beta = 16, 64, 2.6, 0.3
    symbols = rng.integers(len(points), size=(1, count + 2 * span))
    sent = waveforms.linear(name, symbols, np.array([delay]), np.array([beta]), 8, span)[0]
    late = 4 if name == "OQPSK" else 0

    def sample(part: np.ndarray, offset: float, k: int) -> float:
        t = np.arange(len(part))
        return float((part * rrc_pulse((t - 8 * k - delay - offset) / 8, np.array(beta))).sum() / 8)

    inner = range(20, count - 20)
    got = np.array([sample(sent.real, 0, k) + 1j * sample(sent.imag, late, k) for k in inner])
    np.testing.assert_allclose(got, points[symbols[0, span + 20 : span + count - 20]], atol=0.02)


def test_the_pulse_is_continuous_where_its_formula_is_not_defined() -> None:
    for beta in (0.1, 0.25, 0.4, 1.0):
        for t in (0.0, 1 / (4 * beta), -1 / (4 * beta)):
            at = rrc_pulse(np.array([t]), np.array(beta))
            near = rrc_pulse(np.array([t - 1e-4, t + 1e-4]), np.array(beta)).mean()
            assert at[0] == pytest.approx(near, abs=1e-6)
    assert (rrc_pulse(np.arange(-200, 200) / 8, np.array(0.25)) ** 2).sum() / 8 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("beta", [0.1, 0.25, 0.4])
def test_the_spectrum_of_a_pulse_is_a_raised_cosine(beta: float) -> None:
    """Energy density: 1 up to (1 - beta) / 2 symbol rates, 0 from (1 + beta) / 2, half a cosine between."""
    pulse = rrc_pulse(np.arange(-4096, 4096) / 8, np.array(beta))
    density = np.abs(np.fft.rfft(pulse) / 8) ** 2
    symbol_rates = 8 * np.fft.rfftfreq(8192)
    slope = np.clip((symbol_rates - (1 - beta) / 2) / beta, 0, 1)
    np.testing.assert_allclose(density, (1 + np.cos(np.pi * slope)) / 2, atol=2e-3)


@pytest.mark.parametrize("beta", [0.1, 0.4])
def test_the_occupied_bandwidth_is_that_of_the_roll_off(beta: float) -> None:
    power = spectra(replace(STILL, rolloff=(beta, beta)), "16QAM")
    frequency = np.abs(np.fft.fftshift(np.fft.fftfreq(1024)))
    assert share_within(power, (1 + beta) / 16 + 0.003) > 0.999
    assert 0.7 < share_within(power, 0.8 / 16) < 0.9
    mean = power.mean(0)
    assert mean[np.abs(frequency - 1 / 16) < 0.002].mean() / mean[frequency < 0.04].mean() == pytest.approx(
        0.5, abs=0.1
    )


def test_gmsk_turns_a_quarter_per_bit_at_constant_envelope() -> None:
    bits = np.ones((1, 40), np.int64)
    bits[0, 20:] = 0
    sent = waveforms.gfsk(bits, ZERO, 8, 0.3)[0]
    np.testing.assert_allclose(np.abs(sent), 1, atol=1e-6)
    phase = np.unwrap(np.angle(sent))
    np.testing.assert_allclose(np.diff(phase[:100]), np.pi / 16, atol=1e-5)
    np.testing.assert_allclose(np.diff(phase[-100:]), -np.pi / 16, atol=1e-5)
    deviation = np.abs(np.diff(phase))
    assert deviation.min() < np.pi / 64


def test_gfsk_swings_by_its_index() -> None:
    bits = np.repeat([[1, 0, 1]], 14, axis=1).reshape(1, 3, 14).reshape(1, -1)
    for index in (0.25, 0.32):
        step = np.diff(np.unwrap(np.angle(waveforms.gfsk(bits, ZERO, 10, 0.5, np.array([index]))[0])))
        assert step.max() == pytest.approx(np.pi * index / 10, rel=1e-4)
        assert step.min() == pytest.approx(-np.pi * index / 10, rel=1e-4)


@pytest.mark.parametrize("delay", [0.0, 3.25, 7.9])
def test_cpfsk_moves_in_straight_lines(delay: float) -> None:
    rng = np.random.default_rng(4)
    bits = rng.integers(2, size=(1, 50))
    sent = waveforms.cpfsk(bits, np.array([delay]), 8, 0.5)[0]
    phase = np.unwrap(np.angle(sent))
    step = np.diff(phase)
    # A step within one symbol is a sixteenth of pi either way; one across a boundary lies between.
    inside = np.floor(1 + (np.arange(len(step) + 1) - delay) / 8)
    whole = inside[1:] == inside[:-1]
    np.testing.assert_allclose(step[whole], (np.pi / 16 * (2 * bits[0, inside[:-1].astype(int)] - 1))[whole], atol=1e-5)
    assert (np.abs(step) < np.pi / 16 + 1e-5).all()


def test_msk_is_cpfsk_of_index_one_half() -> None:
    """Its spectrum is (cos(2 pi f T) / (1 - (4 f T)^2))^2: Proakis, section 4.4."""
    recipe = replace(RECIPES["radioml2016-v1"], dynamic=None, frame_len=1024)
    power = spectra(recipe, "CPFSK", 600).mean(0)
    rates = 8 * np.fft.fftshift(np.fft.fftfreq(1024))
    near = np.abs(rates) < 0.7
    off = rates[near] + 1e-6  # not on the removable pole at a quarter
    theory = (np.cos(2 * np.pi * off) / (1 - (4 * off) ** 2)) ** 2
    got = power[near] / power[near].sum() * theory.sum()
    np.testing.assert_allclose(got, theory, atol=0.12)
    assert np.corrcoef(got, theory)[0, 1] > 0.997


def test_one_sideband_is_suppressed_in_ssb_and_none_in_dsb() -> None:
    for name in ("AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC"):
        power = spectra(STILL, name)
        lower, upper = power[:, :508].sum(1), power[:, 517:].sum(1)
        weaker, stronger = np.minimum(lower, upper), np.maximum(lower, upper)
        if "SSB" in name:
            assert (weaker < 1e-2 * stronger).mean() > 0.9
            assert 0.2 < (lower > upper).mean() < 0.8
        else:
            np.testing.assert_allclose(lower, upper, rtol=0.01)


def test_a_carrier_stands_out_exactly_where_there_is_one() -> None:
    for name in ("AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC"):
        power = spectra(STILL, name)
        share = power[:, 511:514].sum(1) / power.sum(1)
        assert np.median(share) > 0.5 if name.endswith("WC") else np.median(share) < 0.1


def test_the_hilbert_transformer_turns_by_a_quarter_where_it_can() -> None:
    taps = waveforms.hilbert_taps(401)
    for frequency in (0.01, 0.1, 0.3):
        tone = np.cos(2 * np.pi * frequency * np.arange(1000)).astype(np.float32)[None]
        upper = waveforms.hilbert_ssb(tone, np.array([False]), taps)[0]
        lower = waveforms.hilbert_ssb(tone, np.array([True]), taps)[0]
        at = np.arange(200, 800)
        np.testing.assert_allclose(upper, np.exp(2j * np.pi * frequency * at), atol=0.01)
        np.testing.assert_allclose(lower, np.exp(-2j * np.pi * frequency * at), atol=0.01)


def test_fm_has_a_constant_envelope_and_carsons_bandwidth() -> None:
    made = signals(STILL, "FM")
    np.testing.assert_allclose(np.abs(made), np.abs(made).mean(), rtol=2e-3)
    assert share_within(spectra(STILL, "FM"), STILL.fm_deviation[1] + STILL.message_band[1]) > 0.98


def test_no_frame_is_periodic() -> None:
    """A frame cut from a circular signal would fit its own start to its end."""
    for name in ("QPSK", "AM-DSB-SC", "FM", "GMSK"):
        made = signals(STILL, name, 60)
        seam = np.abs(made[:, 0] - made[:, -1]).mean()
        step = np.abs(np.diff(made, axis=1)).mean()
        assert seam > 2 * step


def test_cck_words_are_complementary() -> None:
    """The chips of all words: 64 up to the common phase; the odd and even halves' autocorrelations cancel."""
    quarters = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    words = spread.cck_chips(np.concatenate([np.zeros((64, 1, 1), int), quarters], axis=2))
    assert words.shape == (64, 8)
    assert len(np.unique(words.round(3), axis=0)) == 64
    # IEEE 802.11-2016, equation 16-1, at phases 0: 1 1 1 -1 1 1 -1 1.
    np.testing.assert_array_equal(words[0].real, [1, 1, 1, -1, 1, 1, -1, 1])
    for word in words:
        halves = [np.correlate(half, half, "full") for half in (word[::2], word[1::2])]
        np.testing.assert_allclose(np.delete(sum(halves), 3), 0, atol=1e-5)


def test_cck_turns_the_first_phase_from_word_to_word() -> None:
    chips = spread.cck_chips(np.array([[[1, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]]]))[0]
    last = chips[7::8]  # the last chip carries phase 1 alone; every odd word is turned by a half
    np.testing.assert_allclose(last, [1j, 1j**2 * -1, 1j**4], atol=1e-6)


def test_cck_is_flat_over_the_receivers_band() -> None:
    power = spectra(RADCOM, "DSSS-CCK", 400).mean(0)
    frequency = np.abs(np.fft.fftshift(np.fft.fftfreq(128)))
    flat = power[frequency < 0.28]
    assert flat.std() / flat.mean() < 0.15
    assert power[np.abs(frequency - 0.4) < 0.01].mean() / flat.mean() == pytest.approx(0.5, abs=0.08)


def test_802_15_4_symbols_are_nearly_orthogonal() -> None:
    chips = 2 * spread.oqpsk_chips() - 1
    assert chips.shape == (16, 32)
    agreement = chips @ chips.T
    np.testing.assert_array_equal(np.diag(agreement), 32)
    assert np.abs(agreement[~np.eye(16, dtype=bool)]).max() <= 8
    # IEEE 802.15.4-2020, table 12-1: symbols 5 and 8.
    assert "".join(map(str, spread.oqpsk_chips()[5])) == "00110101001000101110110110011100"
    assert "".join(map(str, spread.oqpsk_chips()[8])) == "10001100100101100000011101111011"


def test_half_sine_chips_are_recovered_in_mid_chip() -> None:
    symbols = np.array([[3, 12, 7]])
    sent = spread.dsss_oqpsk(symbols, np.array([0.5]), 400, 5.0)[0]
    np.testing.assert_allclose(np.abs(sent), 1, atol=1e-6)
    chips = 2 * spread.oqpsk_chips()[symbols[0]].ravel() - 1
    middles = np.arange(0, 350, 10)
    # At 1.5 chips and every two after, an even chip has just passed its middle: sample 2.5 chips on is exact.
    exact = spread.dsss_oqpsk(symbols, ZERO, 400, 5.0)[0]
    np.testing.assert_allclose(exact[middles].real, chips[0 : 2 * len(middles) : 2], atol=1e-6)
    np.testing.assert_allclose(exact[middles + 5].imag, chips[1 : 2 * len(middles) : 2], atol=1e-6)


def test_a_chirp_has_its_centre_and_slope() -> None:
    made = radar.chirp(np.array([0.1, -0.2]), np.array([1e-3, -2e-3]), np.array([0.3, 1.0]), 129)
    np.testing.assert_allclose(np.abs(made), 1, atol=1e-6)
    frequency = np.diff(np.unwrap(np.angle(made), axis=1), axis=1) / (2 * np.pi)
    t = np.arange(128) - 63.5
    np.testing.assert_allclose(frequency, np.array([[0.1], [-0.2]]) + np.array([[1e-3], [-2e-3]]) * t, atol=1e-5)
    np.testing.assert_allclose(np.angle(made[:, 64]), [0.3, 1.0], atol=1e-5)


def test_pulses_have_their_width_and_interval() -> None:
    envelope = radar.pulses(np.array([20.0, 33.25]), np.array([10.0, 12.5]), np.array([40.0, 1e4]), 1.0, 128)
    assert envelope.min() == 0
    assert envelope.max() == 1
    np.testing.assert_allclose(envelope.sum(axis=1), [30, 12.5], atol=0.3)
    np.testing.assert_array_equal(np.flatnonzero(envelope[0] > 0.6), np.r_[16:25, 56:65, 96:105])


@pytest.mark.parametrize(
    ("signal", "on", "most"),
    [("Airborne-detection", (0.15, 0.5), 4), ("Airborne-range", (8 / 128, 22 / 128), 1),
     ("Ground mapping", (1 / 128, 6 / 128), 1), ("Air-Ground-MTI", (24 / 128, 52 / 128), 1)],
)  # fmt: skip
def test_a_radar_sends_whole_pulses_of_its_kind(signal: str, on: Any, most: int) -> None:
    made = np.abs(signals(RADCOM, signal, 200))
    np.testing.assert_allclose(np.percentile(made, 99.9, axis=1)[made.max(axis=1) > 0.9], 1, atol=0.05)
    busy = (made > 0.5).mean(axis=1)
    assert on[0] - 1 / 128 <= busy.min()
    assert busy.max() <= on[1] + 1 / 128
    starts = ((made[:, 1:] > 0.5) & (made[:, :-1] <= 0.5)).sum(axis=1) + (made[:, 0] > 0.5)
    assert starts.max() <= most
    assert (starts >= (2 if most > 1 else 1)).all()


def test_short_range_keying_is_fm0() -> None:
    """Every bit is two half bits; the level changes at every bit's start, and in the middle of a 0 only."""
    bits = np.array([[1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1]])
    sent = radcom.fm0(bits, ZERO, np.array([0.5]))[0].real
    level = np.sign(sent - 1)[::10]
    # The signal begins in the middle of half bit 4, the first of bit 2.
    flips = np.stack([np.ones_like(bits), 1 - bits], axis=2).ravel()[5 : 4 + len(level)]
    np.testing.assert_array_equal(level[1:] * level[:-1], 1 - 2 * flips)
    assert sent.max() == pytest.approx(1.5, abs=0.01)
    assert sent.min() == pytest.approx(0.5, abs=0.01)


def test_bluetooth_has_a_constant_envelope_and_a_megahertz() -> None:
    made = signals(RADCOM, "GFSK")
    np.testing.assert_allclose(np.abs(made), 1, atol=1e-3)
    assert share_within(spectra(RADCOM, "GFSK"), 0.07) > 0.98


@pytest.mark.parametrize("length", [32, 1024])
def test_radcom_frames_fit_their_pulses_and_chirps(length: int) -> None:
    with pytest.raises(ConfigError, match=f"64 to 200 samples, not {length}"):
        signals(replace(RADCOM, frame_len=length), "FMCW", 1)
