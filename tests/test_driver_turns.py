"""A source of frames that uses the overlay which it feeds, and threads beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from board_overlays import golden_overlay, small_graph
from networks import random_frames

from hw_amc import sim_device
from hw_amc.driver import AmcOverlay, DeviceBusy
from hw_amc.graph import golden

GRAPH = small_graph()
FRAMES = random_frames(np.random.default_rng(5), GRAPH, 32)


@pytest.fixture
def amc(tmp_path: Path) -> Iterator[AmcOverlay]:
    with AmcOverlay(golden_overlay(tmp_path, GRAPH), device=sim_device.enable(), batch=8) as amc:
        yield amc


def fed(act: Callable[[], object], at: int = 16) -> Iterator[np.ndarray]:
    """Frames in blocks of 8; `act` is called before the block that begins with frame `at`."""
    for start in range(0, len(FRAMES), 8):
        if start == at:
            act()
        yield FRAMES[start : start + 8]


def finish(work: Callable[[], object]) -> None:
    """Run `work` in a thread; one that hangs fails the test and does not stop all others."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "a source that uses the overlay waits for ever"
    if caught:
        raise caught[0]


def test_a_source_may_ask_for_counters(amc: AmcOverlay) -> None:
    seen = []

    def work() -> None:
        logits = amc.classify(fed(lambda: seen.append(amc.counters()["frames_out"]))).logits
        np.testing.assert_array_equal(logits, golden.classify(GRAPH, FRAMES)[1])

    finish(work)
    assert seen == [8]  # the first batch is answered, the second is on its way, the third is being drawn


@pytest.mark.parametrize("name", ["classify", "reset", "set_input_shift", "stream", "benchmark"])
def test_what_would_come_into_the_transfer_is_refused_at_once(amc: AmcOverlay, name: str) -> None:
    acts: dict[str, Callable[[], object]] = {
        "classify": lambda: amc.classify(FRAMES[:1]),
        "reset": amc.reset,
        "set_input_shift": lambda: amc.set_input_shift(1),
        "stream": lambda: list(amc.stream([FRAMES])),
        "benchmark": lambda: amc.benchmark(FRAMES, 1, 1),
    }
    with pytest.raises(DeviceBusy, match="busy with the very call that this source feeds; do this between two calls"):
        finish(lambda: amc.classify(fed(acts[name])))
    np.testing.assert_array_equal(amc.classify(FRAMES).logits, golden.classify(GRAPH, FRAMES)[1])


def test_a_source_may_use_it_between_two_batches_of_a_stream(amc: AmcOverlay) -> None:
    answers = []
    for part in amc.stream(FRAMES[i : i + 8] for i in range(0, 32, 8)):
        answers.append(part.logits)
        amc.classify(FRAMES[:3])
    np.testing.assert_array_equal(np.concatenate(answers), golden.classify(GRAPH, FRAMES)[1])


def test_a_source_may_wait_for_a_thread_that_asks(amc: AmcOverlay) -> None:
    seen = []

    def ask_in_a_thread() -> None:
        thread = threading.Thread(target=lambda: seen.append(amc.counters()["frames_in"]))
        thread.start()
        thread.join()

    finish(lambda: amc.classify(fed(ask_in_a_thread)))
    assert seen[0] >= 8
