"""A shared object of an accelerator: verilated, compiled and kept in the cache; loaded with its functions' types."""

from __future__ import annotations

import ctypes
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw_amc import tools
from hw_amc.cache import Cache
from hw_amc.cosim.simulators import MAKE_VARIABLES, verilator, versions
from hw_amc.errors import ConfigError, DataError
from hw_amc.files import temporary_folder
from hw_amc.sources import Sources

HARNESS = Path(__file__).with_name("harness.cc")
#: The harness around it that counts what toggles (`hw_amc.cosim.activity`).
TRACER = Path(__file__).with_name("trace.cc")
LIBRARY = "amc.so"

# Functions of a thousand statements: g++ takes more than linear time over longer ones.
_SPLIT = ("--output-split", "10000", "--output-split-cfuncs", "1000")
_VERILATE = ("--cc", "--exe", "--prefix", "Vtop", "-O3", "-Wno-fatal", *_SPLIT, "-o", LIBRARY)
_COMPILE = ("-f", "Vtop.mk", "OPT_SLOW=-O0", "-j", "2")
#: Values of a width, but not memories: those are no registers.
_TRACE = ("--trace-saif", "--no-trace-params", "--trace-max-array", "1", "--trace-max-width", "1000000")
#: Verilator's own objects, the same in every build: half of the time of a small one.
_RUNTIME = ("verilated.o", "verilated_threads.o")
#: Functions of farms and of models whose toggles are counted.
_OPTIONAL = ("amc_select", "amc_trace_")


def build_library(
    sources: Sources, top: str, cache: Path | None = None, farm: bool = False, traced: bool = False
) -> Path:
    """Verilate and compile `sources`; an earlier build of the same sources by the same tools is used again.

    Parameters
    ----------
    sources : Sources
        Verilog sources.
    top : str
        Top module, with the ports of `hw_amc.rtl.shell.accelerator.emit_top`.
    cache : Path, optional
        Root of the cache (`hw_amc.cache`) that keeps builds.
    farm : bool
        The top has an input `select` (see `hw_amc.cosim.farm`).
    traced : bool
        Toggles can be counted (see `hw_amc.cosim.activity`); slower.

    Returns
    -------
    Path of the shared object.

    Raises
    ------
    ToolMissing, ToolFailed
        Verilator, make or the compiler is missing, or fails.
    """
    build = _Build.of(sources, top, cache, farm, traced)
    return build.cache.entry(build.made_from, build.make) / LIBRARY


def load_library(
    sources: Sources, top: str, cache: Path | None = None, farm: bool = False, traced: bool = False
) -> ctypes.CDLL:
    """As `build_library`, and load it; one that cannot be loaded here is built again."""
    build = _Build.of(sources, top, cache, farm, traced)
    return build.cache.use(build.made_from, build.make, lambda folder: _load(folder / LIBRARY))


@dataclass(frozen=True)
class _Build:
    """How to build a shared object, and all that decides what comes of it."""

    sources: Sources
    top: str
    program: Path
    environment: dict[str, str]
    farm: bool
    traced: bool
    #: Versions of what compiles.
    versions: dict[str, str]
    root: Path | None

    @classmethod
    def of(cls, sources: Sources, top: str, root: Path | None, farm: bool, traced: bool = False) -> _Build:
        program, environment = verilator()
        # The manifest names the board and its clock, which change nothing that Verilator reads.
        verilog = {name: text for name, text in sources.files.items() if not name.endswith(".json")}
        return cls(Sources(verilog), top, program, environment, farm, traced, versions("verilator"), root)

    @property
    def cache(self) -> Cache:
        return Cache("verilated", self.root)

    @property
    def made_from(self) -> dict[str, str]:
        options = (*self._verilate, *self._compile_options(), *self._flags())
        harness = "".join(path.read_text(encoding="utf-8") for path in self._harnesses)
        told = {"top": self.top, "sources": self.sources.digest(), "harness": harness, "options": " ".join(options)}
        return {**told, **self.versions}

    def make(self, folder: Path) -> None:
        """Leave the shared object in `folder`, and nothing else."""
        with workshop(folder) as place:
            self._build(place)
            shutil.copyfile(place / "obj" / LIBRARY, folder / LIBRARY)

    @property
    def _verilate(self) -> tuple[str, ...]:
        return (*_VERILATE, *(_TRACE if self.traced else ()))

    @property
    def _harnesses(self) -> tuple[Path, ...]:
        """C++ files of the harness; the last one includes the others."""
        return (HARNESS, TRACER) if self.traced else (HARNESS,)

    def _flags(self) -> list[str]:
        return ["-CFLAGS", "-fPIC" + (" -DAMC_FARM" if self.farm else ""), "-LDFLAGS", "-shared -fPIC"]

    def _compile_options(self) -> list[str]:
        # A farm runs briefly, so that compiling it is what takes time.
        return [*_COMPILE, "OPT_FAST=-O1" if self.farm else "OPT_FAST=-O2"]

    def _build(self, folder: Path) -> None:
        self.sources.write(folder)
        for harness in self._harnesses:
            shutil.copyfile(harness, folder / harness.name)
        environment = {**self.environment, "TMPDIR": str(folder)}
        verilog = sorted(name for name in self.sources.files if name.endswith((".v", ".sv")))
        args: list[str | Path] = [
            self.program,
            *self._verilate,
            "--top-module",
            self.top,
            *self._flags(),
            "--Mdir",
            "obj",
            *verilog,
        ]
        tools.run([*args, self._harnesses[-1].name], folder, env=environment, log=folder / "verilator.log")
        environment.pop("MAKEFLAGS", None)
        # Verilator compiles its own files with macros that say whether signals are traced.
        options = " ".join([*_COMPILE, *(_TRACE if self.traced else ())])
        runtime, shared = Cache("verilated-runtime", self.root), {**self.versions, "options": options}
        if (known := runtime.find(shared)) is not None:
            for name in _RUNTIME:
                shutil.copyfile(known / name, folder / "obj" / name)
        variables = [*self._compile_options(), *MAKE_VARIABLES]
        tools.run(["make", "-C", "obj", *variables], folder, env=environment, log=folder / "make.log")
        if known is None:
            runtime.entry(shared, lambda place: [shutil.copy(folder / "obj" / name, place) for name in _RUNTIME])


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """Yield a folder to build in, removed afterwards: within `folder`, or elsewhere where GNU make cannot work there.

    Raises
    ------
    ConfigError
        The folder for temporary files has a space in its path, too.
    """
    parent = folder if _suits_make(folder) else Path(tempfile.gettempdir())
    if not _suits_make(parent):
        raise ConfigError(f"GNU make cannot build in {folder} or {parent}: set TMPDIR to a folder without spaces")
    with temporary_folder(parent, "build") as place:
        yield place


def _suits_make(folder: Path) -> bool:
    """Whether a path has none of the characters that make and the shell read as more than letters."""
    return re.search(r"[\s$#:;%&()'\"`\\*?<>|=]", str(folder)) is None


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
        "amc_trace_open": (pointer, [sim, ctypes.c_char_p, u64]),
        "amc_trace_advance": (u64, [sim, pointer, u64, u64, u64]),
        "amc_trace_close": (None, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        if name.startswith(_OPTIONAL) and not hasattr(lib, name):
            continue
        function = getattr(lib, name, None)
        if function is None:
            raise DataError(f"{library} has no {name}")
        function.restype, function.argtypes = result, arguments
    return lib
