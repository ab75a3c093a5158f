"""The generator: power, SNR, modulations, channel, and frames that depend on nothing but their own key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_amc.errors import ConfigError, DataError
from hw_amc.radio import (
    CLASSES,
    RECIPES,
    SNRS_DB,
    Recipe,
    channel,
    generate_frames,
    generate_parts,
    load_recipe,
    waveforms,
)
from hw_amc.radio.classes import class_label
from hw_amc.radio.constellations import constellation
from hw_amc.radio.waveforms import ANALOGUE, rrc_pulse

DIGITAL = [name for name in CLASSES if name not in ANALOGUE and name != "GMSK"]
recipes = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
STILL = replace(RECIPES["awgn-v1"], name="still")


def cell(recipe: Recipe, name: str, snr_db: int, count: int, split: int = 0) -> np.ndarray:
    label = class_label(name)
    frames = generate_frames(recipe, [label] * count, [snr_db] * count, range(count), split)
    return frames[..., 0] + 1j * frames[..., 1]


def mixed(per_class: int, snrs_db: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    keys = [(label, snr, k) for label in range(24) for snr in snrs_db for k in range(per_class)]
    labels, snrs, numbers = zip(*keys, strict=True)
    return list(labels), list(snrs), list(numbers)


@recipes
def test_every_class_has_unit_mean_power_at_any_snr(recipe):
    snrs_db = SNRS_DB[::5]
    labels, snrs, numbers = mixed(6, snrs_db)
    frames = generate_frames(recipe, labels, snrs, numbers)
    assert frames.dtype == np.float32
    assert frames.shape == (24 * 6 * 6, 1024, 2)
    by_class = np.square(frames, dtype=np.float64).sum(2).mean(1).reshape(24, -1).mean(1)
    # A frame of noise alone has a power of 1 with a deviation of 1/sqrt(1024); 36 frames a class.
    np.testing.assert_allclose(by_class, 1, atol=5 / np.sqrt(1024 * 36))


@recipes
@pytest.mark.parametrize("snr_db", [-20, 0, 10, 30])
def test_the_measured_snr_is_the_label(recipe, snr_db):
    labels, snrs, numbers = mixed(6, (snr_db,))
    signal, noise = generate_parts(recipe, labels, snrs, numbers)
    ratio = (np.abs(signal) ** 2).mean(1) / (np.abs(noise) ** 2).mean()
    assert 10 * np.log10(ratio.mean()) == pytest.approx(snr_db, abs=0.1)
    by_class = (np.abs(signal) ** 2).mean(1).reshape(24, 6).mean(1) / (np.abs(noise) ** 2).mean(1).reshape(24, 6).mean(
        1
    )
    np.testing.assert_allclose(10 * np.log10(by_class), snr_db, atol=0.3)


def test_the_noise_is_white_and_circular():
    labels, snrs, numbers = mixed(8, (0,))
    _, noise = generate_parts(RECIPES["radioml2018-v1"], labels, snrs, numbers)
    unit = noise / np.sqrt((np.abs(noise) ** 2).mean())
    spectrum = (np.abs(np.fft.fft(unit, axis=1)) ** 2).mean(0) / 1024
    bands = spectrum.reshape(16, 64).mean(1)
    np.testing.assert_allclose(bands, 1, atol=5 / np.sqrt(192 * 64))
    assert abs((unit**2).mean()) < 5 / np.sqrt(unit.size)


def test_signal_and_noise_add_up_to_the_frame():
    labels, snrs, numbers = mixed(2, (-6, 12))
    signal, noise = generate_parts(RECIPES["radioml2018-v1"], labels, snrs, numbers)
    frames = generate_frames(RECIPES["radioml2018-v1"], labels, snrs, numbers)
    np.testing.assert_allclose(signal + noise, frames[..., 0] + 1j * frames[..., 1], atol=1e-6)


@recipes
def test_a_frame_does_not_depend_on_its_company(recipe):
    labels, snrs, numbers = mixed(3, (-4, 18))
    together = generate_frames(recipe, labels, snrs, numbers, split=1)
    mixed_up = np.random.default_rng(1).permutation(len(labels))
    shuffled = generate_frames(recipe, *(np.array(v)[mixed_up] for v in (labels, snrs, numbers)), split=1)
    np.testing.assert_array_equal(shuffled, together[mixed_up])
    alone = [generate_frames(recipe, [labels[i]], [snrs[i]], [numbers[i]], split=1)[0] for i in range(0, 144, 7)]
    np.testing.assert_array_equal(alone, together[::7])


@pytest.mark.parametrize("name", ["QPSK", "OQPSK", "GMSK", "AM-SSB-WC", "AM-DSB-SC", "FM"])
def test_more_frames_than_a_batch_change_nothing(name):
    """Numpy takes other paths for larger arrays: they must not round differently."""
    many = cell(RECIPES["radioml2018-v1"], name, 10, 90)
    for count in (1, 3, 50):
        numbers = range(90 - count, 90)
        label = class_label(name)
        tail = generate_frames(RECIPES["radioml2018-v1"], [label] * count, [10] * count, numbers)
        np.testing.assert_array_equal(tail[..., 0] + 1j * tail[..., 1], many[-count:])


def test_every_part_of_the_key_makes_another_frame():
    base = RECIPES["radioml2018-v1"]
    keys = [(base, 4, 10, 0, 0), (base, 5, 10, 0, 0), (base, 4, 12, 0, 0), (base, 4, 10, 1, 0), (base, 4, 10, 0, 1),
            (replace(base, seed=1), 4, 10, 0, 0)]  # fmt: skip
    noises = [generate_parts(r, [label], [snr], [k], split)[1][0] for r, label, snr, k, split in keys]
    correlation = np.abs(np.corrcoef(noises))
    assert (correlation[~np.eye(len(keys), dtype=bool)] < 0.2).all()


def test_splits_share_no_frame():
    frames = [cell(RECIPES["radioml2018-v1"], "BPSK", 30, 20, split) for split in range(3)]
    flat = np.concatenate(frames).view(np.float64).round(6)
    assert len(np.unique(flat, axis=0)) == 60


# Theory: Swami and Sadler 2000, table 1, at unit power: (|C40|, C42).
@pytest.mark.parametrize(
    ("name", "c40", "c42"),
    [("BPSK", 2, -2), ("QPSK", 1, -1), ("OQPSK", 1, -1), ("8PSK", 0, -1), ("4ASK", 1.36, -1.36),
     ("8ASK", 1.238, -1.238), ("16QAM", 0.68, -0.68), ("64QAM", 0.619, -0.619), ("256QAM", 0.6047, -0.6047)],
)  # fmt: skip
def test_cumulants_of_the_constellations(name, c40, c42):
    points = constellation(name)
    m20, m42, m40 = (points**2).mean(), (np.abs(points) ** 4).mean(), (points**4).mean()
    assert abs(m40 - 3 * m20**2) == pytest.approx(c40, abs=1e-3)
    assert m42 - abs(m20) ** 2 - 2 == pytest.approx(c42, abs=1e-3)


@pytest.mark.parametrize("name", DIGITAL)
def test_a_constellation_has_its_order_and_unit_power(name):
    points = constellation(name)
    order = {"OOK": 2, "BPSK": 2, "QPSK": 4, "OQPSK": 4}.get(name) or int(name.rstrip("APSKQM"))
    assert len(np.unique(points.round(9))) == order
    assert (np.abs(points) ** 2).mean() == pytest.approx(1, abs=1e-12)
    assert abs(points.mean()) == pytest.approx(np.sqrt(0.5) if name == "OOK" else 0, abs=1e-12)


def test_crosses_lack_their_corners_only():
    for order, side, corner in ((32, 6, 1), (128, 12, 2)):
        points = constellation(f"{order}QAM")
        spacing = np.diff(np.unique(points.real.round(9)))
        np.testing.assert_allclose(spacing, spacing[0], rtol=1e-6)
        counts = np.unique(points.real.round(9), return_counts=True)[1]
        assert (
            counts.tolist()
            == [side - 2 * corner] * corner + [side] * (side - 2 * corner) + [side - 2 * corner] * corner
        )


def test_an_analogue_class_has_no_constellation():
    with pytest.raises(ConfigError, match="FM has no constellation"):
        constellation("FM")


@pytest.mark.parametrize("name", DIGITAL)
def test_a_matched_filter_recovers_the_constellation(name):
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


def test_the_pulse_is_continuous_where_its_formula_is_not_defined():
    for beta in (0.1, 0.25, 0.4, 1.0):
        for t in (0.0, 1 / (4 * beta), -1 / (4 * beta)):
            at = rrc_pulse(np.array([t]), np.array(beta))
            near = rrc_pulse(np.array([t - 1e-4, t + 1e-4]), np.array(beta)).mean()
            assert at[0] == pytest.approx(near, abs=1e-6)
    assert (rrc_pulse(np.arange(-200, 200) / 8, np.array(0.25)) ** 2).sum() / 8 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("beta", [0.1, 0.4])
def test_the_occupied_bandwidth_is_that_of_the_roll_off(beta):
    recipe = replace(STILL, rolloff=(beta, beta))
    signal, _ = generate_parts(recipe, [class_label("16QAM")] * 40, [30] * 40, range(40))
    spectrum = (np.abs(np.fft.fft(signal * np.hanning(1024), axis=1)) ** 2).mean(0)
    frequency = np.abs(np.fft.fftfreq(1024))
    share = [spectrum[frequency <= edge].sum() / spectrum.sum() for edge in ((1 + beta) / 16 + 0.003, 0.8 / 16)]
    assert share[0] > 0.999
    assert 0.7 < share[1] < 0.9
    half_power = spectrum[np.abs(frequency - 1 / 16) < 0.002].mean() / spectrum[frequency < 0.04].mean()
    assert half_power == pytest.approx(0.5, abs=0.1)


def test_gmsk_turns_a_quarter_per_bit_at_constant_envelope():
    bits = np.ones((1, 40), np.int64)
    bits[0, 20:] = 0
    sent = waveforms.gmsk(bits, np.array([0.0]), 8, 0.3)[0]
    np.testing.assert_allclose(np.abs(sent), 1, atol=1e-6)
    phase = np.unwrap(np.angle(sent))
    np.testing.assert_allclose(np.diff(phase[:100]), np.pi / 16, atol=1e-5)
    np.testing.assert_allclose(np.diff(phase[-100:]), -np.pi / 16, atol=1e-5)
    deviation = np.abs(np.diff(phase))
    assert deviation.min() < np.pi / 64


def spectra(name: str, count: int = 40) -> np.ndarray:
    """Mean spectrum of frames of a class by signed frequency, carrier at 512."""
    signal, _ = generate_parts(STILL, [class_label(name)] * count, [30] * count, range(count))
    return np.fft.fftshift(np.abs(np.fft.fft(signal * np.hanning(1024), axis=1)) ** 2, axes=1)


def test_one_sideband_is_suppressed_in_ssb_and_none_in_dsb():
    for name in ("AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC"):
        power = spectra(name)
        lower, upper = power[:, :508].sum(1), power[:, 517:].sum(1)
        weaker, stronger = np.minimum(lower, upper), np.maximum(lower, upper)
        if "SSB" in name:
            assert (weaker < 1e-2 * stronger).mean() > 0.9
            assert 0.2 < (lower > upper).mean() < 0.8
        else:
            np.testing.assert_allclose(lower, upper, rtol=0.01)


def test_a_carrier_stands_out_exactly_where_there_is_one():
    for name in ("AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC"):
        power = spectra(name)
        share = power[:, 511:514].sum(1) / power.sum(1)
        assert np.median(share) > 0.5 if name.endswith("WC") else np.median(share) < 0.1


def test_fm_has_a_constant_envelope_and_carsons_bandwidth():
    signal, _ = generate_parts(STILL, [class_label("FM")] * 40, [30] * 40, range(40))
    np.testing.assert_allclose(np.abs(signal), np.abs(signal).mean(), rtol=2e-3)
    power = np.fft.fftshift(spectra("FM"), axes=1)
    frequency = np.abs(np.fft.fftfreq(1024))
    assert power[:, frequency <= STILL.fm_deviation[1] + STILL.message_band[1]].sum() / power.sum() > 0.98


def test_resampling_a_tone_gives_the_tone():
    start, step = 300.0, np.array([1.0, 1.003, 0.9971])
    for frequency in (0.01, 0.05, 0.1):
        tone = np.exp(2j * np.pi * frequency * np.arange(600)).astype(np.complex64)
        got = channel.resample(np.tile(tone, (3, 1)), start, step, 501)
        times = start + (np.arange(501) - 250) * step[:, None]
        error = np.abs(got - np.exp(2j * np.pi * frequency * times)).max()
        assert 20 * np.log10(error) < -55


def test_the_channel_delays_a_tone_by_every_path():
    gains = np.array([[1.0, 0.0], [0.0, 0.5j], [0.8, 0.3]], np.complex128)
    delays = np.array([[0.0, 1.0], [0.0, 2.25], [0.0, 3.7]])
    taps = 4 + channel.POINTS + 1
    response = channel.impulse_response(gains, delays, taps)
    tone = np.exp(2j * np.pi * 0.04 * np.arange(200)).astype(np.complex64)
    got = channel.fade(np.tile(tone, (3, 1)), response)
    times = np.arange(200)[taps - 1 :] - channel.LEAD
    want = sum(gains[:, p, None] * np.exp(2j * np.pi * 0.04 * (times[None] - delays[:, p, None])) for p in range(2))
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_rician_gains_have_their_k_factor_and_unit_power():
    rng = np.random.default_rng(9)
    scatter = (rng.standard_normal((40000, 3)) + 1j * rng.standard_normal((40000, 3))) / np.sqrt(2)
    gains = channel.rician_gains(scatter, k=4.0, decay=0.5)
    assert (np.abs(gains) ** 2).sum(1).mean() == pytest.approx(1, abs=0.01)
    assert abs(gains.mean(0)[0]) ** 2 == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose(np.abs(gains.mean(0)[1:]), 0, atol=0.01)
    scattered = gains.var(0)
    np.testing.assert_allclose(scattered / scattered[0], [1, 0.5, 0.25], rtol=0.05)
    assert 0.8 / scattered.sum() == pytest.approx(4, rel=0.05)


def test_offsets_have_the_recipes_deviation():
    """A carrier is turned by the carrier offset alone: measure it from AM's carrier."""
    recipe = replace(STILL, carrier_sigma=1e-3, am_index=(0.01, 0.01))
    signal, _ = generate_parts(recipe, [class_label("AM-DSB-WC")] * 300, [30] * 300, range(300))
    turns = np.unwrap(np.angle(signal), axis=1)
    offset = (turns[:, -1] - turns[:, 0]) / (2 * np.pi * 1023)
    assert offset.std() == pytest.approx(1e-3, rel=0.15)
    assert abs(offset.mean()) < 3e-4
    assert np.histogram(turns[:, 0] % (2 * np.pi), 4)[0].min() > 45


def test_no_frame_is_periodic():
    """A frame cut from a circular signal would fit its own start to its end."""
    for name in ("QPSK", "AM-DSB-SC", "FM", "GMSK"):
        signal, _ = generate_parts(STILL, [class_label(name)] * 60, [30] * 60, range(60))
        seam = np.abs(signal[:, 0] - signal[:, -1]).mean()
        step = np.abs(np.diff(signal, axis=1)).mean()
        assert seam > 2 * step


def test_recipes_are_found_by_name_and_told_apart_by_digest():
    base = load_recipe("radioml2018-v1")
    assert (base.frame_len, base.sps) == (1024, 8)
    assert base.digest() == replace(base, name="renamed").digest()
    assert len({recipe.digest() for recipe in (*RECIPES.values(), replace(base, seed=7))}) == len(RECIPES) + 1
    with pytest.raises(ConfigError, match=r"'nope'.*radioml2018-v1, awgn-v1"):
        load_recipe("nope")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"rolloff": (0.4, 0.1)}, "rolloff must be 0 <= low <= high"), ({"rolloff": (0.4, 1.1)}, "rolloff up to 1"),
     ({"seed": -1}, "a seed"), ({"paths": 0}, "1 path"), ({"clock_sigma": 0.5}, "clock_sigma"),
     ({"fm_deviation": (0.1, 0.4)}, "below 0.2"), ({"gmsk_bt": 0.0}, "gmsk_bt")],
)  # fmt: skip
def test_a_recipe_out_of_range_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(RECIPES["radioml2018-v1"], **change)


@pytest.mark.parametrize("length", [128, 512, 2048])
def test_other_frame_lengths(length):
    labels, snrs, numbers = mixed(1, (20,))
    frames = generate_frames(replace(RECIPES["radioml2018-v1"], frame_len=length), labels, snrs, numbers)
    assert frames.shape == (24, length, 2)
    assert np.isfinite(frames).all()


def test_no_frames_are_no_frames():
    assert generate_frames(STILL, [], [], []).shape == (0, 1024, 2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [(([24], [0], [0]), "labels must be 0 to 23"), (([0], [0.5], [0]), "whole dB"), (([0], [0], [-1]), "negative"),
     (([0, 1], [0], [0]), "one length")],
)  # fmt: skip
def test_keys_out_of_range_are_refused(keys, message):
    with pytest.raises(DataError, match=message):
        generate_frames(STILL, *keys)
