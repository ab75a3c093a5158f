"""A board's remote service in front of the simulated device: what `PYNQ_REMOTE_DEVICES` talks to, without a board.

    python -m hw_amc.sim_device.remote overlay/adder.bit
    PYNQ_REMOTE_DEVICES=127.0.0.1 python program.py

The service answers the gRPC interface of PYNQ.remote (`pynq.remote`, PYNQ 3.1 and later) as far as overlays, registers
and buffers need it: a few files of a board's Linux, register access, and memory. Its file system is a dictionary; the
computer's own files are out of reach. PYNQ's channel has no encryption and no password: serve on loopback only.

A client that is broken or hostile costs the others nothing: a stream that stops coming is ended, what is kept is
bounded, and what no client of PYNQ's asks is refused.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
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
from hw_amc.text import plain

PORT = 7967
#: Bytes in one message of a stream; PYNQ's own size.
CHUNK = 2 << 20
_FIRMWARE = "/lib/firmware/"
_MANAGER = "/sys/class/fpga_manager/fpga0/"

#: Most bytes of a file that is written, of all of them, and most of them: the largest bitstreams have 60 MB.
FILE_BYTES, ALL_BYTES, MOST_FILES = 128 << 20, 512 << 20, 1000
#: Most letters of a file's name, bytes of one register access, and buffers.
_LETTERS, _ACCESS_BYTES, _MOST_BUFFERS = 4096, 1 << 16, 10_000
#: Seconds after which a stream that stops coming is ended, calls that are served at a time, and those that wait.
PATIENCE_S = 10.0
_THREADS, _WAITING = 16, 64

_WINDOW = re.compile(r"mmio-([0-9]{1,20})")


class Refused(HwAmcError):
    """A request that is answered with an error."""

    def __init__(self, code: Any, message: str) -> None:
        super().__init__(message)
        self.code = code


def _answering(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Answer a refusal by its status, and whatever else a request makes fail by INVALID_ARGUMENT."""

    @wraps(function)
    def call(self: Any, request: Any, context: Any) -> Any:
        try:
            return function(self, request, context)
        except Refused as error:
            _abort(context, error.code, str(error))
        except SimulationGone as error:
            _abort(context, grpc.StatusCode.UNAVAILABLE, str(error))
        except (HwAmcError, ValueError, TypeError, OverflowError, IndexError) as error:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, plain(error))

    return call


def _watched(requests: Iterator[Any], context: Any, patience_s: float) -> Iterator[Any]:
    """Pass a stream on, and end its call where it stops coming for `patience_s`."""
    while True:
        timer = threading.Timer(patience_s, context.cancel)
        timer.daemon = True
        timer.start()
        try:
            request = next(requests)
        except (StopIteration, grpc.RpcError):
            # What is left of a stream that was ended is no file.
            if not context.is_active():
                raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, f"nothing came for {patience_s:g} s") from None
            return
        finally:
            timer.cancel()
        yield request


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
        Refused
            The files would take too much memory.
        """
        kept = sum(len(data) for name, data in self.files.items() if name != path)
        if kept + len(content) > ALL_BYTES or len(self.files.keys() | {path}) > MOST_FILES:
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "the board's file system is full")
        self.files[path] = content
        if path == f"{_MANAGER}firmware":
            self._load(content[:_LETTERS].decode(errors="replace").strip("\n\0"))

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

    def __init__(self, board: Board, turn: threading.Lock, patience_s: float) -> None:
        self._board, self._turn, self._patience_s = board, turn, patience_s

    def existsfile(self, request: Any, context: Any) -> Any:
        """Say whether a file exists."""
        return remote_device_pb2.ExistsFileResponse(exists=request.file_path in self._board.files)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        """Send a file in pieces."""
        content = self._board.files.get(request.file_path)
        if content is None:
            _abort(context, grpc.StatusCode.NOT_FOUND, plain(f"no file {request.file_path[:_LETTERS]}"))
        for start in range(0, len(content), CHUNK):
            yield remote_device_pb2.ReadFileResponse(data=content[start : start + CHUNK])

    @_answering
    def writefile(self, requests: Iterator[Any], context: Any) -> Any:
        """Receive a file in pieces."""
        path, content = None, bytearray()
        for request in _watched(requests, context, self._patience_s):
            path = request.file_path if path is None else path
            if len(path) > _LETTERS or len(content) + len(request.data) > FILE_BYTES:
                raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, f"a file has {FILE_BYTES:,} bytes at most")
            content += request.data
        if path is not None:
            with self._turn:
                self._board.write(path, bytes(content))
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        """Take note of a bitstream's name; the FPGA manager gets it again."""
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)


class Registers(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    """Register access. A read that waits for a hanging transfer returns what the register holds, as a board does."""

    def __init__(self, device: SimDevice, turn: threading.Lock) -> None:
        self._device, self._turn = device, turn

    def get_mmio(self, request: Any, context: Any) -> Any:
        """Name a window of addresses."""
        return mmio_pb2.GetMmioResponse(status=True, mmio_id=f"mmio-{request.base_addr}")

    @_answering
    def read(self, request: Any, context: Any) -> Any:
        """Read 1 to 8 bytes."""
        address = self._address(request)
        if not 1 <= request.length <= 8:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"a read has 1 to 8 bytes, not {request.length}")
        with self._turn:
            try:
                data = self._device.read_registers(address, request.length)
            except SimulationHang:
                data = self._device.system.peek(address).to_bytes(4, "little")
            except BusFault as error:
                return mmio_pb2.ReadResponse(status=False, msg=str(error))
        if request.length == 8 and request.word_order == "big":
            data = data[4:] + data[:4]
        # The field has 32 bits in PYNQ's interface; the client asks for words.
        return mmio_pb2.ReadResponse(status=True, data=int.from_bytes(data, "little") & 0xFFFF_FFFF)

    @_answering
    def write(self, request: Any, context: Any) -> Any:
        """Write whole words."""
        address = self._address(request)
        if len(request.data) > _ACCESS_BYTES or len(request.data) % 4:
            message = f"a write has whole words, {_ACCESS_BYTES:,} bytes at most, not {len(request.data)} bytes"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        with self._turn:
            try:
                self._device.write_registers(address, request.data)
            except BusFault as error:
                return mmio_pb2.WriteResponse(status=False, msg=str(error))
        return mmio_pb2.WriteResponse(status=True)

    def _address(self, request: Any) -> int:
        match = _WINDOW.fullmatch(request.mmio_id)
        if match is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"no window {request.mmio_id[:80]!r}; ask for one")
        return int(match[1]) + int(request.offset)


class Buffers(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    """Memory that the client's buffers are copies of."""

    def __init__(self, device: SimDevice, turn: threading.Lock, patience_s: float) -> None:
        self._device, self._turn, self._patience_s = device, turn, patience_s
        self._buffers: dict[str, Any] = {}
        self._numbers = itertools.count()

    @_answering
    def allocate(self, request: Any, context: Any) -> Any:
        """Reserve memory."""
        # The client does not look at a message here.
        with self._turn:
            if len(self._buffers) >= _MOST_BUFFERS:
                raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, f"there are {_MOST_BUFFERS:,} buffers already")
            name = f"buffer-{next(self._numbers)}"
            try:
                self._buffers[name] = self._device.allocate((request.size,), "u1")
            except MemoryError as error:
                raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
        return buffer_pb2.AllocateResponse(buffer_id=name)

    @_answering
    def write(self, requests: Iterator[Any], context: Any) -> Any:
        """Fill a buffer from its start, or from where the first message says."""
        place = None
        for request in _watched(requests, context, self._patience_s):
            place = request.start if place is None else place
            data = memoryview(request.data)
            with self._turn:
                buffer = self._of(request)
                if not 0 <= place <= len(buffer) - len(data):
                    raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"the buffer has {len(buffer):,} bytes")
                buffer[place : place + len(data)] = data
            place += len(data)
        return buffer_pb2.BufferWriteResponse()

    def read(self, request: Any, context: Any) -> Iterator[Any]:
        """Send a buffer in pieces."""
        for content in self._contents(request, context):
            yield buffer_pb2.BufferReadResponse(data=content)

    @_answering
    def _contents(self, request: Any, context: Any) -> list[bytes]:
        with self._turn:
            content = self._of(request)[request.start : request.end or None].tobytes()
        return [content[start : start + CHUNK] for start in range(0, len(content), CHUNK)]

    @_answering
    def freebuffer(self, request: Any, context: Any) -> Any:
        """Release memory."""
        with self._turn:
            self._of(request).freebuffer()
            del self._buffers[request.buffer_id]
        return buffer_pb2.FreeBufferResponse()

    @_answering
    def flush(self, request: Any, context: Any) -> Any:
        """Write the board's cache back."""
        with self._turn:
            self._of(request).flush()
        return buffer_pb2.FlushResponse()

    @_answering
    def invalidate(self, request: Any, context: Any) -> Any:
        """Drop the board's cache."""
        with self._turn:
            self._of(request).invalidate()
        return buffer_pb2.InvalidateResponse()

    @_answering
    def physical_address(self, request: Any, context: Any) -> Any:
        """Address that the DMA uses."""
        return buffer_pb2.AddressResponse(address=self._of(request).physical_address)

    def cacheable(self, request: Any, context: Any) -> Any:
        """Every buffer is cacheable."""
        return buffer_pb2.CacheableResponse(cacheable=True)

    def _of(self, request: Any) -> Any:
        buffer = self._buffers.get(request.buffer_id)
        if buffer is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"no buffer {request.buffer_id[:80]!r}; was it freed?")
        return buffer


def serve(
    overlays: Sequence[Path], address: str = "127.0.0.1", port: int = PORT, patience_s: float = PATIENCE_S
) -> tuple[grpc.Server, int]:
    """Start the service; returns it and the port, which the system chooses where 0 was given.

    A stream of a client is ended when nothing comes for `patience_s`.

    Raises
    ------
    ConfigError
        An overlay cannot be simulated, or the port is taken.
    """
    device = SimDevice.activate()
    board = Board(device, overlays)
    # The simulation serves one request after another, as a board's bus does; streams are received beside it.
    turn, threads = threading.Lock(), ThreadPoolExecutor(_THREADS)
    server = grpc.server(threads, options=[("grpc.so_reuseport", 0)], maximum_concurrent_rpcs=_WAITING)
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(Files(board, turn, patience_s), server)
    mmio_pb2_grpc.add_MmioServicer_to_server(Registers(device, turn), server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(Buffers(device, turn, patience_s), server)
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
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds that a client's stream may pause")
    options = parser.parse_args(args)
    server, port = serve(options.overlay, options.address, options.port, options.patience)
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
