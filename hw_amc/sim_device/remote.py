"""A board's remote service in front of the simulated device: what `PYNQ_REMOTE_DEVICES` talks to, without a board.

    python -m hw_amc.sim_device.remote overlay/adder.bit
    PYNQ_REMOTE_DEVICES=127.0.0.1 python program.py

The service answers the gRPC interface of PYNQ.remote (`pynq.remote`, PYNQ 3.1 and later) as far as overlays, registers
and buffers need it: a few files of a board's Linux, register access, and memory. Its file system is a dictionary; the
computer's own files are out of reach. PYNQ's channel has no encryption and no password: serve on loopback only.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import grpc  # type: ignore[import-untyped,unused-ignore]
import pynq
from pynq.pl_server.embedded_device import bit2bin
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

from hw_amc.errors import ConfigError, HwAmcError
from hw_amc.sim_device import REMOTE_NAME
from hw_amc.sim_device.device import SimDevice
from hw_amc.sim_device.errors import BusFault, SimulationGone, SimulationHang

PORT = 7967
#: Bytes in one message of a stream; PYNQ's own size.
CHUNK = 2 << 20
_FIRMWARE = "/lib/firmware/"
_MANAGER = "/sys/class/fpga_manager/fpga0/"


class Board:
    """The board's files, and the FPGA manager that loads overlays when it is written to.

    Parameters
    ----------
    device : SimDevice
    overlays : sequence of Path
        Bitstreams that clients may load; the .hwh and the .sim.json lie beside them.

    Raises
    ------
    ConfigError
        An overlay cannot be simulated, or two are for different processing systems.
    """

    def __init__(self, device: SimDevice, overlays: Sequence[Path]) -> None:
        self.device = device
        self._overlays = {}
        arches = set()
        for path in overlays:
            parser = device.get_bitfile_metadata(str(path))
            self._overlays[path.stem] = (path, parser)
            arches.add(device.arch)
        if len(arches) != 1:
            raise ConfigError(f"a board has one processing system; the overlays are for {', '.join(sorted(arches))}")
        self.files = {
            "/proc/version": f"Linux version 0.0 (simulated {device.arch})".encode(),
            "/proc/device-tree/chosen/pynq_board": REMOTE_NAME.encode(),
            f"{_MANAGER}state": b"unknown",
            f"{_MANAGER}flags": b"0",
        }

    def write(self, path: str, content: bytes) -> None:
        """Write a file; the FPGA manager's `firmware` loads the bitstream that it names.

        Raises
        ------
        ConfigError
            The bitstream is none of those that are served.
        """
        self.files[path] = content
        if path == f"{_MANAGER}firmware":
            self._load(content.decode().strip("\n\0"))

    def _load(self, name: str) -> None:
        found = self._overlays.get(Path(name).stem)
        if found is None:
            raise ConfigError(f"{name} is not served here; there is {', '.join(sorted(self._overlays))}")
        path, parser = found
        if self.files.get(_FIRMWARE + name) != bit2bin(path.read_bytes()):
            raise ConfigError(f"{_FIRMWARE}{name} on the board is not the bitstream {path}")
        pynq.Bitstream(str(path), device=self.device).download(parser)
        self.files[f"{_MANAGER}state"] = b"operating"


class Files(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    """Reading and writing the board's files."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def existsfile(self, request: Any, context: Any) -> Any:
        """Say whether a file exists."""
        return remote_device_pb2.ExistsFileResponse(exists=request.file_path in self._board.files)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        """Send a file in pieces."""
        content = self._board.files.get(request.file_path)
        if content is None:
            _abort(context, grpc.StatusCode.NOT_FOUND, f"no file {request.file_path}")
        for start in range(0, len(content), CHUNK):
            yield remote_device_pb2.ReadFileResponse(data=content[start : start + CHUNK])

    def writefile(self, request_iterator: Iterator[Any], context: Any) -> Any:
        """Receive a file in pieces."""
        requests = list(request_iterator)
        if requests:
            try:
                self._board.write(requests[0].file_path, b"".join(request.data for request in requests))
            except HwAmcError as error:
                _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        """Take note of a bitstream's name; the FPGA manager gets it again."""
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)


class Registers(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    """Register access. A read that waits for a hanging transfer returns what the register holds, as a board does."""

    def __init__(self, device: SimDevice) -> None:
        self._device = device
        self._bases: dict[str, int] = {}
        self._numbers = itertools.count()

    def get_mmio(self, request: Any, context: Any) -> Any:
        """Name a window of addresses."""
        name = f"mmio-{next(self._numbers)}"
        self._bases[name] = request.base_addr
        return mmio_pb2.GetMmioResponse(status=True, mmio_id=name)

    def read(self, request: Any, context: Any) -> Any:
        """Read 1 to 8 bytes."""
        address = self._bases[request.mmio_id] + request.offset
        try:
            data = self._device.read_registers(address, request.length)
        except SimulationHang:
            data = self._device.system.peek(address).to_bytes(4, "little")
        except SimulationGone as error:
            _abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except BusFault as error:
            return mmio_pb2.ReadResponse(status=False, msg=str(error))
        if request.length == 8 and request.word_order == "big":
            data = data[4:] + data[:4]
        # The field has 32 bits in PYNQ's interface; the client asks for words.
        return mmio_pb2.ReadResponse(status=True, data=int.from_bytes(data, "little") & 0xFFFF_FFFF)

    def write(self, request: Any, context: Any) -> Any:
        """Write whole words."""
        try:
            self._device.write_registers(self._bases[request.mmio_id] + request.offset, request.data)
        except SimulationGone as error:
            _abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except BusFault as error:
            return mmio_pb2.WriteResponse(status=False, msg=str(error))
        return mmio_pb2.WriteResponse(status=True)


class Buffers(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    """Memory that the client's buffers are copies of."""

    def __init__(self, device: SimDevice) -> None:
        self._device = device
        self._buffers: dict[str, Any] = {}
        self._numbers = itertools.count()

    def allocate(self, request: Any, context: Any) -> Any:
        """Reserve memory."""
        name = f"buffer-{next(self._numbers)}"
        try:
            self._buffers[name] = self._device.allocate((request.size,), "u1")
        except MemoryError as error:
            # The client does not look at a message here.
            _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        return buffer_pb2.AllocateResponse(buffer_id=name)

    def write(self, request_iterator: Iterator[Any], context: Any) -> Any:
        """Fill a buffer from its start, or from where the first message says."""
        place = None
        for request in request_iterator:
            place = request.start if place is None else place
            data = memoryview(request.data)
            self._of(request, context)[place : place + len(data)] = data
            place += len(data)
        return buffer_pb2.BufferWriteResponse()

    def read(self, request: Any, context: Any) -> Iterator[Any]:
        """Send a buffer in pieces."""
        content = self._of(request, context)[request.start : request.end or None].tobytes()
        for start in range(0, len(content), CHUNK):
            yield buffer_pb2.BufferReadResponse(data=content[start : start + CHUNK])

    def freebuffer(self, request: Any, context: Any) -> Any:
        """Release memory."""
        self._of(request, context).freebuffer()
        del self._buffers[request.buffer_id]
        return buffer_pb2.FreeBufferResponse()

    def flush(self, request: Any, context: Any) -> Any:
        """Write the board's cache back."""
        self._of(request, context).flush()
        return buffer_pb2.FlushResponse()

    def invalidate(self, request: Any, context: Any) -> Any:
        """Drop the board's cache."""
        self._of(request, context).invalidate()
        return buffer_pb2.InvalidateResponse()

    def physical_address(self, request: Any, context: Any) -> Any:
        """Address that the DMA uses."""
        return buffer_pb2.AddressResponse(address=self._of(request, context).physical_address)

    def cacheable(self, request: Any, context: Any) -> Any:
        """Every buffer is cacheable."""
        return buffer_pb2.CacheableResponse(cacheable=True)

    def _of(self, request: Any, context: Any) -> Any:
        buffer = self._buffers.get(request.buffer_id)
        if buffer is None:
            _abort(context, grpc.StatusCode.NOT_FOUND, f"no buffer {request.buffer_id}; was it freed?")
        return buffer


def serve(overlays: Sequence[Path], address: str = "127.0.0.1", port: int = PORT) -> tuple[grpc.Server, int]:
    """Start the service; returns it and the port, which the system chooses where 0 was given.

    Raises
    ------
    ConfigError
        An overlay cannot be simulated, or the port is taken.
    """
    device = SimDevice.activate()
    board = Board(device, overlays)
    # One thread: the simulation serves one request after another, as a board's bus does.
    server = grpc.server(ThreadPoolExecutor(max_workers=1), options=[("grpc.so_reuseport", 0)])
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(Files(board), server)
    mmio_pb2_grpc.add_MmioServicer_to_server(Registers(device), server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(Buffers(device), server)
    try:
        found = server.add_insecure_port(f"{address}:{port}")
    except RuntimeError as error:
        raise ConfigError(f"cannot serve on {address}:{port} ({error}); is another service running?") from error
    server.start()
    return server, found


def main(args: Sequence[str]) -> None:
    """Serve until Ctrl-C; the command line of this module."""
    parser = argparse.ArgumentParser("python -m hw_amc.sim_device.remote", description=__doc__.splitlines()[0])
    parser.add_argument("overlay", nargs="+", type=Path, help=".bit with .hwh and .sim.json beside it")
    parser.add_argument("--address", default="127.0.0.1", help="address of this computer to listen on")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args(args)
    server, port = serve(options.overlay, options.address, options.port)
    print(f"serving {', '.join(path.stem for path in options.overlay)} on {options.address}:{port}", flush=True)
    server.wait_for_termination()


def _abort(context: Any, code: Any, message: str) -> NoReturn:
    """End a call with an error; `abort` raises."""
    context.abort(code, message)
    raise AssertionError(message)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except HwAmcError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
