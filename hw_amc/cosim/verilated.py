"""The accelerator as a verilated shared object in this process: for long regressions and for the simulated device.

`FastSim` is a cycle-true accelerator with queues before and behind it. Two levels:

- `run(frames)` feeds whole frames and returns their `Results`;
- `push`, `drop`, `limit_output`, `advance`, `pop`, `read_word`, `write_word` move words, cycles and register accesses
  one by one: what a model of a DMA engine sits on (`hw_amc.cosim.stream_model`).

Needs numpy, a C++ compiler and Verilator.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

from hw_amc import tools
from hw_amc.cosim.simulators import verilator
from hw_amc.errors import DataError, ToolFailed
from hw_amc.files import atomic_path
from hw_amc.interface.registers import OFFSET, REGISTERS, TABLE
from hw_amc.interface.words import Results, Words, pack_frames, unpack_results
from hw_amc.sources import Sources

HARNESS = Path(__file__).with_name("harness.cc")
LIBRARY = "amc.so"
#: Cycles in one call into the shared object: Ctrl-C is heard in between.
SLICE_CYCLES = 10_000
#: Pattern of cycles: nonzero lets a word pass. None: every cycle.
Pattern = Sequence[int] | NDArray[Any] | None

# Functions of a thousand statements: g++ takes more than linear time over longer ones.
_SPLIT = ("--output-split", "10000", "--output-split-cfuncs", "1000")
_VERILATE = ("--cc", "--exe", "--prefix", "Vtop", "-O3", "-Wno-fatal", *_SPLIT, "-o", LIBRARY)
_COMPILE = ("-f", "Vtop.mk", "OPT_SLOW=-O0", "-j", "2")
#: Verilator's own objects, the same in every build: half of the time of a small one.
_RUNTIME = ("verilated.o", "verilated_threads.o")


def default_cache() -> Path:
    """Return the folder that keeps shared objects between runs."""
    return user_cache_path("hw-amc") / "verilated"


def build_library(sources: Sources, top: str, cache: Path | None = None, farm: bool = False) -> Path:
    """Verilate and compile `sources`; an earlier build of the same sources is used again.

    Parameters
    ----------
    sources : Sources
        Verilog sources.
    top : str
        Top module, with the ports of `hw_amc.rtl.shell.accelerator.emit_top`.
    cache : Path, optional
        Where builds are kept, one folder each, named by the digest of all that goes into them.
    farm : bool
        The top has an input `select` (see `hw_amc.cosim.farm`).

    Returns
    -------
    Path of the shared object.

    Raises
    ------
    ToolMissing, ToolFailed
        Verilator or the compiler is missing, or fails.
    """
    binary, environment = verilator()
    # The manifest names the board and its clock, which change nothing that Verilator reads.
    sources = Sources({name: text for name, text in sources.files.items() if not name.endswith(".json")})
    harness = HARNESS.read_text(encoding="utf-8")
    recipe = (sources.digest(), top, harness, str(binary), *_VERILATE, *_COMPILE, _optimisation(farm), str(farm))
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:24]
    folder = (cache or default_cache()) / key
    library = folder / LIBRARY
    if library.is_file():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # another process may be compiling the same sources: wait for it
        if not library.is_file():
            _compile(sources, top, folder, [str(binary)], {**environment}, farm)
    return library


def _optimisation(farm: bool) -> str:
    """Return how hard g++ tries: a farm runs briefly, so that compiling it is what takes time."""
    return "OPT_FAST=-O1" if farm else "OPT_FAST=-O2"


def _compile(
    sources: Sources, top: str, folder: Path, program: list[str], environment: dict[str, str], farm: bool
) -> None:
    sources.write(folder)
    flags = "-fPIC" + (" -DAMC_FARM" if farm else "")
    verilog = sorted(name for name in sources.files if name.endswith((".v", ".sv")))
    args = [*program, *_VERILATE, "--top-module", top, "-CFLAGS", flags, "-LDFLAGS", "-shared -fPIC"]
    tools.run([*args, "--Mdir", "obj", *verilog, HARNESS], folder, env=environment, log=folder / "verilator.log")
    environment.pop("MAKEFLAGS", None)
    runtime = folder.parent / f"runtime-{hashlib.sha256(repr((program, _COMPILE)).encode()).hexdigest()[:12]}"
    for name in _RUNTIME:
        if (runtime / name).is_file():
            shutil.copyfile(runtime / name, folder / "obj" / name)
    options = [*_COMPILE, _optimisation(farm), "CFG_CXXFLAGS_PCH_I=-include"]
    tools.run(["make", "-C", "obj", *options], folder, env=environment, log=folder / "make.log")
    for name in _RUNTIME:
        if not (runtime / name).is_file():
            with atomic_path(runtime / name) as path:
                shutil.copyfile(folder / "obj" / name, path)
    # Last, and at once: whoever sees the library sees all of it.
    (folder / "obj" / LIBRARY).replace(folder / LIBRARY)


class Event(Flag):
    """What a clock cycle may bring, and what `FastSim.advance` can stop at."""

    #: A word with TLAST was received.
    LAST = 1
    #: The last queued word was accepted.
    EMPTY = 2
    #: m_axis has delivered as many words as `limit_output` allowed.
    FULL = 4


@dataclass(frozen=True)
class Capture:
    """Words received, with the cycle in which each was handed over."""

    #: (n,) uint32
    words: Words
    #: (n,) bool: TLAST
    lasts: NDArray[np.bool_]
    #: (n,) uint64
    cycles: NDArray[np.uint64]


class FastSim:
    """One accelerator under simulation; a context manager.

    Parameters
    ----------
    sources, top, cache, farm
        See `build_library`.
    """

    def __init__(self, sources: Sources, top: str, cache: Path | None = None, farm: bool = False) -> None:
        self._lib = _load(build_library(sources, top, cache, farm))
        self._sim = ctypes.c_void_p(self._lib.amc_new())
        self.reset()

    def __enter__(self) -> FastSim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the model; the object is of no use afterwards."""
        if self._sim:
            self._lib.amc_delete(self._sim)
            self._sim = ctypes.c_void_p()

    # Clock and reset.

    @property
    def cycle(self) -> int:
        """Clock cycles so far."""
        return int(self._lib.amc_cycle(self._sim))

    def reset(self, cycles: int = 8) -> None:
        """Hold aresetn low for `cycles`; queued words are dropped on both sides. Registers take their reset values."""
        self._lib.amc_reset(self._sim, cycles)

    def select(self, index: int) -> None:
        """Connect the streams and the bus to accelerator `index` of a farm."""
        self._lib.amc_select(self._sim, index)

    def advance(self, cycles: int, words: int | None = None, stop: Event = Event(0)) -> tuple[int, Event]:  # noqa: B008
        """Let the clock run.

        Parameters
        ----------
        cycles : int
            At most so many.
        words : int, optional
            Stop when so many words wait to be popped.
        stop : Event
            Stop at the end of a cycle that brought one of these.

        Returns
        -------
        (cycles that passed, the events that stopped it)
        """
        wanted = 2**64 - 1 if words is None else words
        seen, passed = ctypes.c_uint(0), 0
        while passed < cycles and not seen.value and self.received < wanted:
            part = min(cycles - passed, SLICE_CYCLES)
            passed += self._lib.amc_advance(self._sim, part, wanted, stop.value, ctypes.byref(seen))
        return passed, Event(seen.value)

    # Streams.

    def push(self, words: Words, last: bool = False) -> None:
        """Queue words for s_axis behind those already there; `last` puts TLAST on the last of them."""
        array = np.ascontiguousarray(words, dtype=np.uint32)
        self._lib.amc_push(self._sim, array.ctypes.data, len(array), last)

    def drop(self) -> None:
        """Forget the words that were pushed and not accepted, as a DMA engine does that is reset."""
        self._lib.amc_drop(self._sim)

    @property
    def pending(self) -> int:
        """Words pushed and not yet accepted by the accelerator."""
        return int(self._lib.amc_pending(self._sim))

    @property
    def accepted(self) -> int:
        """Words that the accelerator has accepted since it was created."""
        return int(self._lib.amc_accepted(self._sim))

    @property
    def received(self) -> int:
        """Words that wait to be popped."""
        return int(self._lib.amc_received(self._sim))

    def pop(self, count: int | None = None, to_last: bool = False) -> Capture:
        """Take `count` received words: all by default, fewer when there are fewer, up to TLAST if `to_last`."""
        size = self.received if count is None else min(count, self.received)
        words, lasts, cycles = np.empty(size, np.uint32), np.empty(size, np.uint8), np.empty(size, np.uint64)
        places = (words.ctypes.data, lasts.ctypes.data, cycles.ctypes.data)
        got = self._lib.amc_pop(self._sim, *places, size, to_last)
        return Capture(words[:got], lasts[:got].astype(bool), cycles[:got])

    def limit_output(self, words: int | None, to_last: bool = False) -> None:
        """Take `words` more words from m_axis (None: no limit), or up to TLAST, then hold its TREADY low."""
        self._lib.amc_room(self._sim, 2**64 - 1 if words is None else words, to_last)

    def set_patterns(self, source: Pattern = None, sink: Pattern = None) -> None:
        """Repeat patterns of cycles: `source` gates new words on s_axis, `sink` is TREADY of m_axis."""
        for side, pattern in enumerate((source, sink)):
            bits = np.asarray([] if pattern is None else pattern, np.uint8)
            if bits.size and not bits.any():
                raise DataError("a pattern of idle cycles only would stall the stream for ever")
            self._lib.amc_pattern(self._sim, side, bits.ctypes.data, bits.size)

    def mark(self) -> None:
        """Forget `first_accept_cycle`: the next word accepted sets it."""
        self._lib.amc_mark(self._sim)

    @property
    def first_accept_cycle(self) -> int | None:
        """Cycle in which the first word since `mark` was accepted."""
        cycle = int(self._lib.amc_mark_cycle(self._sim))
        return None if cycle == 2**64 - 1 else cycle

    # Registers.

    def write_word(self, address: int, data: int, strobe: int = 0xF) -> None:
        """AXI4-Lite write; takes a few cycles, in which the streams go on. ToolFailed when nothing answers."""
        self._check(self._lib.amc_write(self._sim, address, data & 0xFFFFFFFF, strobe), "write", address)

    def read_word(self, address: int) -> int:
        """AXI4-Lite read. ToolFailed when nothing answers."""
        data = ctypes.c_uint32(0)
        self._check(self._lib.amc_read(self._sim, address, ctypes.byref(data)), "read", address)
        return data.value

    def write(self, register: str, value: int) -> None:
        """Write a register by its name in `hw_amc.interface.registers`."""
        self.write_word(OFFSET[register], value)

    def read(self, register: str, field: str | None = None) -> int:
        """Read a register, 64-bit counters whole, or one `field` of it."""
        entry = REGISTERS[register]
        word = self.read_word(entry.offset)
        if field is not None:
            return entry.extract(word, field)
        return word | self.read_word(entry.offset + 4) << 32 if entry.words == 2 else word

    def dump(self) -> dict[str, int]:
        """Read all registers."""
        return {register.name: self.read(register.name) for register in TABLE}

    @staticmethod
    def _check(response: int, what: str, address: int) -> None:
        if response:
            trouble = "nothing answered" if response < 0 else f"response {response}"
            raise ToolFailed(f"AXI4-Lite {what} at {address:#x}: {trouble}")

    # Frames.

    def run(self, frames: NDArray[Any], idle: Pattern = None, stall: Pattern = None, last: bool = True) -> Results:
        """Feed frames back to back and collect their results.

        Parameters
        ----------
        frames : int16 array (n, T, 2)
            Wire words; in channel mode n is a multiple of the channels.
        idle, stall : patterns, optional
            See `set_patterns`: 0 marks a cycle in which the source, or the sink, does nothing.
        last : bool
            TLAST with the last sample.

        Raises
        ------
        ToolFailed
            The accelerator stopped answering; the message says where it stands.
        """
        return unpack_results(self.stream(frames, idle, stall, last).words, self.read("CLASSES"))

    def stream(self, frames: NDArray[Any], idle: Pattern = None, stall: Pattern = None, last: bool = True) -> Capture:
        """As `run`, with the raw words and the cycle of each."""
        n_channels = self.read("MODE", "n_channels")
        wanted = len(frames) * self.read("RESULT_WORDS")
        self.set_patterns(idle, stall)
        self.mark()
        self.push(pack_frames(frames, n_channels), last)
        seen = (-1, -1)
        while self.received < wanted:
            self.advance(max(SLICE_CYCLES, 1000 * self.read("FRAME_LEN")), wanted)
            now = (self.received, self.pending)
            if now == seen:
                raise ToolFailed(f"the accelerator stopped: {self.describe()}; {wanted} words expected")
            seen = now
        self.set_patterns()
        return self.pop(wanted)

    def describe(self) -> str:
        """Say where the accelerator stands, in words: what a time-out reports."""
        ports = self._lib.amc_ports(self._sim)
        names = ("s_axis_tvalid", "s_axis_tready", "m_axis_tvalid", "m_axis_tready")
        levels = ", ".join(f"{name}={ports >> bit & 1}" for bit, name in enumerate(names))
        status = self.read("STATUS")
        fields = ", ".join(f"{f.name}={f.extract(status)}" for f in REGISTERS["STATUS"].fields)
        return f"cycle {self.cycle}, {self.pending} words not accepted, {self.received} received, {levels}, {fields}"


def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    sim, u64, pointer = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "amc_new": (sim, []),
        "amc_delete": (None, [sim]),
        "amc_cycle": (u64, [sim]),
        "amc_reset": (None, [sim, u64]),
        "amc_push": (None, [sim, pointer, u64, ctypes.c_int]),
        "amc_pending": (u64, [sim]),
        "amc_accepted": (u64, [sim]),
        "amc_received": (u64, [sim]),
        "amc_pop": (u64, [sim, pointer, pointer, pointer, u64, ctypes.c_int]),
        "amc_room": (None, [sim, u64, ctypes.c_int]),
        "amc_drop": (None, [sim]),
        "amc_pattern": (None, [sim, ctypes.c_int, pointer, u64]),
        "amc_advance": (u64, [sim, u64, u64, ctypes.c_uint, pointer]),
        "amc_mark": (None, [sim]),
        "amc_mark_cycle": (u64, [sim]),
        "amc_ports": (ctypes.c_uint32, [sim]),
        "amc_write": (ctypes.c_int, [sim, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32]),
        "amc_read": (ctypes.c_int, [sim, ctypes.c_uint32, pointer]),
        "amc_select": (None, [sim, ctypes.c_uint32]),
    }
    for name, (result, arguments) in signatures.items():
        if name == "amc_select" and not hasattr(lib, name):
            continue
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib
