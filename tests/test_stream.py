from __future__ import annotations

import numpy as np
import pytest

from hw_amc.errors import DataError
from hw_amc.interface.words import Results, interleave, pack_frames, pack_results, unpack_frames, unpack_results


def test_words_of_channels_take_turns() -> None:
    frames = np.arange(4 * 2 * 2).reshape(4, 2, 2).astype(np.int16)
    low = pack_frames(frames, 2) & 0xFFFF
    assert list(low) == [0, 4, 2, 6, 8, 12, 10, 14]
    assert list(pack_frames(frames) >> 16) == [1, 3, 5, 7, 9, 11, 13, 15]


@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_frames_come_back_from_their_words(n_channels: int) -> None:
    frames = np.random.default_rng(1).integers(-32768, 32768, (6, 5, 2)).astype(np.int16)
    words = pack_frames(frames, n_channels)
    np.testing.assert_array_equal(unpack_frames(words, 5, n_channels), frames)
    buffer = np.zeros_like(frames)
    interleave(frames, n_channels, buffer)
    np.testing.assert_array_equal(buffer.view("<u4").ravel(), words)


def test_results_come_back_from_their_words() -> None:
    fields = np.array([[3, 0], [2, 1], [255, 0], [1, 0]], np.int64)
    logits = np.array([[-2, 5, 1 << 30], [0, -(1 << 31), 7]], np.int32)
    words = pack_results(Results(*fields, logits))
    assert list(words[:3]) == [0x01FF0203, 0xFFFFFFFE, 5]
    found = unpack_results(words, 3)
    for name, values in zip(("labels", "channels", "sequence", "flags"), fields, strict=True):
        np.testing.assert_array_equal(getattr(found, name), values)
    np.testing.assert_array_equal(found.logits, logits)


def test_negative_words_survive() -> None:
    frames = np.array([[[-1, -32768]]], np.int16)
    assert list(pack_frames(frames)) == [0x8000FFFF]
    results = unpack_results(np.array([0x01FF0203, 0xFFFFFFFE, 5], np.uint32), 2)
    assert (results.labels[0], results.channels[0], results.sequence[0], results.flags[0]) == (3, 2, 255, 1)
    assert list(results.logits[0]) == [-2, 5]


@pytest.mark.parametrize("frames", [np.zeros((2, 4, 2)), np.zeros((2, 4), np.int16), np.zeros((2, 4, 3), np.int16)])
def test_what_are_no_frames_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(DataError, match="int16 array"):
        pack_frames(frames)


def test_frames_must_fill_the_channels() -> None:
    with pytest.raises(DataError, match="3 frames do not fill 2 channels"):
        pack_frames(np.zeros((3, 4, 2), np.int16), 2)


def test_half_a_result_is_refused() -> None:
    with pytest.raises(DataError, match="no whole number of results of 3 words"):
        unpack_results(np.zeros(4, np.uint32), 2)


def test_no_words_are_no_results() -> None:
    assert len(unpack_results(np.zeros(0, np.uint32), 2)) == 0
