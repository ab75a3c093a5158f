from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_amc.errors import ConfigError, DataError
from hw_amc.graph.fixed import MAX_BITS, FixedFormat, format_for, requantize, shift_round

raws = st.integers(-(1 << 40), 1 << 40)
formats = st.builds(FixedFormat, st.integers(2, 24), st.integers(-8, 24), st.booleans())


@given(raws, st.integers(-8, 20))
def test_shift_round_is_half_to_even(raw: int, shift: int) -> None:
    # Python's round() of a Fraction is exact and half to even.
    assert int(shift_round(np.array([raw]), shift)[0]) == round(Fraction(raw) / Fraction(2) ** shift)


wide_formats = st.builds(FixedFormat, st.integers(2, MAX_BITS), st.integers(-MAX_BITS, MAX_BITS), st.booleans())


@given(wide_formats, wide_formats, st.data())
def test_requantize_is_exact_between_any_two_formats(
    source: FixedFormat, fmt: FixedFormat, data: st.DataObject
) -> None:
    raw = data.draw(st.integers(source.min_raw, source.max_raw))
    value = Fraction(raw) / Fraction(2) ** (source.frac - fmt.frac)
    expected = max(fmt.min_raw, min(fmt.max_raw, round(value)))
    assert int(requantize(np.array([raw]), source.frac, fmt)[0]) == expected


def test_bits_left_of_the_point() -> None:
    assert [FixedFormat(8, frac).integer_bits for frac in (-2, 0, 5, 8, 11)] == [10, 8, 3, 0, -3]


def test_requantize_widens_narrow_integers() -> None:
    assert requantize(np.array([-128, 127], np.int8), 0, FixedFormat(20, 8)).tolist() == [-32768, 32512]


@given(formats, st.data())
def test_values_and_raws_are_inverse(fmt: FixedFormat, data: st.DataObject) -> None:
    raw = data.draw(st.integers(fmt.min_raw, fmt.max_raw))
    assert int(fmt.to_raw(fmt.to_value(raw))) == raw


@given(raws, raws)
def test_format_for_is_the_narrowest(a: int, b: int) -> None:
    low, high = min(a, b), max(a, b)
    fmt = format_for(low, high, 3)
    assert fmt.holds([low, high])
    if fmt.bits > 1 + fmt.signed:
        assert not FixedFormat(fmt.bits - 1, 3, fmt.signed).holds([low, high])


def test_to_raw_rounds_to_even_and_saturates() -> None:
    fmt = FixedFormat(8, 7)
    assert fmt.to_raw([0.5 / 128, 1.5 / 128, -0.5 / 128, 5.0, -5.0]).tolist() == [0, 2, 0, 127, -128]


@pytest.mark.parametrize(("bits", "frac"), [(1, 0), (0, 0), (49, 0), (8, 99), (8.0, 0), (True, 0)])
def test_impossible_formats_are_refused(bits: int, frac: int) -> None:
    with pytest.raises(ConfigError):
        FixedFormat(bits, frac)


def test_what_is_no_real_number_has_no_integer() -> None:
    with pytest.raises(DataError, match="2 of 4 values are not numbers"):
        FixedFormat(8, 4).to_raw([0.5, np.nan, np.inf, np.nan])
    with pytest.raises(DataError, match="complex"):
        FixedFormat(8, 4).to_raw(np.array([1j]))
