"""The self-test on the simulated board: what it finds right, and every fault that it is there to find."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_overlays import golden_overlay, small_graph

from hw_amc import sim_device
from hw_amc.bench.behavioural import GoldenAccelerator
from hw_amc.driver import AmcOverlay, SelfTest
from hw_amc.driver.vectors import Vectors
from hw_amc.errors import DataError
from hw_amc.graph import Graph, golden

GRAPH = small_graph()
NAMES = ("identity", "clock: registers", "clock: measured", "logits", "frame by frame", "counters", "framing error",
         "reset", "largest transfer")  # fmt: skip


@pytest.fixture
def amc(tmp_path: Path) -> Iterator[AmcOverlay]:
    with AmcOverlay(golden_overlay(tmp_path, GRAPH), device=sim_device.enable(), batch=8) as amc:
        amc.device.system.cycle_limit = 20_000
        yield amc


def outcomes(found: SelfTest) -> dict[str, str]:
    return {check.name: check.outcome for check in found.checks}


def details(found: SelfTest) -> dict[str, str]:
    return {check.name: check.detail for check in found.checks}


@pytest.mark.parametrize(("board", "n_channels"), [("pynq-z2", 1), ("pynq-z2", 5), ("rfsoc4x2", 1), ("kv260", 1)])
def test_every_check_passes(tmp_path: Path, board: str, n_channels: int) -> None:
    path = golden_overlay(tmp_path, GRAPH, board, n_channels)
    with AmcOverlay(path, device=sim_device.enable()) as amc:
        found = amc.selftest()
        assert outcomes(found) == dict.fromkeys(NAMES, "passed"), str(found)
        # The overlay is as it was: nothing is under way, nothing is left behind.
        frames = Vectors.load(path.parent / "golden.npz", amc.manifest).wire
        np.testing.assert_array_equal(amc.classify(frames).logits, golden.classify(GRAPH, frames)[1])
        assert amc.device.memory.blocks == 3
    assert found.passed
    assert f"random_gru_cnn on simulated {board}" in str(found)
    assert str(found).endswith("self-test passed")


def test_report_is_for_attaching(amc: AmcOverlay, tmp_path: Path) -> None:
    amc.selftest().save(tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passed"] is True
    assert [check["name"] for check in report["checks"]] == list(NAMES)
    assert report["graph_digest"] == GRAPH.digest()
    assert set(report["software"]) == {"python", "numpy", "pynq", "machine"}
    assert (report["simulated"], report["estimated"]) == (True, True)


def test_vectors_hold_the_extremes_and_their_answers(amc: AmcOverlay) -> None:
    vectors = Vectors.load(amc._folder / "golden.npz", amc.manifest)
    assert vectors.wire.shape == (16, 16, 2)
    assert not vectors.wire[0].any()
    assert (vectors.wire[1] == 32767).all()
    assert (vectors.wire[2] == -32768).all()
    assert set(np.unique(vectors.wire[3])) == {-32768, 32767}
    assert np.abs(vectors.wire[4].astype(int)).max() <= 2
    assert np.abs(vectors.wire[15].astype(int)).max() > 1 << 14
    np.testing.assert_array_equal(vectors.logits, golden.classify(GRAPH, vectors.wire)[1])


def test_the_users_input_level_is_put_back(amc: AmcOverlay) -> None:
    amc.set_input_shift(3)
    assert amc.selftest().passed
    assert amc.link.read("INPUT_SHIFT", "input_shift") == 3


def test_the_automatic_gain_is_off_during_the_test_and_on_again(tmp_path: Path) -> None:
    with AmcOverlay(golden_overlay(tmp_path, GRAPH, automatic_gain=True), device=sim_device.enable()) as amc:
        amc.automatic_gain = True
        assert amc.selftest().passed
        assert amc.automatic_gain


def test_largest_transfer_is_the_dmas(amc: AmcOverlay) -> None:
    amc.link.dma.sendchannel._max_size = amc.link.dma.recvchannel._max_size = 1000
    amc.link.dma.buffer_max_size = 1000
    detail = details(amc.selftest(largest=10_000))["largest transfer"]
    assert detail.startswith("960 bytes in one transfer (the DMA carries 960): 15 frames, 45 logits, all equal")


def test_memory_that_does_not_suffice_makes_it_smaller(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amc.device.memory, "size", 1 << 16)
    check = details(amc.selftest(largest=2048))["largest transfer"]
    assert check.startswith("32,768 bytes in one transfer (the DMA carries 67,108,800): 512 frames")


# Faults.


LOGITS = GoldenAccelerator._logits


def failed(found: SelfTest) -> set[str]:
    assert not found.passed
    assert str(found).endswith("self-test FAILED")
    return {name for name, outcome in outcomes(found).items() if outcome == "failed"}


def test_another_oscillator_than_pynq_assumes(tmp_path: Path) -> None:
    """The registers say 250 MHz; the board's reference is 35 MHz, not 33.333."""
    with AmcOverlay(golden_overlay(tmp_path, GRAPH, "zcu104"), device=sim_device.enable()) as amc:
        amc.device.system.clocks.reference_mhz = 35.0
        found = amc.selftest()
    assert failed(found) == {"clock: measured"}
    assert details(found)["clock: measured"].startswith("262.5")
    assert "built for 250 MHz" in details(found)["clock: measured"]


def test_another_clock_in_the_registers(amc: AmcOverlay) -> None:
    amc.device.system.write(0xF800_0170, 1 << 20 | 10 << 8)
    found = amc.selftest()
    assert failed(found) == {"clock: registers", "clock: measured"}
    assert details(found)["clock: registers"] == "100 MHz, built for 125 MHz"


def test_one_wrong_logit(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: GoldenAccelerator, raw: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        logits = LOGITS(self, raw, shifts)
        logits[:, 2] += 1
        return logits

    monkeypatch.setattr(GoldenAccelerator, "_logits", wrong)
    found = amc.selftest()
    expected = {"logits", "frame by frame", "framing error", "reset", "largest transfer"}
    assert failed(found) == expected
    assert details(found)["logits"].startswith("16 of 16 frames differ; first: frame 0, logit 2: ")


def test_counters_that_count_wrong(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GoldenAccelerator, "_saturated", lambda self, raw, shifts: np.ones(len(raw), int))
    found = amc.selftest()
    assert failed(found) == {"counters"}
    assert details(found)["counters"] == "saturated = 16, not 32"


def test_a_broken_frame_that_is_not_flagged(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    result = GoldenAccelerator._result
    monkeypatch.setattr(
        GoldenAccelerator, "_result", lambda self, channel, logits, whole: result(self, channel, logits, True)
    )
    found = amc.selftest()
    assert failed(found) == {"framing error"}
    assert details(found)["framing error"] == "0 of 1 results carry the flag, and 1 errors were counted, not 1"


def test_samples_that_get_lost_fail_by_name_and_do_not_hang(amc: AmcOverlay) -> None:
    dma = amc.device.system.dmas[0]
    dma.tamper = lambda words: (words[:-5], False)
    found = amc.selftest()
    assert failed(found) >= {"logits", "frame by frame", "counters", "largest transfer"}
    assert "gets no samples" in details(found)["logits"]
    dma.tamper = None
    assert amc.selftest().passed


def test_a_device_that_goes_away_is_a_result_too(amc: AmcOverlay) -> None:
    amc.device.switch_off("unplugged")
    found = amc.selftest()
    assert failed(found) >= {"identity", "logits", "reset"}
    assert "unplugged" in details(found)["identity"]


# Files.


def spoil(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        with np.load(path) as data:
            arrays = dict(data)
        change(arrays)
        np.savez(path, **arrays)

    return act


def other_network(graph: Graph) -> Callable[[dict[str, Any]], None]:
    digest = np.frombuffer(bytes.fromhex(graph.digest()), np.uint8)
    return lambda arrays: arrays.update(graph_digest=digest)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda path: path.unlink(), "cannot read .*golden.npz"),
        (lambda path: path.write_bytes(b"none"), "cannot read .*golden.npz"),
        (spoil(lambda arrays: arrays.pop("logits")), "cannot read .*golden.npz: 'logits'"),
        (spoil(lambda arrays: arrays.update(wire=arrays["wire"][:, 1:])), "no frames of 16 samples with 3 logits each"),
        (spoil(lambda arrays: arrays.update(wire=arrays["wire"].astype(np.int32))), "no frames of 16 samples"),
        (spoil(other_network(small_graph(seed=2))), "is of network .*, the overlay of"),
    ],
)  # fmt: skip
def test_vectors_that_are_not_this_overlays(amc: AmcOverlay, act: Callable[[Path], None], message: str) -> None:
    act(amc._folder / "golden.npz")
    with pytest.raises(DataError, match=message):
        amc.selftest()


@pytest.mark.board
def test_on_the_board_by_python_alone(tmp_path: Path) -> None:
    """The image has no typer: `python3 -m hw_amc.driver selftest`."""
    path = golden_overlay(tmp_path / "amc", GRAPH)
    command = [sys.executable, "-W", "ignore", "-m", "hw_amc.driver", "selftest"]
    done = subprocess.run(
        [*command, str(path.parent), "--report", str(tmp_path / "r.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "self-test passed" in done.stdout
    assert json.loads((tmp_path / "r.json").read_text())["passed"] is True
    done = subprocess.run([*command, str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
