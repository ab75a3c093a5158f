"""Pruning masks and the arithmetic of formats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_amc.compress.formats import affine_bias, best_integer_bits, bias_integer_bits, integer_bits
from hw_amc.compress.magnitude import choose_masks, choose_masks_by_layer, count_nonzeros, masks_of, ramp_keep
from hw_amc.errors import ConfigError


def kernels(seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(0, scale, shape).astype(np.float32) for scale, shape in ((1.0, (4, 9)), (0.01, (3, 5, 2)))]


@given(st.integers(0, 66), st.integers(0, 5))
def test_masks_keep_exactly_what_is_asked(keep: int, seed: int) -> None:
    masks = choose_masks(kernels(seed), keep)
    assert sum(int(m.sum()) for m in masks) == keep


@given(st.integers(0, 66), st.integers(0, 5))
def test_masks_by_layer_keep_one_share_of_every_layer(keep: int, seed: int) -> None:
    ks = kernels(seed)
    masks = choose_masks_by_layer(ks, keep)
    assert sum(int(m.sum()) for m in masks) == keep
    for k, m in zip(ks, masks, strict=True):
        assert abs(m.sum() - keep * k.size / 66) < 1


def test_a_layer_that_has_lost_more_keeps_what_it_has() -> None:
    ks = kernels(2)
    ks[0].flat[5:] = 0
    assert [int(m.sum()) for m in choose_masks_by_layer(ks, 20)] == [5, 15]
    with pytest.raises(ConfigError, match="35 nonzero"):
        choose_masks_by_layer(ks, 36)


def test_few_bits_clip_an_outlier_rather_than_lose_the_rest() -> None:
    weights = np.append(np.full(99, 0.125, np.float32), np.float32(1.1))
    assert best_integer_bits(weights, 4) == 0
    assert best_integer_bits(np.full(4, 3.0, np.float32), 4) == 2


def test_masks_keep_the_largest_of_each_layer_relative_to_its_scale() -> None:
    ks = kernels(1)
    masks = choose_masks(ks, 33)
    for k, m in zip(ks, masks, strict=True):
        assert np.abs(k[m]).min() >= np.abs(k[~m]).max()
        assert 0.3 < m.mean() < 0.7  # the layer of small weights is not emptied


def test_pruning_further_brings_nothing_back() -> None:
    ks = kernels(2)
    first = choose_masks(ks, 40)
    pruned = [k * m for k, m in zip(ks, first, strict=True)]
    second = choose_masks(pruned, 20)
    assert all(not np.any(b & ~a) for a, b in zip(first, second, strict=True))
    assert count_nonzeros(pruned) == 40
    assert all(np.array_equal(a, b) for a, b in zip(masks_of(pruned), first, strict=True))


def test_ties_are_broken_by_position() -> None:
    masks = choose_masks([np.ones((2, 2), np.float32), np.ones(3, np.float32)], 3)
    assert [m.ravel().tolist() for m in masks] == [[True, True, True, False], [False] * 3]


def test_keeping_more_than_is_left_is_refused() -> None:
    with pytest.raises(ConfigError, match="4 nonzero weights are left"):
        choose_masks([np.array([1, 0, 2, 3, 4], np.float32)], 5)


def test_ramp_runs_from_start_to_target() -> None:
    assert ramp_keep(100, 90, 30, 0.0) == 90
    assert ramp_keep(100, 90, 30, 1.0) == ramp_keep(100, 90, 30, 2.0) == 30
    values = [ramp_keep(1000, 1000, 300, i / 20) for i in range(21)]
    assert values == sorted(values, reverse=True)


def test_one_large_scale_does_not_coarsen_the_others() -> None:
    scale = np.full(40, 0.1, np.float32)
    scale[0] = 60.0
    assert best_integer_bits(scale, 8, relative=True) == 0  # holding 60 would round 0.1 to nothing
    assert best_integer_bits(np.full(4, 60.0, np.float32), 8, relative=True) == 6
    assert best_integer_bits(np.full(4, 9000.0, np.float32), 8) == 14  # a step of 128


@given(st.floats(1e-6, 1e6), st.integers(2, 16), st.booleans())
def test_integer_bits_hold_the_value_and_are_the_fewest(largest: float, bits: int, signed: bool) -> None:
    def top(count: int) -> float:
        step = 2.0 ** (count - bits + signed)
        return 2.0**count - step / 2

    count = integer_bits(largest, bits, signed)
    assert largest <= top(count)
    assert count == 0 or largest > top(count - 1)


@given(st.floats(1e-6, 1e4))
def test_bias_integer_bits_never_clip(largest: float) -> None:
    assert largest < 2.0 ** bias_integer_bits(largest)


def test_affine_bias_has_the_precision_of_the_product() -> None:
    bits, integer = affine_bias({"scale_bits": 8, "scale_int": 3, "bias_int": 2}, input_frac=7)
    assert (bits, integer) == (1 + 2 + 7 + 4, 2)
