"""The limit that noise sets, against integrals that can be done otherwise, and against generated frames."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from hw_amc.errors import ConfigError, DataError
from hw_amc.radio import CLASSES, RECIPES
from hw_amc.radio.generator import limit, waveforms
from hw_amc.radio.generator.constellations import constellation
from hw_amc.radio.generator.limit import (
    LINEAR,
    Limit,
    Point,
    compute_limit,
    is_awgn,
    keep_limit,
    kept_limit,
    log_density,
    log_likelihood,
    simulate,
    symmetry,
)

AWGN = RECIPES["awgn-v1"]


def received(name: str, frames: int, symbols: int, n0: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = constellation(name)
    turn = np.exp(2j * np.pi * rng.random((frames, 1)))
    noise = rng.standard_normal((frames, symbols, 2)) @ (1, 1j)
    return points[rng.integers(len(points), size=(frames, symbols))] * turn + np.sqrt(n0 / 2) * noise


def test_the_classes_are_the_linear_ones_that_one_sample_a_symbol_tells() -> None:
    assert set(CLASSES) - set(LINEAR) == {"AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "FM", "GMSK", "OQPSK"}


@pytest.mark.parametrize(
    ("name", "turns"),
    [("OOK", 1), ("8ASK", 2), ("QPSK", 4), ("32PSK", 32), ("128APSK", 2), ("64APSK", 4), ("32QAM", 4)],
)
def test_symmetry_is_the_largest_that_maps_the_points_onto_themselves(name: str, turns: int) -> None:
    points = constellation(name)
    assert symmetry(points) == turns
    for more in (2, 3, 4, 5):
        turned = points * np.exp(2j * np.pi / (turns * more))
        assert np.abs(turned[:, None] - points).min(axis=1).max() > 1e-3


@pytest.mark.parametrize("name", ["OOK", "16APSK", "64QAM"])
@pytest.mark.parametrize("es_n0_db", [-20, 5, 25])
def test_one_symbol_of_unknown_phase_is_a_bessel_function(name: str, es_n0_db: int) -> None:
    """The mean over the phase of exp(-|r - a e^j|^2 / N0) is exp(-(|r|^2 + |a|^2) / N0) I0(2 |r| |a| / N0)."""
    n0 = 10 ** (-es_n0_db / 10)
    points = constellation(name)
    r = received(name, 200, 1, n0)
    cross = 2 * np.abs(r) * np.abs(points) / n0
    logs = np.log(special.i0e(cross)) + cross - (np.abs(r) ** 2 + np.abs(points) ** 2) / n0
    wanted = special.logsumexp(logs, axis=1) - np.log(len(points))
    np.testing.assert_allclose(log_likelihood(r, points, n0), wanted, rtol=2e-5, atol=0.02)


def test_the_density_is_the_plain_sum() -> None:
    n0 = 0.3
    r = received("32APSK", 1, 50, n0)[0]
    points = constellation("32APSK")
    wanted = np.log(np.mean(np.exp(-(np.abs(r[:, None] - points) ** 2) / n0), axis=1))
    np.testing.assert_allclose(log_density(r, points, n0), wanted, rtol=1e-5)


@pytest.mark.parametrize("es_n0_db", [-60.0, 60.0])
def test_nothing_over_or_underflows(es_n0_db: float) -> None:
    n0 = 10 ** (-es_n0_db / 10)
    for name in ("BPSK", "16QAM"):
        scores = [log_likelihood(received(name, 2, 4, n0), constellation(other), n0) for other in ("BPSK", "16QAM")]
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("phase", ["unknown", "known"])
def test_tables_on_the_polar_grid_give_the_likelihoods(phase: str) -> None:
    """To a small part of what noise moves them by: the samples are rounded."""
    n0, symbols = 10**-1.2, 64
    turn = 1.0 if phase == "known" else np.exp(0.7j)
    for name in ("4ASK", "16QAM", "32PSK"):
        r = received(name, 20, symbols, n0) * turn
        grid = limit._Grid(symbols, n0, 2.0)
        for other in ("4ASK", "16QAM", "OOK"):
            points = constellation(other)
            exact = log_likelihood(r, points, n0, phase)
            found = grid.score(*grid.round(r), points, phase)
            spread = np.std(exact) + 1
            assert np.abs(found - exact).max() < 0.2 * spread


def test_two_modulations_of_known_phase_reach_the_error_of_the_integral() -> None:
    """BPSK against OOK in one symbol: accuracy is half the integral of the larger density."""
    es_n0_db = 3.0
    n0 = 10 ** (-es_n0_db / 10)
    x = np.linspace(-6, 6, 24001)
    densities = []
    for name in ("BPSK", "OOK"):  # the quadrature part is the same for both
        points = constellation(name).real
        densities.append(np.mean(np.exp(-((x[:, None] - points) ** 2) / n0), axis=1) / np.sqrt(np.pi * n0))
    wanted = np.max(densities, axis=0).sum() * (x[1] - x[0]) / 2
    accuracy, error = simulate(es_n0_db, 1, 20000, 5, ("BPSK", "OOK"), "known")
    assert error < 0.003
    assert abs(accuracy - wanted) < 4 * error


def test_the_limit_rises_from_chance_to_one_and_knowledge_helps() -> None:
    classes = ("BPSK", "QPSK", "8PSK", "16QAM")
    found = {
        (db, phase): simulate(db, 64, 100, 1, classes, phase) for db in (-30, 2, 17) for phase in ("unknown", "known")
    }
    for phase in ("unknown", "known"):
        low, middle, high = (found[db, phase] for db in (-30, 2, 17))
        assert abs(low[0] - 0.25) < 5 * 0.022
        assert 0.5 < middle[0] < 0.98
        assert high == (1.0, 0.0)
    assert found[2, "known"][0] > found[2, "unknown"][0]
    assert simulate(2, 128, 100, 1, classes)[0] > found[2, "unknown"][0]
    assert simulate(2, 64, 100, 1, classes, "known") == found[2, "known"]
    assert simulate(2, 64, 100, 2, classes, "known") != found[2, "known"]


def test_matched_filtered_waveforms_of_the_generator_reach_the_same_limit() -> None:
    """Signal over noise in the whole band, times samples a symbol, is Es/N0: the generator's own waveforms."""
    classes, snr_db, symbols, sps, span = ("BPSK", "QPSK", "8PSK", "16QAM"), -4, 64, 8, 16
    frames = 100
    rng = np.random.default_rng(3)
    n0 = 10 ** (-(snr_db + 10 * np.log10(sps)) / 10)
    right = []
    for label, name in enumerate(classes):
        order = len(constellation(name))
        total = symbols + 2 * span
        sent = rng.integers(order, size=(frames, total + 2 * span))
        zero, rolloff = np.zeros(frames), np.full(frames, 0.25)
        signal = waveforms.linear(name, sent, zero, rolloff, sps, span)
        noise = rng.standard_normal((*signal.shape, 2)) @ (1, 1j) * np.sqrt(10 ** (-snr_db / 10) / 2)
        heard = (signal + noise) * np.exp(2j * np.pi * rng.random((frames, 1)))
        pulse = waveforms.rrc_pulse(np.arange(-span * sps, span * sps + 1) / sps, np.array(0.25))
        filtered = np.stack([np.convolve(row, pulse, "valid") for row in heard])[:, ::sps][:, :symbols] / sps
        grid = limit._Grid(symbols, n0, 2.0)
        scores = [grid.score(*grid.round(filtered), constellation(other), "unknown") for other in classes]
        right.append(np.mean(np.argmax(scores, axis=0) == label))
    accuracy = np.mean(right)
    error = np.sqrt(accuracy * (1 - accuracy) / (frames * len(classes)))
    wanted, simulated_error = simulate(10 * np.log10(1 / n0), symbols, 400, 4, classes)
    assert 0.6 < wanted < 0.97
    assert abs(accuracy - wanted) < 4 * np.hypot(error, simulated_error)


def test_a_limit_stays_at_one_once_it_is_there_and_says_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def simulated(es_n0_db: Any, symbols: Any, frames: np.ndarray, seed: int, phase: Any) -> Any:
        asked.append((round(es_n0_db, 3), symbols, frames, seed, phase))
        return (1.0, 0.0) if es_n0_db > 20 else (0.123456789, 0.0123456789)

    monkeypatch.setattr(limit, "simulate", simulated)
    found = compute_limit(replace(AWGN, frame_len=64), [30, -20, 20], 3, seed=9)
    assert asked == [(-10.969, 8, 3, 9, "unknown"), (29.031, 8, 3, 9, "unknown")]
    assert found == Limit(
        LINEAR, 8, "unknown", 9,
        (Point(-20, -10.969, 51, 0.12346, 0.01235), Point(20, 29.031, 51, 1.0, 0.0), Point(30, 39.031, 0, 1.0, 0.0)),
    )  # fmt: skip


def test_other_classes_count_as_always_right() -> None:
    found = Limit(LINEAR, 128, "unknown", 0, (Point(0, 9.03, 100, 0.5, 0.1), Point(10, 19.03, 100, 1.0, 0.0)))
    assert found.bound(CLASSES) == {0: pytest.approx((17 * 0.5 + 7) / 24), 10: 1.0}
    assert found.bound(LINEAR) == {0: 0.5, 10: 1.0}
    with pytest.raises(DataError, match="without OOK"):
        found.bound(CLASSES[1:])


def test_only_recipes_without_channel_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name, recipe in RECIPES.items() if is_awgn(recipe)] == ["awgn-v1"]
    with pytest.raises(ConfigError, match="has a channel"):
        compute_limit(RECIPES["radioml2018-v1"], [0], 1)
    assert kept_limit("radioml2018-v1") is None
    assert kept_limit("a set of my own") is None


def test_kept_limits_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "limits.json"
    monkeypatch.setattr(limit, "_KEPT", path)
    assert kept_limit("awgn-v1") is None
    one = Limit(LINEAR, 128, "unknown", 7, (Point(0, 9.031, 100, 0.5, 0.1),))
    keep_limit(one, 8, "hw-amc data limit --keep", path)
    keep_limit(replace(one, symbols=16), 8, "again", path)
    assert kept_limit("awgn-v1") == kept_limit("awgn") == one
    assert kept_limit("awgn-v1", frame_len=128) == replace(one, symbols=16)
    assert kept_limit("awgn-v1", phase="known") is None
    assert json.loads(path.read_text())["128 symbols of 8 samples, phase unknown"]["command"]


def test_the_limit_that_comes_with_the_package_is_what_its_seed_gives() -> None:
    """One point of it, simulated again; elsewhere the last bit of a score may differ, and with it a frame or two."""
    kept = kept_limit("awgn-v1")
    assert kept is not None
    assert [point.snr_db for point in kept.points] == list(range(-20, 32, 2))
    values = [point.accuracy for point in kept.points]
    assert values[-1] == 1
    assert all(b > a - 4 * point.error - 1e-9 for a, b, point in zip(values, values[1:], kept.points, strict=False))
    point = kept.points[2]
    again, _ = simulate(point.snr_db + 10 * np.log10(8), kept.symbols, point.frames // 17, kept.seed)
    assert abs(again - point.accuracy) <= 3 / point.frames


@pytest.mark.parametrize("arguments", [(0, 0, 1), (0, 1, 0)])
def test_simulations_of_nothing(arguments: Any) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        simulate(*arguments, 0)
