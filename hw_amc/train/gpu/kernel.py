"""The CUDA kernel (`gru_kernel.cu`): compiled once for a number of cells and the GPU that is here."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from hw_amc import tools
from hw_amc.cache import Cache
from hw_amc.errors import DataError, ToolFailed, ToolMissing

SOURCE = Path(__file__).with_name("gru_kernel.cu")
FLAGS = ("-O3", "-std=c++17", "-shared")
#: Cells of the largest GRU whose weights fit a thread's registers, three threads a cell.
MOST_CELLS = 128

_LIBRARY = "gru.so"
_FUNCTIONS = ("gru_forward", "gru_backward")


def compile_kernel(compiler: Sequence[str | Path], cells: int, folder: Path, log: Path | None = None) -> None:
    """Compile the kernel for a number of cells.

    Parameters
    ----------
    compiler : command that compiles it, without its input and output
    cells : cells of the GRU
    folder : gets the library
    log : gets what the compiler prints

    Raises
    ------
    ToolFailed
        The compiler refuses the source.
    """
    command = [*compiler, f"-DUNITS={cells}", SOURCE, "-o", folder / _LIBRARY]
    tools.run(command, folder, timeout_s=300, env={"TMPDIR": str(folder)}, log=log)


def load_kernel(folder: Path) -> ctypes.CDLL:
    """Load what `compile_kernel` left in a folder.

    Raises
    ------
    DataError
        The library lacks a function.
    """
    library = ctypes.CDLL(str(folder / _LIBRARY))
    if missing := [name for name in _FUNCTIONS if not hasattr(library, name)]:
        raise DataError(f"it lacks {', '.join(missing)}")
    for name in _FUNCTIONS:
        getattr(library, name).restype = ctypes.c_int
    return library


def find_nvcc() -> str:
    """CUDA's compiler: on PATH, or where CUDA_HOME says.

    Raises
    ------
    ToolMissing
        There is none.
    """
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin"
    path = shutil.which("nvcc") or shutil.which("nvcc", path=str(home))
    if path is None:
        raise ToolMissing("nvcc is not on PATH; install CUDA's toolkit, or train on the processor: --device cpu")
    return path


@lru_cache(maxsize=8)
def library(cells: int, capability: tuple[int, int]) -> ctypes.CDLL:
    """Compile and load the kernel, or find it compiled already.

    Parameters
    ----------
    cells : cells of the GRU
    capability : of the GPU, as (9, 0)

    Raises
    ------
    ToolMissing
        There is no nvcc.
    ToolFailed
        nvcc refuses the source.
    """
    nvcc, code = find_nvcc(), "".join(map(str, capability))
    flags = [*FLAGS, "-Xcompiler", "-fPIC", f"-gencode=arch=compute_{code},code=sm_{code}"]
    made_from = {
        SOURCE.name: SOURCE.read_text(encoding="utf-8"),
        "compiler": f"{nvcc}: {tools.version(nvcc)}",
        "flags": " ".join(flags),
        "cells": str(cells),
    }
    return Cache("kernels").use(made_from, lambda folder: compile_kernel([nvcc, *flags], cells, folder), load_kernel)


def require_no_error(code: int, name: str) -> None:
    """Require that CUDA took a launch.

    Raises
    ------
    ToolFailed
        It did not.
    """
    if code:
        raise ToolFailed(f"CUDA refuses {name} with error {code}; is the GPU's driver as new as nvcc?")
