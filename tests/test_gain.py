"""The rule of the automatic gain, against the same in whole numbers of any size, frame by frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_amc.interface.gain import AutomaticGain
from hw_amc.interface.registers import HIGHEST_GAIN

RULE = AutomaticGain(frame_len=8, wire_frac=14)


def level_of(frame: np.ndarray) -> int:
    return sum(abs(i) + abs(q) + 2 * max(abs(i), abs(q)) for i, q in frame.tolist())


def gain_of(rule: AutomaticGain, level: int) -> int:
    """The definition: shift by shift, both sides scaled to whole numbers."""
    low = rule.frame_len * 2 ** (rule.wire_frac + 1)
    (found,) = [g for g in range(-20, 60) if low << 20 <= level << (g + 20) < low << 21]
    return min(found, rule.highest)


@given(
    frame_len=st.integers(2, (1 << 24) - 1),
    wire_frac=st.integers(0, 15),
    highest=st.integers(-128, 127),
    share=st.floats(0, 1),
    power=st.integers(0, 41),
    beside=st.integers(-2, 2),
)
def test_gain_of_every_level(
    frame_len: int, wire_frac: int, highest: int, share: float, power: int, beside: int
) -> None:
    rule = AutomaticGain(frame_len, wire_frac, highest=highest)
    edges = [int(share * rule.highest_level), 1 << power, (rule.least_level << 20) >> power]
    levels = [min(max(level + beside, 1), rule.highest_level) for level in edges]
    assert rule.gains(np.array(levels)).tolist() == [gain_of(rule, level) for level in levels]


def test_levels_of_the_largest_words() -> None:
    frames = np.full((1, 8, 2), -32768, np.int16)
    assert RULE.levels(frames).tolist() == [RULE.highest_level] == [8 * 4 * 32768]
    frames[0, 3] = (32767, -5)
    assert RULE.levels(frames).tolist() == [level_of(frames[0])]


@given(seed=st.integers(0, 1 << 30), power=st.integers(0, 7))
def test_a_frame_twice_as_large_has_a_gain_of_one_less(seed: int, power: int) -> None:
    frames = np.random.default_rng(seed).integers(-128, 128, (3, 8, 2)).astype(np.int16)
    gains = RULE.gains(RULE.levels(frames))
    heard = frames.any(axis=(1, 2)) & (gains < HIGHEST_GAIN)
    np.testing.assert_array_equal(RULE.gains(RULE.levels(frames << power))[heard], gains[heard] - power)


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 9))
def test_a_carrier_of_the_level_of_training_needs_none(angle: float) -> None:
    """From 2.9 dB below to 2 dB above, whatever its phase."""
    for level_db in (-2.9, 0, 2.0):
        value = 10 ** (level_db / 20) * np.exp(1j * angle)
        frame = np.tile(np.rint(2**14 * np.array([value.real, value.imag])), (1, 8, 1)).astype(np.int16)
        assert RULE.gains(RULE.levels(frame)).tolist() == [0], level_db


def test_noise_of_the_level_of_training_needs_none() -> None:
    noise = np.random.default_rng(5).normal(0, 2**13.5, (50, 1024, 2)).astype(np.int16)
    rule = AutomaticGain(1024, 14)
    for scale, gain in ((1, 0), (0.5, 1), (0.25, 2), (1 / 64, 6), (1.25, 0), (0.8, 0)):
        assert set(rule.gains(rule.levels((noise * scale).astype(np.int16)))) == {gain}, scale


@given(
    seed=st.integers(0, 1 << 30),
    n_channels=st.integers(1, 4),
    groups=st.integers(0, 6),
    cut=st.integers(0, 24),
    highest=st.integers(-3, 15),
)
def test_frames_follow_each_other(seed: int, n_channels: int, groups: int, cut: int, highest: int) -> None:
    """Gains of all frames at once are those of one after another, and of the definition."""
    rule, rng = AutomaticGain(8, 14, n_channels, highest), np.random.default_rng(seed)
    frames = rng.integers(-32768, 32768, (groups * n_channels, 8, 2)) >> rng.integers(
        0, 16, (groups * n_channels, 1, 1)
    )
    frames = (frames * rng.integers(0, 4, (len(frames), 1, 1)).astype(bool)).astype(np.int16)
    broken = rng.integers(0, 5, len(frames)) == 0
    wanted, state = [], [0] * n_channels
    for number, frame in enumerate(frames):
        wanted.append(state[number % n_channels])
        if level_of(frame) and not broken[number]:
            state[number % n_channels] = gain_of(rule, level_of(frame))
    gains, left = rule.follow(frames, rule.start, broken)
    assert (gains.tolist(), left) == (wanted, tuple(state))
    ends = sorted({0, min(cut // n_channels, groups) * n_channels, len(frames)})
    parts, after = [], rule.start
    for first, end in pairwise(ends):
        part, after = rule.follow(frames[first:end], after, broken[first:end])
        parts += part.tolist()
    assert (parts, after) == (wanted, tuple(state))


def test_shifts_saturate() -> None:
    assert AutomaticGain.shifts(np.array([-2, 0, 15]), 120).tolist() == [118, 120, 127]
    assert AutomaticGain.shifts(np.array([-2, 0, 15]), -127).tolist() == [-128, -127, -112]
