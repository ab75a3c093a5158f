"""PYNQ.remote: unmodified programs and the driver, over gRPC, against the simulated device in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sim_adder
from board_overlays import golden_overlay, small_graph
from networks import random_frames

pytest.importorskip("pynq.remote.mmio_pb2_grpc", reason="PYNQ.remote needs PYNQ 3.1 and gRPC: make test-board")

from hw_amc.driver import AmcOverlay, DeviceBusy, DeviceError, DeviceStalled
from hw_amc.graph import golden

TESTS = Path(__file__).parent
GRAPH = small_graph()
FRAMES = random_frames(np.random.default_rng(5), GRAPH, 20)

#: A program for any board; PYNQ_REMOTE_DEVICES alone says that the board is another computer.
PROGRAM = """
import sys
import numpy as np
from pynq import Clocks, Overlay, allocate
overlay = Overlay(sys.argv[1])
overlay.adder_0.register_map.ADDEND = 5
source, target = allocate(50, "u4"), allocate(50, "u4")
source[:] = np.arange(50)
overlay.axi_dma_0.recvchannel.transfer(target)
overlay.axi_dma_0.sendchannel.transfer(source)
overlay.axi_dma_0.sendchannel.wait()
overlay.axi_dma_0.recvchannel.wait()
print(target.sum(), overlay.adder_0.read(4), overlay.device.name, Clocks.fclk0_mhz)
"""


@contextmanager
def service(*overlays: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service in a process of its own, as a board is."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
        "PYNQ_SIM_CYCLE_LIMIT": "20000",
    }
    args = [sys.executable, "-m", "hw_amc.sim_device.remote", "--address", address, "--port", str(port)]
    with subprocess.Popen([*args, *map(str, overlays)], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told.startswith("serving "), told
            yield process, int(told.rsplit(":", 1)[1])
        finally:
            process.kill()


@contextmanager
def remote(port: int) -> Iterator[Any]:
    """A remote device as PYNQ's active one: PYNQ sets the widths of the PS's ports through that."""
    from pynq import Device
    from pynq.pl_server.remote_device import RemoteDevice

    before = vars(Device).get("_active_device")
    Device.active_device = RemoteDevice(0, "127.0.0.1", port)
    try:
        yield Device.active_device
    finally:
        Device.active_device = before


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return golden_overlay(tmp_path_factory.mktemp("overlay"), GRAPH)


@pytest.fixture(scope="module")
def board(overlay: Path) -> Iterator[Any]:
    with service(overlay) as (_, port), remote(port) as device:
        yield device


def require_golden(answer: Any, frames: np.ndarray) -> None:
    labels, logits = golden.classify(GRAPH, frames)
    np.testing.assert_array_equal(answer.logits, logits)
    np.testing.assert_array_equal(answer.labels, labels)


def test_unmodified_program_on_another_computer(tmp_path: Path) -> None:
    """PYNQ's own variable and port; 127.x addresses keep concurrent runs of the tests apart.

    UltraScale+ only: PYNQ 4.0.0 itself fails on the .hwh of any Zynq-7000 (`AmcOverlay._open` mends that for its own).
    """
    overlay = sim_adder.write_overlay(tmp_path, "zynqmp")
    address = f"127.{os.getpid() >> 16 & 0xFF}.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF or 1}"
    with service(overlay, address=address, port=7967):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(overlay)],
            env={**os.environ, "PYNQ_REMOTE_DEVICES": address},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.stdout.split() == [str(sum(range(5, 55))), "50", "simulated", "249.9975"], done.stderr


def test_driver_equals_golden(board: Any, overlay: Path) -> None:
    with AmcOverlay(overlay, device=board, batch=8) as amc:
        assert amc.simulated
        assert amc.clock_mhz == 125.0
        require_golden(amc.classify(FRAMES), FRAMES)
        floats = FRAMES.astype(np.float32) / 2**15
        require_golden(amc.classify(floats), FRAMES // 2 + (FRAMES & FRAMES // 2 & 1))
        parts = list(amc.stream(frame for frame in FRAMES))
        assert [len(part.labels) for part in parts] == [8, 8, 4]
        np.testing.assert_array_equal(np.concatenate([p.logits for p in parts]), golden.classify(GRAPH, FRAMES)[1])
        assert amc.counters()["frames_out"] == 60


def test_remote_buffers_are_copied(board: Any, overlay: Path) -> None:
    """A remote buffer is a copy on this computer; parts of it have the address of the whole."""
    with AmcOverlay(overlay, device=board, batch=8) as amc, board.allocate(FRAMES.shape, np.int16) as buffer:
        buffer[:] = FRAMES
        require_golden(amc.classify(buffer), FRAMES)
        require_golden(amc.classify(buffer[3:]), FRAMES[3:])


def test_benchmark_from_afar(board: Any, overlay: Path) -> None:
    with AmcOverlay(overlay, device=board, batch=8) as amc:
        result = amc.benchmark(FRAMES[:8], repeats=1, singles=2)
    assert "simulated: wall time is the simulation's" in str(result)
    assert 2 * 16 <= result.cycles_per_frame < 2 * 16 + 10


def test_second_owner_is_refused(board: Any, overlay: Path) -> None:
    with AmcOverlay(overlay, device=board), pytest.raises(DeviceBusy, match="this process: close the other AmcOverlay"):
        AmcOverlay(overlay, device=board)


def test_stall_times_out_and_the_next_call_is_right(board: Any, overlay: Path) -> None:
    with AmcOverlay(overlay, device=board, batch=8, timeout_s=0.3) as amc:
        amc.link.write("CONTROL", 0)
        with pytest.raises(DeviceStalled, match=r"send did not end in 0.3 s; samples wait and the accelerator takes"):
            amc.classify(FRAMES)
        require_golden(amc.classify(FRAMES), FRAMES)


def test_packet_error_is_reported(board: Any, overlay: Path) -> None:
    with AmcOverlay(overlay, device=board, batch=8) as amc:
        amc.classify(FRAMES[:8])
        amc.link.write("FRAMES_PER_PACKET", 3)
        with pytest.raises(DeviceError, match="ended a packet after 48 of 128 bytes"):
            amc.classify(FRAMES[:8])
        require_golden(amc.classify(FRAMES), FRAMES)


def test_stale_bitstream_on_the_board_is_noticed(board: Any, overlay: Path, tmp_path: Path) -> None:
    """PYNQ does not replace a file of the same name in the board's /lib/firmware."""
    other = small_graph(seed=2)
    with AmcOverlay(overlay, device=board):
        pass
    wanted = rf"holds network {GRAPH.digest()[:16]}, manifest.json describes {other.digest()[:16]}"
    with pytest.raises(DeviceError, match=wanted):
        AmcOverlay(golden_overlay(tmp_path, other), device=board)


def test_board_refuses_another_bitstream(overlay: Path, tmp_path: Path) -> None:
    other = golden_overlay(tmp_path, small_graph(seed=2))
    wanted = r"cannot load .*: /lib/firmware/.* on the board is not the bitstream"
    with service(overlay) as (_, port), remote(port) as device, pytest.raises(DeviceError, match=wanted):
        AmcOverlay(other, device=device)


def test_board_vanishes(overlay: Path) -> None:
    with service(overlay) as (process, port), remote(port) as device, AmcOverlay(overlay, device=device) as amc:
        require_golden(amc.classify(FRAMES), FRAMES)
        process.kill()
        process.wait()
        for use in (lambda: amc.classify(FRAMES), amc.counters):
            with pytest.raises(DeviceError, match="the device does not answer: "):
                use()


def test_nobody_answers(overlay: Path) -> None:
    program = "import sys; from hw_amc.driver import AmcOverlay; AmcOverlay(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(overlay)],
        env={**os.environ, "PYNQ_REMOTE_DEVICES": "127.255.0.1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "DeviceError: no PYNQ device here (Failed to connect to remote device); is PYNQ's remote" in done.stderr


def test_two_processing_systems_are_no_board(tmp_path: Path) -> None:
    overlays = [sim_adder.write_overlay(tmp_path / ps, ps) for ps in ("zynq7", "zynqmp")]
    done = subprocess.run(
        [sys.executable, "-m", "hw_amc.sim_device.remote", *map(str, overlays)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "error: a board has one processing system; the overlays are for aarch64, armv7l" in done.stderr
