"""C simulation of a written project with g++: the synthesizable ap_fixed types, or native integers.

Both builds compile the same kernels and text; the native one puts its own small ap_fixed.h first on the include
path and runs several frames in the lanes of vector registers.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import mmap
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc import tools
from hw_amc.cache import Cache
from hw_amc.errors import ConfigError, DataError, ToolFailed
from hw_amc.files import load_json
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.description import DESCRIPTION
from hw_amc.hls.network import PRODUCTS
from hw_amc.hls.project import to_samples
from hw_amc.parallel import deaf_to_ctrl_c, follow
from hw_amc.sources import Sources
from hw_amc.untrusted import read_text

Tensor = NDArray[Any]
Progress = Callable[[int], object]

SOURCE = "hw_amc_csim.cpp"
#: Most bytes of a file of a project: ten million weights are 45 MB.
FILE_BYTES = 64 << 20
#: Beside a shared object: what it took to compile.
SECONDS = ".seconds"
_LIBRARY = "csim.so"
#: Folders of a project in which a compiler looks.
_PARTS = ("firmware", "native")
#: -fwrapv: partial sums may wrap; the final sum fits, as it does in hardware. Warnings come from the tools' headers.
#: Tables in templates are no unique symbols: a process that has loaded another network's would use those of that one.
COMMON = ("-shared", "-fPIC", "-fwrapv", "-w", "-fno-gnu-unique")
FLAVOURS = {
    "ap_fixed": ("-O2", "-std=c++14", "-Ifirmware/ap_types"),
    "native": ("-O3", "-march=native", "-std=c++17", "-Inative"),
}
#: Calls of arithmetic in the products up to which g++ inlines them all within seconds.
FEW_CALLS = 1000
#: Stack of a simulation: the text's arrays lie there, some of a whole frame of maps. Memory is taken as it is touched.
STACK_BYTES = 1 << 30
#: Frames in one call into the shared object: a multiple of the native build's lanes.
BATCH = {"ap_fixed": 2, "native": 32}


_CALL = re.compile(r"\b(?:multiply|add|subtract|shifted)<")


class _Sink(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_int))


@dataclass(frozen=True)
class Layer:
    """A traced layer: its name, shape without the batch, and format."""

    name: str
    shape: tuple[int, ...]
    fmt: FixedFormat

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its integers, as golden's."""
        return np.dtype(np.int32 if self.fmt.max_abs < 1 << 31 else np.int64)


class CSim:
    """A compiled C simulation.

    Attributes
    ----------
    flavour : `ap_fixed` or `native`
    library : path of the shared object
    layers : what can be traced, in order
    heads : those of them whose tensors are logits, in the order in which the core gives them
    seconds_compile : what g++ took, also where this shared object was compiled by an earlier run
    """

    def __init__(self, folder: Path, flavour: str, library: Path) -> None:
        description = load_json(folder / DESCRIPTION)
        self.flavour = flavour
        self.library = library
        self.seconds_compile = float(library.with_suffix(SECONDS).read_text())
        self.wire = _format(description["wire"])
        self.input = Layer(description["input"]["name"], (description["frame_len"], 2), _format(description["input"]))
        self.layers = [Layer(d["name"], tuple(d["shape"]), _format(d)) for d in description["layers"]]
        by_name = {layer.name: layer for layer in self.layers}
        self.heads = [by_name[name] for name in description["heads"]]

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"C-sim ({self.flavour})"

    def run(
        self,
        frames: Tensor,
        keep: Iterable[str] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Tensor]:
        """Simulate wire words.

        Parameters
        ----------
        frames : integer array (n, T, 2)
            Wire words; the rounding to the network's input, the shell's work, happens here.
        keep : names of layers, optional
            Tensors to return; the heads' by default.
        workers : int, optional
            Processes that share the frames; one a core by default.
        progress : callable, optional
            Called with the number of frames done since the last call.

        Returns
        -------
        dict of layer name -> integer array (n, *shape).

        Raises
        ------
        ConfigError
            `keep` names an unknown layer.
        DataError
            `frames` have the wrong shape or are not wire words.
        ToolFailed
            The simulation crashed.
        """
        names = [head.name for head in self.heads] if keep is None else list(keep)
        self._check(frames, names)
        samples = to_samples(frames, self.wire, self.input.fmt)
        results = {layer.name: _shared((len(frames), *layer.shape), layer.dtype) for layer in self._chosen(names)}
        batch = BATCH[self.flavour]
        starts = list(range(0, len(frames), batch))
        count = min(workers or os.cpu_count() or 1, max(1, len(starts)))
        shares = [starts[k::count] for k in range(count)]
        for done in _parallel(self._simulate, shares, samples, results, batch):
            if progress is not None:
                progress(done)
        known = {self.input.name: samples, **results}
        return {name: known[name] for name in names}

    def _chosen(self, names: list[str]) -> list[Layer]:
        return [layer for layer in self.layers if layer.name in names]

    def _check(self, frames: Tensor, names: list[str]) -> None:
        known = [self.input.name, *(layer.name for layer in self.layers)]
        for name in names:
            if name not in known:
                raise ConfigError(f"the C simulation has no layer {name!r}; it has {', '.join(known)}")
        if not np.issubdtype(frames.dtype, np.integer) or frames.shape[1:] != self.input.shape:
            wanted = ", ".join(map(str, self.input.shape))
            raise DataError(f"frames must be integers (n, {wanted}), not {frames.dtype} {frames.shape}")
        if not self.wire.holds(frames):
            raise DataError(f"frames hold integers outside the wire format {self.wire}")

    def _simulate(self, starts: list[int], samples: Tensor, results: dict[str, Tensor], batch: int) -> Iterator[int]:
        """Run batches of frames, writing into `results`; yields the frames done."""
        library = ctypes.CDLL(str(self.library))
        counts = [head.shape[0] for head in self.heads]
        logits = np.empty((batch, sum(counts)), np.int32)
        sinks = (_Sink * len(self.layers))()
        for start in starts:
            part = np.ascontiguousarray(samples[start : start + batch])
            for sink, layer in zip(sinks, self.layers, strict=True):
                if layer.name in results:
                    sink.data = results[layer.name][start:].ctypes.data
                    sink.bytes = layer.dtype.itemsize
            library.hw_amc_csim(
                part.ctypes.data_as(ctypes.c_void_p), ctypes.c_longlong(len(part)),
                logits.ctypes.data_as(ctypes.c_void_p), sinks,
            )  # fmt: skip
            for head, own in zip(
                self.heads, np.split(logits[: len(part)], np.cumsum(counts)[:-1], axis=1), strict=True
            ):
                if head.name in results:
                    # The logits as the core packs them, not as the layer held them.
                    results[head.name][start : start + len(part)] = own
            yield len(part)


def is_compiled(name: str) -> bool:
    """Whether a compilation could use a file of a project."""
    return name in (SOURCE, DESCRIPTION) or name.partition("/")[0] in _PARTS


def load_sources(folder: Path) -> Sources:
    """Read what a compilation in `folder` could use: a project without its test bench's data.

    Raises
    ------
    DataError
        The folder is no project, or a file in it cannot be read.
    """
    places = [folder / SOURCE, folder / DESCRIPTION]
    for part in _PARTS:
        places += sorted(path for path in (folder / part).rglob("*") if not path.is_dir())
    return Sources({path.relative_to(folder).as_posix(): read_text(path, FILE_BYTES) for path in places})


def build(folder: Path, flavour: str) -> CSim:
    """Compile the project in a folder, or take the shared object that was compiled from the same text.

    The shared object lies in the user's cache, never in the folder: it is code, and the folder may be a stranger's.
    The C++ in the folder is code, too; `load_sources` tells whether it is what a network gives.

    Parameters
    ----------
    folder : Path
        Where the Project was written.
    flavour : `ap_fixed` or `native`

    Raises
    ------
    ConfigError
        Unknown flavour.
    DataError
        The folder holds no project.
    ToolMissing
        No g++.
    ToolFailed
        It does not compile.
    """
    if flavour not in FLAVOURS:
        raise ConfigError(f"unknown C simulation {flavour!r}; choose from {', '.join(FLAVOURS)}")
    sources = load_sources(folder)
    flags = (*FLAVOURS[flavour], *COMMON)
    if len(_CALL.findall(sources.files.get(PRODUCTS, ""))) <= FEW_CALLS:
        flags = (*flags, "-DHW_AMC_FEW_CALLS")
    made_from = {
        "sources": sources.digest(),
        "flags": " ".join(flags),
        # The compiler and the processor that it compiles for.
        "compiler": tools.run(["g++", "-march=native", "-Q", "--help=target", "--version"], cwd=folder),
    }

    def make(place: Path) -> None:
        started = time.perf_counter()
        text = place / "text"
        sources.write(text)
        environment = {"TMPDIR": str(place)}  # thrown away with the folder when it is killed
        tools.run(["g++", *flags, SOURCE, "-o", place / _LIBRARY], cwd=text, env=environment)
        shutil.rmtree(text)
        (place / _LIBRARY).with_suffix(SECONDS).write_text(f"{time.perf_counter() - started:.2f}\n")

    return CSim(folder, flavour, Cache("csim").entry(made_from, make) / _LIBRARY)


def _format(data: dict[str, Any]) -> FixedFormat:
    return FixedFormat(data["bits"], data["frac"], data["signed"])


def _shared(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    """Array on anonymous shared memory, which forked processes write to."""
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), dtype, int(np.prod(shape))).reshape(shape)


def _parallel(simulate: Callable[..., Iterator[int]], shares: list[list[int]], *args: Any) -> Iterator[int]:
    """Run `simulate` on each share in a forked process; yields the frames done as they come."""
    context = get_context("fork")
    readers: list[Any] = []
    processes = []
    life, ours = context.Pipe(duplex=False)
    for share in shares:
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=((life, ours, writer), simulate, share, args), daemon=True)
        with deaf_to_ctrl_c():
            process.start()
        writer.close()
        readers.append(reader)
        processes.append(process)
    open_readers = list(readers)
    try:
        while open_readers:
            ready: list[Any] = wait(open_readers)
            for reader in ready:
                try:
                    yield reader.recv()
                except EOFError:
                    open_readers.remove(reader)
        for process in processes:
            process.join()
            _require_success(process.exitcode)
    finally:
        for process in processes:
            process.terminate()
            process.join()
        life.close()
        ours.close()


def _work(
    pipes: tuple[Connection, Connection, Connection],
    simulate: Callable[..., Iterator[int]],
    share: list[int],
    args: tuple[Any, ...],
) -> None:
    """Simulate a share in a forked process, which ends with its parent and holds nothing of it."""
    faulthandler.disable()  # a crash is the C++'s, and the parent says which signal it was
    gc.disable()  # what the parent left behind may belong to threads that this process does not have
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    life, parents, writer = pipes
    parents.close()
    follow(life)

    def run() -> None:
        for done in simulate(share, *args):
            writer.send(done)

    threading.stack_size(STACK_BYTES)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


def _require_success(exit_code: int | None) -> None:
    if exit_code:
        cause = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
        raise ToolFailed(f"the C simulation crashed ({cause}); write and compile the project again")
