"""What may go wrong between a program and the accelerator: each fault has a clear error, and the next call is right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from board_overlays import golden_overlay, small_graph
from networks import random_frames

from hw_amc import sim_device
from hw_amc.driver import AmcOverlay, DeviceError, DeviceStalled
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph import golden
from hw_amc.sim_device import axi_dma

GRAPH = small_graph()
FRAMES = random_frames(np.random.default_rng(5), GRAPH, 20)


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    return golden_overlay(tmp_path, GRAPH)


@pytest.fixture
def amc(overlay: Path) -> Iterator[AmcOverlay]:
    with AmcOverlay(overlay, device=sim_device.enable(), batch=8) as amc:
        amc.device.system.cycle_limit = 20_000
        yield amc


def require_right(amc: AmcOverlay) -> None:
    """Frames after the fault are answered correctly, all of them."""
    labels, logits = amc.classify(FRAMES)
    wanted_labels, wanted = golden.classify(GRAPH, FRAMES)
    np.testing.assert_array_equal(logits, wanted)
    np.testing.assert_array_equal(labels, wanted_labels)


# What is loaded.


def test_wrong_model(overlay: Path) -> None:
    manifest = overlay.parent / "manifest.json"
    data = json.loads(manifest.read_text())
    other = small_graph(seed=2)
    data["graph_digest"] = other.digest()
    with AmcOverlay(overlay, device=sim_device.enable()) as amc:
        device, model = amc.device, amc.device.system.models[0]
    device.factories["amc_0"] = lambda folder, **arguments: model
    manifest.write_text(json.dumps(data))
    try:
        wanted = rf"holds network {GRAPH.digest()[:16]}, manifest.json describes {other.digest()[:16]}"
        with pytest.raises(DeviceError, match=wanted):
            AmcOverlay(overlay, device=device)
    finally:
        device.factories.clear()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MAGIC", 0xDEAD, "no accelerator answers: MAGIC reads 0x0000dead"),
        ("VERSION", 9 << 16, "register interface 9 on the device"),
        ("FRAME_LEN", 99, "FRAME_LEN is 99 on the device and 16"),
    ],
)
def test_foreign_hardware(amc: AmcOverlay, name: str, value: int, message: str) -> None:
    from hw_amc.driver.identity import check_identity

    amc.device.system.models[0]._constants[name] = value
    with pytest.raises(DeviceError, match=message):
        check_identity(amc.link, amc.manifest)


def test_damaged_archive(overlay: Path) -> None:
    (overlay.parent / "SHA256SUMS").write_text(f"{'0' * 64}  {overlay.name}\n")
    with pytest.raises(DataError, match=r"random_gru_cnn.bit is not the file that the overlay was built with"):
        AmcOverlay(overlay, device=sim_device.enable())
    (overlay.parent / "SHA256SUMS").write_text(f"{'0' * 64}  gone.bit\n")
    with pytest.raises(DataError, match=r"gone.bit is missing"):
        AmcOverlay(overlay, device=sim_device.enable())


def test_no_overlay(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        AmcOverlay(tmp_path / "none.bit", device=sim_device.enable())
    with pytest.raises(ConfigError, match=r"holds 0 .bit files"):
        AmcOverlay(tmp_path, device=sim_device.enable())


def test_a_damaged_hwh_is_one_line(overlay: Path) -> None:
    hwh = overlay.with_suffix(".hwh")
    hwh.write_text(hwh.read_text()[:500])
    with pytest.raises(DataError, match=r"random_gru_cnn\.hwh is no \.hwh; copy or build the overlay again: "):
        AmcOverlay(overlay, device=sim_device.enable())


def test_nested_lists_are_frames(overlay: Path) -> None:
    frames = np.random.default_rng(0).normal(0, 0.4, (3, GRAPH.frame_len, 2)).astype(np.float32)
    with AmcOverlay(overlay, device=sim_device.enable()) as amc:
        wanted = amc.classify(frames)
        np.testing.assert_array_equal(amc.classify(frames.tolist()).logits, wanted.logits)
        np.testing.assert_array_equal(amc.classify(frames[0].tolist()).logits, wanted.logits[0])
        np.testing.assert_array_equal(amc.classify(list(frames)).logits, wanted.logits)
        for wrong, said in (
            ([[[0.0, 0.0]] * 5], rf"frames must have the shape \(n, {GRAPH.frame_len}, 2\) .*, not \(1, 5, 2\)"),
            ([[0.0, 0.0]] * 5, r"not \(5, 2\)"),
            ([[0.0, 0.0], [0.0]], "nested lists of equal lengths"),
            ([1.0, 2.0], r"not \(2,\)"),
        ):
            with pytest.raises(DataError, match=said):
                amc.classify(wrong)
        require_right(amc)


def test_failed_open_frees_device_and_memory(overlay: Path) -> None:
    device = sim_device.enable()
    (overlay.parent / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="manifest has schema None, expected 3"):
        AmcOverlay(overlay, device=device)
    overlay.with_suffix(".hwh").write_text(overlay.with_suffix(".hwh").read_text().replace("hw_amc:user", "a:b"))
    golden_overlay(overlay.parent / "whole", GRAPH)
    with AmcOverlay(overlay.parent / "whole", device=device) as amc:
        require_right(amc)
    assert device.memory.blocks == 0


# What is sent.


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((3, 15, 2), np.int16), r"must have the shape \(n, 16, 2\) or \(16, 2\), not \(3, 15, 2\)"),
        (np.zeros((3, 16), np.float32), r"not \(3, 16\)"),
        (np.zeros((3, 16, 2), np.int32), "float samples or int16 wire words, not int32"),
        (np.zeros((3, 16, 2), np.complex64), "not complex64"),
        (np.full((3, 16, 2), np.nan, np.float32), "frame 0 has 32 NaN or infinite values"),
        (np.full((3, 16, 2), 5.0, np.float32), r"100% of the samples of frames 0 to 2 are outside -2..2; scale them"),
    ],
)
def test_bad_frames(amc: AmcOverlay, frames: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        amc.classify(frames)
    assert amc.link.traffic.sends == 0
    require_right(amc)


def test_bad_frame_in_a_stream_loses_nothing_before_it(amc: AmcOverlay) -> None:
    def source() -> Iterator[np.ndarray]:
        yield FRAMES.astype(np.float64) / 2**15
        yield np.full((16, 2), np.inf)

    stream = amc.stream(source())
    answers = np.concatenate([next(stream).logits, next(stream).logits])
    assert len(answers) == 16
    with pytest.raises(DataError, match=r"frame 4 has 32 NaN .*counted from frame 16"):
        next(stream)
    require_right(amc)


def test_failing_source_is_not_swallowed(amc: AmcOverlay) -> None:
    def source() -> Iterator[np.ndarray]:
        yield FRAMES[:8]
        raise RuntimeError("the radio is gone")

    with pytest.raises(RuntimeError, match="the radio is gone"):
        list(amc.stream(source()))
    require_right(amc)


# What happens on the way.


def test_stall(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    model = amc.device.system.models[0]
    with monkeypatch.context() as patch:
        patch.setattr(model, "_accepting", lambda: False)
        with pytest.raises(
            DeviceStalled, match=r"MM2S moved 0 of 512 bytes.*samples wait and the accelerator takes none"
        ):
            amc.classify(FRAMES)
    require_right(amc)


def test_stall_on_hardware_times_out(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board does not count cycles: wall time ends the wait."""
    amc.link.timeout_s = 0.05
    monkeypatch.setattr(type(amc.link.dma.sendchannel), "idle", property(lambda _: False))
    with pytest.raises(DeviceStalled, match=r"send did not end in 0.05 s; the accelerator is idle"):
        amc.classify(FRAMES[:2])
    monkeypatch.undo()
    require_right(amc)


@pytest.mark.parametrize(
    ("side", "error", "message"),
    [
        ("send", axi_dma.SLAVE_ERROR, r"send channel stopped: slave error \(memory refused an access\)"),
        ("receive", axi_dma.DECODE_ERROR, r"receive channel stopped: decode error"),
    ],
)
def test_dma_error(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch, side: str, error: int, message: str) -> None:
    dma = amc.device.system.dmas[0]
    start = amc.link.start

    def start_and_fail(*args: object) -> None:
        start(*args)
        dma.fail(getattr(dma, side), error)

    with monkeypatch.context() as patch:
        patch.setattr(amc.link, "start", start_and_fail)
        with pytest.raises(DeviceError, match=message):
            amc.classify(FRAMES)
    require_right(amc)


def test_reset_in_mid_frame(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    start = amc.link.start

    def start_and_reset(*args: object) -> None:
        start(*args)
        amc.device.system.run(100)
        assert amc.link.read("STATUS", "mid_frame")
        amc.link.write("CONTROL", 0b11)

    with monkeypatch.context() as patch:
        patch.setattr(amc.link, "start", start_and_reset)
        # The rest of the broken frame makes a frame with what follows; the result that was inside never comes.
        with pytest.raises(DeviceStalled, match=r"the accelerator is idle \(8 frames in, 7 out"):
            amc.classify(FRAMES)
    require_right(amc)


def test_short_tlast(amc: AmcOverlay) -> None:
    dma = amc.device.system.dmas[0]
    dma.tamper = lambda words: (words[:-5], True)
    with pytest.raises(DeviceError, match=r"frame 7 of a batch of 8 came back with error flags 0x1: TLAST inside"):
        amc.classify(FRAMES)
    dma.tamper = None
    assert amc.counters()["framing_errors"] == 1
    require_right(amc)


def test_lost_samples(amc: AmcOverlay) -> None:
    dma = amc.device.system.dmas[0]
    dma.tamper = lambda words: (words[:-5], False)
    with pytest.raises(DeviceStalled, match="the accelerator is in mid-frame and gets no samples"):
        amc.classify(FRAMES)
    dma.tamper = None
    require_right(amc)


@pytest.mark.parametrize(
    ("packet", "message"),
    [(64, r"internal error \(a packet larger than its buffer\)"), (3, r"ended a packet after 48 of 128 bytes")],
    ids=["output overflow", "short packet"],
)
def test_wrong_packet_size(amc: AmcOverlay, packet: int, message: str) -> None:
    amc.classify(FRAMES[:8])
    amc.link.write("FRAMES_PER_PACKET", packet)
    with pytest.raises(DeviceError, match=message):
        amc.classify(FRAMES[:8])
    require_right(amc)


def test_lost_result(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    amc.classify(FRAMES[:8])
    amc.device.system.models[0]._sequence += 1
    with pytest.raises(DeviceError, match="result 0 of a batch of 8 is missing or out of order"):
        amc.classify(FRAMES[:8])
    require_right(amc)


def test_device_vanishes(amc: AmcOverlay, overlay: Path) -> None:
    device = amc.device
    device.switch_off("unplugged")
    with pytest.raises(DeviceError, match=r"the device does not answer: .*unplugged"):
        amc.classify(FRAMES)
    with pytest.raises(DeviceError, match="unplugged"):
        amc.counters()
    amc.close()
    with AmcOverlay(overlay, device=device, batch=8) as again:
        require_right(again)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts its background jobs with SIGINT ignored, and Python then leaves it so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("after", [0, 1, 3])
def test_ctrl_c_in_a_transfer(amc: AmcOverlay, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    model = amc.device.system.models[0]
    advance, calls = model.advance, 0

    def interrupted(cycles: int) -> int:
        nonlocal calls
        calls += 1
        if amc.device.system.dmas[0].active:
            if calls > 2 + after:
                monkeypatch.setattr(model, "advance", advance)
                signal.raise_signal(signal.SIGINT)
        else:
            calls = 0
        return advance(min(cycles, 50))

    monkeypatch.setattr(model, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        amc.classify(FRAMES)
    require_right(amc)


@pytest.mark.board
def test_two_processes(overlay: Path) -> None:
    """The lock is the machine's, as it is on a board."""
    program = (
        "import sys; from hw_amc.driver import AmcOverlay\n"
        "amc = AmcOverlay(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYNQ_SIM_DEVICE": "1", "PYNQ_SIM_TAG": f"shared-{os.getpid()}"}
    args = [sys.executable, "-c", program, str(overlay)]
    with subprocess.Popen(args, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        second = subprocess.run(args, env=environment, input="", capture_output=True, text=True, check=False)
        assert f"DeviceBusy: the accelerator is in use by process {first.pid}" in second.stderr
        first.kill()
        first.wait()
        third = subprocess.run(args, env=environment, input="", capture_output=True, text=True, check=False)
    assert third.stdout == "open\n", third.stderr


def soak(amc: AmcOverlay, total: int) -> None:
    block = random_frames(np.random.default_rng(9), GRAPH, 1000)
    wanted = golden.classify(GRAPH, block)[1]
    device = amc.device
    blocks = device.memory.blocks
    answered = 0
    for part in amc.stream(block for _ in range(total // 1000)):
        places = (answered + np.arange(len(part.logits))) % 1000
        np.testing.assert_array_equal(part.logits, wanted[places])
        answered += len(part.logits)
    assert answered == total
    assert device.memory.blocks == blocks
    assert amc.counters()["frames_in"] == amc.counters()["frames_out"] == total


def test_soak_short(overlay: Path) -> None:
    with AmcOverlay(overlay, device=sim_device.enable()) as amc:
        soak(amc, 5_000)


@pytest.mark.slow
def test_soak_of_100000_frames(overlay: Path) -> None:
    with AmcOverlay(overlay, device=sim_device.enable()) as amc:
        soak(amc, 100_000)
