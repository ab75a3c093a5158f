"""Channels: offsets, delays, K factors, Doppler and delay profiles against their parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from hw_amc.errors import ConfigError
from hw_amc.radio import CLASSES, RECIPES, generate_parts
from hw_amc.radio.generator import channel, fading
from hw_amc.radio.generator.propagation import Fortune, Moving
from hw_amc.radio.generator.recipes import Dynamic

STILL = replace(RECIPES["awgn-v1"], name="still")
DYNAMIC = RECIPES["radioml2016-v1"].dynamic
assert DYNAMIC is not None


def fortune(moving: Moving, count: int, seed: int = 1) -> Fortune:
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((count, moving.steps), dtype=np.float32)
    return Fortune({}, rng.random((count, moving.uniforms)), rng.standard_normal((count, moving.normals)), steps)


def through(dynamic: Dynamic, sent: np.ndarray, length: int, seed: int = 1) -> np.ndarray:
    """Send one signal, as long as the channel wants it or cut to that, through a channel for each row."""
    moving = Moving(dynamic, length)
    return moving.apply(sent[:, : moving.extent.made].astype(np.complex64), fortune(moving, len(sent), seed))


def gains(
    count: int, k: float, doppler: float, times: np.ndarray, magnitudes: Any = (1.0, 0.8, 0.3), n: int = 8
) -> np.ndarray:
    draws = np.random.default_rng(3).random((count, fading.fader_draws(len(magnitudes), n)))
    return fading.path_gains(draws, magnitudes, k, doppler, times)


def test_resampling_a_tone_gives_the_tone() -> None:
    start, step = 300.0, np.array([1.0, 1.003, 0.9971])
    for frequency in (0.01, 0.05, 0.1):
        tone = np.exp(2j * np.pi * frequency * np.arange(600)).astype(np.complex64)
        got = channel.resample(np.tile(tone, (3, 1)), start, step, 501)
        times = start + (np.arange(501) - 250) * step[:, None]
        error = np.abs(got - np.exp(2j * np.pi * frequency * times)).max()
        assert 20 * np.log10(error) < -55


def test_the_channel_delays_a_tone_by_every_path() -> None:
    path_gains = np.array([[1.0, 0.0], [0.0, 0.5j], [0.8, 0.3]], np.complex128)
    delays = np.array([[0.0, 1.0], [0.0, 2.25], [0.0, 3.7]])
    taps = 4 + channel.POINTS + 1
    response = channel.impulse_response(path_gains, delays, taps)
    tone = np.exp(2j * np.pi * 0.04 * np.arange(200)).astype(np.complex64)
    got = channel.fade(np.tile(tone, (3, 1)), response)
    times = np.arange(200)[taps - 1 :] - channel.LEAD
    want = sum(
        path_gains[:, p, None] * np.exp(2j * np.pi * 0.04 * (times[None] - delays[:, p, None])) for p in range(2)
    )
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_rician_gains_have_their_k_factor_and_unit_power() -> None:
    rng = np.random.default_rng(9)
    scatter = (rng.standard_normal((40000, 3)) + 1j * rng.standard_normal((40000, 3))) / np.sqrt(2)
    drawn = channel.rician_gains(scatter, k=4.0, decay=0.5)
    assert (np.abs(drawn) ** 2).sum(1).mean() == pytest.approx(1, abs=0.01)
    assert abs(drawn.mean(0)[0]) ** 2 == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose(np.abs(drawn.mean(0)[1:]), 0, atol=0.01)
    scattered = drawn.var(0)
    np.testing.assert_allclose(scattered / scattered[0], [1, 0.5, 0.25], rtol=0.05)
    assert 0.8 / scattered.sum() == pytest.approx(4, rel=0.05)


def test_offsets_have_the_recipes_deviation() -> None:
    """A carrier is turned by the carrier offset alone: measure it from AM's carrier."""
    recipe = replace(STILL, carrier_sigma=1e-3, am_index=(0.01, 0.01))
    signal, _ = generate_parts(recipe, [CLASSES.index("AM-DSB-WC")] * 300, [30] * 300, range(300))
    turns = np.unwrap(np.angle(signal), axis=1)
    offset = (turns[:, -1] - turns[:, 0]) / (2 * np.pi * 1023)
    assert offset.std() == pytest.approx(1e-3, rel=0.15)
    assert abs(offset.mean()) < 3e-4
    assert np.histogram(turns[:, 0] % (2 * np.pi), 4)[0].min() > 45


# The moving channel.


def test_a_walk_is_clipped_step_by_step() -> None:
    rng = np.random.default_rng(2)
    start, steps = rng.uniform(-1, 1, 20), rng.standard_normal((20, 300)).astype(np.float32) * 0.15
    steps[:5] *= 0.01
    want = np.empty((20, 300))
    for row in range(20):
        value = start[row]
        for t in range(300):
            value = np.clip(value + steps[row, t], -1, 1)
            want[row, t] = value
    got = fading.clipped_walk(start, steps, 1.0)
    np.testing.assert_allclose(got, want, atol=1e-12)
    assert (np.abs(got) == 1).any(axis=1).sum() >= 10


@pytest.mark.parametrize("run", [50, 400, 2000])
def test_a_folded_step_is_as_a_clipped_walk_of_small_steps(run: int) -> None:
    std = 0.05
    rng = np.random.default_rng(run)
    walked = fading.clipped_walk(np.zeros(500), rng.standard_normal((500, run)).astype(np.float32) * std, 1.0)[:, -1]
    folded = fading.reflected(std * np.sqrt(run) * rng.standard_normal(500), 1.0)
    assert np.abs(folded).max() <= 1
    assert stats.ks_2samp(walked, folded).pvalue > 0.01


@pytest.mark.parametrize("warm_up", [(0, 0), (400, 400)])
def test_offsets_walk_with_their_deviation_and_stay_within_bounds(warm_up: Any) -> None:
    dynamic = replace(DYNAMIC, sro_std_hz=0.02, cfo_std_hz=0.5, warm_up=warm_up)
    moving = Moving(dynamic, 1024)
    clock, carrier = moving.offsets(fortune(moving, 3000))
    for walk, std in ((clock, 0.02), (carrier, 0.5)):
        for t in (0, 100, 1000):
            assert walk[:, t].std() == pytest.approx(std * np.sqrt(warm_up[0] + t + 1), rel=0.05)
        assert abs(walk[:, -1].mean()) < 4 * walk[:, -1].std() / np.sqrt(3000)
        assert np.diff(walk, axis=1).std() == pytest.approx(std, rel=0.01)
    assert abs(np.corrcoef(clock[:, -1], carrier[:, -1])[0, 1]) < 0.07
    tight = Moving(replace(dynamic, cfo_max_hz=3.0), 1024)
    assert np.abs(tight.offsets(fortune(tight, 100))[1]).max() == 3.0


def test_a_carrier_offset_turns_the_signal_by_its_sum() -> None:
    rng = np.random.default_rng(6)
    offsets = rng.uniform(-0.01, 0.01, (4, 500))
    got = fading.drift(np.ones((4, 500), np.complex64), offsets)
    np.testing.assert_allclose(got, np.exp(2j * np.pi * np.cumsum(offsets, axis=1)), atol=1e-5)


def test_a_clock_offset_stretches_time() -> None:
    """A tone through the channel without fading: its phase is that of the drifting sampling times."""
    dynamic = replace(
        DYNAMIC, sro_std_hz=20.0, sro_max_hz=2000.0, cfo_std_hz=0.0, rician_k=1e12, doppler_hz=0.0,
        delays=(0.0,), magnitudes=(1.0,), taps=1,
    )  # fmt: skip
    moving = Moving(dynamic, 1024)
    luck = fortune(moving, 30)
    tone = np.exp(2j * np.pi * 0.05 * np.arange(moving.extent.made)).astype(np.complex64)
    got = moving.apply(np.tile(tone, (30, 1)), luck)
    clock, _ = moving.offsets(luck)
    late = np.concatenate([np.zeros((30, 1)), np.cumsum(clock, axis=1)[:, :-1]], axis=1) / dynamic.sample_rate_hz
    assert np.abs(late[:, -1]).max() > 1
    turned = got * got[:, :1].conj()
    np.testing.assert_allclose(turned, np.exp(2j * np.pi * 0.05 * (np.arange(1024) + late)), atol=2e-3)


def test_path_powers_are_the_squared_magnitudes() -> None:
    power = (np.abs(gains(20000, 4.0, 1e-3, np.arange(0, 1000, 100))) ** 2).mean(axis=(0, 2))
    np.testing.assert_allclose(power, [1, 0.64, 0.09], rtol=0.02)


@pytest.mark.parametrize("k", [0.0, 1.0, 4.0, 10.0])
def test_the_k_factor_by_moments(k: float) -> None:
    """E|h|^4 of a phasor beside N + N cosines of random phase; path 1 has no line of sight."""
    n, h = 8, gains(60000, k, 0.0, np.array([0]), (1.0, 1.0))[:, :, 0]
    scattered = 2 - 3 / (4 * n)  # fourth moment of a sum of N cosines in each part; 2 for a Gaussian
    want = (k**2 + 4 * k + scattered) / (k + 1) ** 2
    assert (np.abs(h[:, 0]) ** 2).mean() == pytest.approx(1, abs=0.01)
    assert (np.abs(h[:, 0]) ** 4).mean() == pytest.approx(want, rel=0.02)
    assert (np.abs(h[:, 1]) ** 4).mean() == pytest.approx(scattered, rel=0.03)
    assert abs(h.mean()) < 0.02


def test_the_doppler_spectrum_is_clarkes() -> None:
    """Autocorrelation J0(2 pi fD tau) of the scattered parts, and no power beyond the largest shift."""
    doppler = 0.01
    h = gains(1500, 0.0, doppler, np.arange(512), (1.0,))[:, 0]
    lags = np.arange(0, 250, 10)
    got = np.array([(h[:, : 512 - 250] * h[:, lag : lag + 512 - 250].conj()).mean() for lag in lags])
    np.testing.assert_allclose(got, special.j0(2 * np.pi * doppler * lags), atol=0.04)
    power = (np.abs(np.fft.fft(h * np.hanning(512), axis=1)) ** 2).mean(0)
    frequency = np.abs(np.fft.fftfreq(512))
    assert power[frequency > doppler + 3 / 512].sum() / power.sum() < 1e-3
    horns = power[np.abs(frequency - doppler) < 1.5 / 512].max()
    assert horns > 1.5 * power[frequency < doppler / 2].mean()


def test_the_line_of_sight_has_one_shift_within_the_doppler() -> None:
    h = gains(500, 1e9, 0.01, np.arange(400), (1.0,))[:, 0]
    np.testing.assert_allclose(np.abs(h), 1, atol=1e-3)
    step = np.diff(np.unwrap(np.angle(h), axis=1), axis=1) / (2 * np.pi)
    np.testing.assert_allclose(step.std(axis=1), 0, atol=1e-5)
    shift = step.mean(axis=1)
    # The shift of an angle uniform over the circle: an arcsine distribution.
    assert stats.kstest(shift / 0.01, stats.arcsine(loc=-1, scale=2).cdf).pvalue > 0.01


def test_the_delay_profile_is_the_sum_of_cut_sincs() -> None:
    dynamic = replace(DYNAMIC, cfo_std_hz=0.0, sro_std_hz=0.0)
    sent = np.zeros((4000, 200))
    first = Moving(dynamic, 64).extent.first
    sent[:, first + 20] = 1
    got = (np.abs(through(dynamic, sent, 64)) ** 2).mean(axis=0)
    taps = np.arange(8)
    want = sum(m**2 * np.sinc(taps - d) ** 2 for m, d in zip((1, 0.8, 0.3), (0, 0.9, 1.7), strict=True))
    np.testing.assert_allclose(got[20:28], want, atol=0.03)
    np.testing.assert_allclose(np.delete(got, np.arange(20, 28)), 0, atol=1e-9)


@pytest.mark.parametrize("doppler", [0.0, 1e-6, 1e-3, 0.02])
def test_gains_between_the_nodes_are_straight_lines_close_to_the_truth(doppler: float) -> None:
    draws = np.random.default_rng(0).random((50, fading.fader_draws(2, 8)))
    nodes = fading.node_times(1000, doppler)
    assert nodes[-1] >= 1000 - 1
    path_gains = fading.path_gains(draws, (1.0, 0.5), 3.0, doppler, nodes)
    sent = np.ones((50, 1002), np.complex64)
    got = fading.fade_paths(sent, np.array([[1.0, 0, 0], [0, 1.0, 0]]), path_gains, nodes)
    want = fading.path_gains(draws, (1.0, 0.5), 3.0, doppler, np.arange(1000)).sum(axis=1)
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_a_frame_does_not_wrap_around() -> None:
    """What comes before a frame rings into it, what comes after does not."""
    dynamic = replace(DYNAMIC, cfo_std_hz=0.0, sro_std_hz=0.0)
    extent = Moving(dynamic, 64).extent
    before, after = np.zeros((20, 200)), np.zeros((20, 200))
    before[:, extent.first - 1] = 1
    after[:, extent.first + 64] = 1
    assert (np.abs(through(dynamic, before, 64))[:, 0] > 0.01).mean() > 0.9
    np.testing.assert_array_equal(through(dynamic, after, 64), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"delays": (0.0,)}, "as many delays"), ({"taps": 2}, "delays from 0 to taps - 1"), ({"taps": 0}, "1 tap"),
     ({"sro_max_hz": 5000.0}, "2 % of the sample rate"), ({"rician_k": -1.0}, "no negative"),
     ({"doppler_hz": 1e5}, "a tenth"), ({"warm_up": (9, 3)}, "warm_up"), ({"magnitudes": (1.0, 0.0, 1.0)}, "positive")],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(DYNAMIC, **change)
