"""Float frames to wire words: rounding, saturation, normalisation, refusals."""

from __future__ import annotations

import subprocess
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hw_amc.errors import DataError
from hw_amc.interface.wire import count_saturated, from_wire, to_wire

frames_of = {
    dtype: hnp.arrays(
        dtype,
        st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(2)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=width),
    )
    for dtype, width in ((np.float16, 16), (np.float32, 32), (np.float64, 64))
}
words = hnp.arrays(np.int16, st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(2)))


def exact_word(value: float, wire_frac: int) -> int:
    scaled = (Decimal(float(value)) * (1 << wire_frac)).to_integral_value(ROUND_HALF_EVEN)
    return max(-32768, min(32767, int(scaled)))


@pytest.mark.parametrize("dtype", list(frames_of), ids=lambda d: d.__name__)
@given(data=st.data(), wire_frac=st.integers(0, 15))
def test_words_are_the_exactly_rounded_values(dtype: Any, data: Any, wire_frac: Any) -> None:
    frames = data.draw(frames_of[dtype])
    near = data.draw(hnp.arrays(np.float64, frames.shape, elements=st.floats(-3, 3)))
    for values in (frames, near.astype(dtype)):
        expected = np.array([exact_word(v, wire_frac) for v in values.ravel()]).reshape(values.shape)
        got = to_wire(values, wire_frac)
        assert got.dtype == np.int16
        np.testing.assert_array_equal(got, expected)


@given(words, st.integers(0, 15))
def test_every_word_survives_the_way_there_and_back(wire: Any, wire_frac: Any) -> None:
    np.testing.assert_array_equal(to_wire(from_wire(wire, wire_frac), wire_frac), wire)


def test_halves_go_to_even_and_the_range_saturates() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5]) / 16384
    wire = to_wire(halves.reshape(1, 3, 2))
    assert wire.ravel().tolist() == [0, 2, 2, 0, -2, -2]
    edge = np.array([[[2.0, -2.0], [1.99999, -2.1]]])
    assert to_wire(edge).ravel().tolist() == [32767, -32768, 32767, -32768]
    # -2 is a word, and 1.99999 rounds up to the first value that is none.
    assert count_saturated(edge) == 3


@given(frames_of[np.float32], st.integers(-20, 20))
def test_rms_does_not_see_the_level(frames: np.ndarray, shift: Any) -> None:
    level = np.float64(2.0**shift)
    wide = frames.astype(np.float64)
    np.testing.assert_array_equal(to_wire(wide, normalise="rms"), to_wire(wide * level, normalise="rms"))


def test_rms_brings_the_mean_power_of_every_frame_to_one() -> None:
    rng = np.random.default_rng(3)
    frames = rng.standard_normal((4, 512, 2)) * np.array([1e-3, 0.1, 1, 30])[:, None, None]
    values = from_wire(to_wire(frames, wire_frac=12, normalise="rms")).astype(np.float64) * 4
    np.testing.assert_allclose((values**2).sum(2).mean(1), 1, atol=1e-3)


def test_a_silent_frame_stays_silent() -> None:
    assert not to_wire(np.zeros((2, 8, 2)), normalise="rms").any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_refused_by_frame(bad: Any) -> None:
    frames = np.zeros((5, 4, 2), np.float32)
    frames[3, 2, 1] = bad
    for normalise in ("none", "rms"):
        with pytest.raises(DataError, match="frame 3 has 1 NaN or infinite"):
            to_wire(frames, normalise=normalise)


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.zeros((4, 2)), {}, r"shape \(n, T, 2\)"),
        (np.zeros((1, 2, 4)), {}, r"shape \(n, T, 2\)"),
        (np.zeros((1, 4, 2), np.int16), {}, "must be floats"),
        (np.zeros((1, 4, 2)), {"wire_frac": 16}, "0 to 15"),
        (np.zeros((1, 4, 2)), {"wire_frac": -1}, "0 to 15"),
        (np.zeros((1, 4, 2)), {"normalise": "peak"}, "'none' or 'rms'"),
    ],
)
def test_wrong_arguments(frames: np.ndarray, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_wire(frames, **options)


def test_words_of_another_type_are_refused() -> None:
    with pytest.raises(DataError, match="int16"):
        from_wire(np.zeros((1, 4, 2), np.int32))


def test_a_board_needs_numpy_only() -> None:
    code = "import sys, hw_amc.radio; print(sorted({'h5py', 'scipy', 'rich', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
