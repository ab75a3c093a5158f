"""PYNQ.remote: unmodified programs and the driver, over gRPC, against the simulated device in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
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

import grpc
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

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
def service(
    *overlays: Path, address: str = "127.0.0.1", port: int = 0, patience_s: float = 10
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service in a process of its own, as a board is."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
        "PYNQ_SIM_CYCLE_LIMIT": "20000",
    }
    args = [sys.executable, "-m", "hw_amc.sim_device.remote", "--address", address, "--port", str(port)]
    args += ["--patience", str(patience_s)]
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


class Client:
    """The three services by themselves, as a client that is not PYNQ's calls them."""

    def __init__(self, port: int) -> None:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.files = remote_device_pb2_grpc.RemoteDeviceStub(channel)
        self.registers = mmio_pb2_grpc.MmioStub(channel)
        self.buffers = buffer_pb2_grpc.RemoteBufferStub(channel)

    def write(self, path: str, *parts: bytes) -> Any:
        requests = [remote_device_pb2.WriteFileRequest(file_path=path, data=part) for part in parts]
        return self.files.writefile(iter(requests), timeout=60)


def refused(call: Any) -> tuple[str, str]:
    """Name and words of the status that a call ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def test_an_unfinished_stream_holds_nobody_up_and_is_ended(overlay: Path) -> None:
    """Seen before: one blocked all."""
    with service(overlay, patience_s=1.0) as (_, port):
        client, end = Client(port), threading.Event()

        def unfinished() -> Iterator[Any]:
            yield remote_device_pb2.WriteFileRequest(file_path="/tmp/a", data=b"x")
            end.wait(60)

        calls = [client.files.writefile.future(unfinished()) for _ in range(5)]
        started = time.monotonic()
        exists = client.files.existsfile(remote_device_pb2.ExistsFileRequest(file_path="/proc/version"), timeout=0.9)
        assert exists.exists
        assert time.monotonic() - started < 0.9
        codes = {call.exception(timeout=20).code().name for call in calls}
        end.set()
        assert codes <= {"CANCELLED", "DEADLINE_EXCEEDED"}
        missing = client.files.existsfile(remote_device_pb2.ExistsFileRequest(file_path="/tmp/a"), timeout=5)
        assert not missing.exists


def test_what_is_kept_is_bounded(overlay: Path) -> None:
    """Seen before: 300 MB that were written took 704 MB."""
    with service(overlay) as (process, port):
        client, part = Client(port), bytes(2 << 20)
        assert refused(lambda: client.write("/tmp/a", *[part] * 70)) == (
            "RESOURCE_EXHAUSTED", "a file has 134,217,728 bytes at most",
        )  # fmt: skip
        for number in range(4):
            client.write(f"/tmp/{number}", *[part] * 60)
        full = ("RESOURCE_EXHAUSTED", "the board's file system is full")
        assert refused(lambda: client.write("/tmp/4", *[part] * 60)) == full
        memory = Path(f"/proc/{process.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
        assert int(memory) < (512 + 128 + 512) << 10
        client.write("/tmp/0", b"small")  # one in place of another is well


def test_what_no_client_of_pynqs_asks_is_refused(overlay: Path) -> None:
    """Seen before: KeyError, ValueError and the like inside the server."""
    with service(overlay) as (process, port):
        client = Client(port)
        window = client.registers.get_mmio(mmio_pb2.GetMmioRequest(base_addr=0x43C0_0000, length=64)).mmio_id
        name = client.buffers.allocate(buffer_pb2.AllocateRequest(size=16)).buffer_id

        def read(**fields: Any) -> Any:
            return client.registers.read(mmio_pb2.ReadRequest(**fields), timeout=10)

        def fill(**fields: Any) -> Any:
            return client.buffers.write(iter([buffer_pb2.BufferWriteRequest(**fields)]), timeout=10)

        def write(data: bytes) -> Any:
            return client.registers.write(mmio_pb2.WriteRequest(mmio_id=window, offset=0, data=data), timeout=10)

        for call, code, said in (
            (lambda: read(mmio_id="mmio-x", offset=0, length=4), "NOT_FOUND", "no window 'mmio-x'; ask for one"),
            (lambda: read(mmio_id=window, offset=0, length=1 << 30), "INVALID_ARGUMENT", "a read has 1 to 8 bytes"),
            (lambda: read(mmio_id=window, offset=0, length=0), "INVALID_ARGUMENT", "a read has 1 to 8 bytes"),
            (lambda: write(b"abc"), "INVALID_ARGUMENT", "whole words"),
            (lambda: fill(buffer_id="buffer-99", start=0, data=b"x"), "NOT_FOUND", "no buffer 'buffer-99'"),
            (lambda: fill(buffer_id=name, start=0, data=b"x" * 17), "INVALID_ARGUMENT", "has 16 bytes"),
            (lambda: fill(buffer_id=name, start=-1, data=b"x"), "INVALID_ARGUMENT", "has 16 bytes"),
            (lambda: client.buffers.allocate(buffer_pb2.AllocateRequest(size=(1 << 31) - 1)), "RESOURCE_EXHAUSTED", ""),
            (lambda: client.write("/sys/class/fpga_manager/fpga0/firmware", b"\xff\xfe"), "INVALID_ARGUMENT", "served"),
        ):
            assert refused(call)[0] == code
            assert said in refused(call)[1]
        assert read(mmio_id=window, offset=0, length=4) is not None
        assert process.poll() is None
