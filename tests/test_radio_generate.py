"""The generator: power, SNR, and frames that depend on nothing but their own key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.radio import CLASSES, RECIPES, Recipe, generate_frames, generate_parts, load_recipe
from hw_amc.radio.generator.propagation import build_channel
from hw_amc.radio.generator.waveforms import rrc_pulse

recipes = pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
lawful = pytest.mark.parametrize(
    "recipe", [r for r in RECIPES.values() if r.noise_law == "power"], ids=lambda recipe: recipe.name
)
STILL = replace(RECIPES["awgn-v1"], name="still")


def cell(recipe: Recipe, name: str, snr_db: int, count: int, split: int = 0) -> np.ndarray:
    label = CLASSES.index(name)
    frames = generate_frames(recipe, [label] * count, [snr_db] * count, range(count), split)
    return frames[..., 0] + 1j * frames[..., 1]


def mixed(recipe: Recipe, per_cell: int, snrs_db: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    keys = [(c, snr, k) for c in range(len(recipe.classes)) for snr in snrs_db for k in range(per_cell)]
    labels, snrs, numbers = zip(*keys, strict=True)
    return list(labels), list(snrs), list(numbers)


def steady(recipe: Recipe) -> list[int]:
    """Cells whose signal is on all the time."""
    return [c for c, names in enumerate(recipe.classes.cells) if names[0] != "PCW"]


@pytest.mark.parametrize("recipe", [r for r in RECIPES.values() if r.waveforms == "textbook"], ids=str)
def test_every_class_has_unit_mean_power_at_any_snr(recipe: Recipe) -> None:
    snrs_db = recipe.classes.snrs_db[::5]
    labels, snrs, numbers = mixed(recipe, 6, snrs_db)
    frames = generate_frames(recipe, labels, snrs, numbers)
    assert frames.dtype == np.float32
    assert frames.shape == (len(labels), recipe.frame_len, 2)
    by_cell = np.square(frames, dtype=np.float64).sum(2).mean(1).reshape(len(recipe.classes), -1).mean(1)
    # A frame of noise alone has a power of 1 with a deviation of 1/sqrt(T).
    spread = 1 / np.sqrt(recipe.frame_len * 6 * len(snrs_db))
    np.testing.assert_allclose(by_cell[steady(recipe)], 1, atol=5 * spread)
    assert (by_cell < 1 + 5 * spread).all()


@lawful
@pytest.mark.parametrize("snr_db", [-20, 0, 10, 30])
def test_the_measured_snr_is_the_label(recipe: Any, snr_db: int) -> None:
    count = 6 * 1024 // recipe.frame_len
    labels, snrs, numbers = mixed(recipe, count, (snr_db,))
    signal, noise = generate_parts(recipe, labels, snrs, numbers)
    rows = np.isin(labels, steady(recipe))
    powers = [(np.abs(part[rows]) ** 2).mean(1).reshape(-1, count).mean(1) for part in (signal, noise)]
    assert 10 * np.log10(powers[0].mean() / powers[1].mean()) == pytest.approx(snr_db, abs=0.1)
    np.testing.assert_allclose(10 * np.log10(powers[0] / powers[1]), snr_db, atol=0.3)


@pytest.mark.parametrize("name", ["radcom-awgn-v1", "radcom-dynamic-v1"])
def test_the_snr_of_pulses_is_that_while_they_are_on(name: str) -> None:
    """Frames of an unfaded pulse have the same magnitude, whatever its width."""
    recipe, count = RECIPES[name], 100
    for c in recipe.classes.find("PCW"):
        signal, noise = generate_parts(recipe, [c] * count, [10] * count, range(count))
        peak = np.sort(np.abs(signal), axis=1)[:, -2]
        ratio = np.mean(peak**2) / (np.abs(noise) ** 2).mean()
        assert 10 * np.log10(ratio) == pytest.approx(10, abs=0.6)


def test_the_measured_es_n0_is_the_snr_times_the_samples_a_symbol() -> None:
    """Through each frame's own matched filter, signal and noise apart: O'Shea's Es/N0, over 100,000 symbols."""
    recipe, count, snr_db = replace(STILL, rolloff=(0.25, 0.25)), 900, 2
    label = CLASSES.index("QPSK")
    signal, noise = generate_parts(recipe, [label] * count, [snr_db] * count, range(count))
    first = build_channel(recipe).extent.first
    energy = density = 0.0
    reach = np.arange(-80, 81)
    for k in range(count):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([recipe.seed, 0, label, snr_db + 1000, k])))
        timing = 8 * rng.random(2)[1]  # the second number that every frame draws
        late = (timing - first) % 8
        middle = int(np.round(late))
        pulse = rrc_pulse((reach + middle - late) / 8, np.array(0.25)) / np.sqrt(8)
        at = np.arange(middle + 80, 1024 - 80, 8) - 80  # where the filter lies wholly in the frame
        found = [np.mean(np.abs(np.correlate(part, pulse, "valid")[at]) ** 2) for part in (signal[k], noise[k])]
        energy, density = energy + found[0], density + found[1]
    assert 10 * np.log10(energy / density) == pytest.approx(snr_db + 10 * np.log10(8), abs=0.05)


def test_the_amplitude_law_doubles_the_decibels() -> None:
    """RadioML 2016.10A's quirk: at a label of 10 dB the noise is 20 dB below the signal; off by default."""
    recipe = load_recipe("radioml2016-amplitude")
    assert load_recipe("radioml2016").noise_law == "power"
    for label_db in (-10, 0, 6):
        labels, snrs, numbers = mixed(recipe, 20, (label_db,))
        signal, noise = generate_parts(recipe, labels, snrs, numbers)
        ratio = (np.abs(signal) ** 2).mean() / (np.abs(noise) ** 2).mean()
        assert 10 * np.log10(ratio) == pytest.approx(2 * label_db, abs=0.15)
        assert (np.abs(signal + noise) ** 2).mean() == pytest.approx(1, abs=0.03)


def test_the_noise_is_white_and_circular() -> None:
    labels, snrs, numbers = mixed(RECIPES["radioml2018-v1"], 8, (0,))
    _, noise = generate_parts(RECIPES["radioml2018-v1"], labels, snrs, numbers)
    unit = noise / np.sqrt((np.abs(noise) ** 2).mean())
    spectrum = (np.abs(np.fft.fft(unit, axis=1)) ** 2).mean(0) / 1024
    bands = spectrum.reshape(16, 64).mean(1)
    np.testing.assert_allclose(bands, 1, atol=5 / np.sqrt(192 * 64))
    assert abs((unit**2).mean()) < 5 / np.sqrt(unit.size)


def test_signal_and_noise_add_up_to_the_frame() -> None:
    labels, snrs, numbers = mixed(RECIPES["radioml2018-v1"], 2, (-6, 12))
    signal, noise = generate_parts(RECIPES["radioml2018-v1"], labels, snrs, numbers)
    frames = generate_frames(RECIPES["radioml2018-v1"], labels, snrs, numbers)
    np.testing.assert_allclose(signal + noise, frames[..., 0] + 1j * frames[..., 1], atol=1e-6)


@recipes
def test_a_frame_does_not_depend_on_its_company(recipe: Any) -> None:
    labels, snrs, numbers = mixed(recipe, 3, (-4, 18))
    together = generate_frames(recipe, labels, snrs, numbers, split=1)
    mixed_up = np.random.default_rng(1).permutation(len(labels))
    shuffled = generate_frames(recipe, *(np.array(v)[mixed_up] for v in (labels, snrs, numbers)), split=1)
    np.testing.assert_array_equal(shuffled, together[mixed_up])
    alone = [
        generate_frames(recipe, [labels[i]], [snrs[i]], [numbers[i]], split=1)[0] for i in range(0, len(labels), 7)
    ]
    np.testing.assert_array_equal(alone, together[::7])


def more_than_a_batch() -> list[tuple[Recipe, str]]:
    return [
        *((RECIPES["radioml2018-v1"], name) for name in ("QPSK", "OQPSK", "GMSK", "AM-SSB-WC", "AM-DSB-SC", "FM")),
        *((RECIPES["radioml2016-v1"], name) for name in ("QPSK", "CPFSK", "AM-SSB")),
        *((replace(RECIPES["radioml2016-v1"], frame_len=1024), name) for name in ("8PSK", "GFSK")),
        *((RECIPES["radcom-awgn-v1"], name) for name in ("ASK", "DSSS-CCK", "DSSS-OQPSK", "FMCW", "Ground mapping")),
    ]


@pytest.mark.parametrize(("recipe", "name"), more_than_a_batch(), ids=lambda v: v if isinstance(v, str) else v.name)
def test_more_frames_than_a_batch_change_nothing(recipe: Any, name: str) -> None:
    """Numpy takes other paths for larger arrays: they must not round differently."""
    label = recipe.classes.find(name)[0]
    many = generate_frames(recipe, [label] * 90, [10] * 90, range(90))
    for count in (1, 3, 50):
        tail = generate_frames(recipe, [label] * count, [10] * count, range(90 - count, 90))
        np.testing.assert_array_equal(tail, many[-count:])


def test_every_part_of_the_key_makes_another_frame() -> None:
    base = RECIPES["radioml2018-v1"]
    keys = [(base, 4, 10, 0, 0), (base, 5, 10, 0, 0), (base, 4, 12, 0, 0), (base, 4, 10, 1, 0), (base, 4, 10, 0, 1),
            (replace(base, seed=1), 4, 10, 0, 0)]  # fmt: skip
    noises = [generate_parts(r, [label], [snr], [k], split)[1][0] for r, label, snr, k, split in keys]
    correlation = np.abs(np.corrcoef(noises))
    assert (correlation[~np.eye(len(keys), dtype=bool)] < 0.2).all()


def test_splits_share_no_frame() -> None:
    frames = [cell(RECIPES["radioml2018-v1"], "BPSK", 30, 20, split) for split in range(3)]
    flat = np.concatenate(frames).view(np.float64).round(6)
    assert len(np.unique(flat, axis=0)) == 60


@pytest.mark.parametrize("length", [128, 512, 2048])
def test_other_frame_lengths(length: int) -> None:
    labels, snrs, numbers = mixed(RECIPES["radioml2018-v1"], 1, (20,))
    frames = generate_frames(replace(RECIPES["radioml2018-v1"], frame_len=length), labels, snrs, numbers)
    assert frames.shape == (24, length, 2)
    assert np.isfinite(frames).all()


def test_no_frames_are_no_frames() -> None:
    assert generate_frames(STILL, [], [], []).shape == (0, 1024, 2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [(([24], [0], [0]), "labels must be 0 to 23"), (([0], [0.5], [0]), "whole dB"), (([0], [0], [-1]), "negative"),
     (([0, 1], [0], [0]), "one length")],
)  # fmt: skip
def test_keys_out_of_range_are_refused(keys: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        generate_frames(STILL, *keys)
