"""The C++ kernels (`gru_kernel.cc`, `affine_kernel.cc`): compiled once for this machine, called from TensorFlow.

TensorFlow's own GRU is about ten times slower on a CPU. Where no compiler is found, `available()` is false and
`FastGru` runs its recurrence in plain TensorFlow instead: the same numbers, slowly.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc import tools
from hw_amc.cache import Cache
from hw_amc.errors import DataError, ToolMissing

SOURCES = tuple(Path(__file__).with_name(name) for name in ("gru_kernel.cc", "affine_kernel.cc"))
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-pthread", "-Wno-psabi")

_LIBRARY = "kernels.so"
_FUNCTIONS = (
    "gru_forward", "gru_backward", "column_sums", "affine_relu", "affine_relu_sums", "affine_relu_gradient",
)  # fmt: skip

Floats = np.ndarray[Any, np.dtype[np.float32]]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return "".join(sorted({line for line in lines if line.startswith(("flags", "model name", "Features"))}))


def build(compiler: str | None = None) -> ctypes.CDLL:
    """Compile and load the kernels, or find them compiled already for this source, compiler and processor.

    Raises
    ------
    ToolMissing
        There is no C++ compiler on PATH.
    ToolFailed
        The compiler refuses the source.
    """
    path = compiler or shutil.which("g++") or shutil.which("c++")
    if path is None:
        raise ToolMissing("no C++ compiler is on PATH; install one: apt-get install g++")
    made_from = {
        **{source.name: source.read_text(encoding="utf-8") for source in SOURCES},
        "compiler": f"{path}: {tools.version(path)}",
        "flags": " ".join(FLAGS),
        "processor": _processor(),
    }

    def make(folder: Path) -> None:
        environment = {"TMPDIR": str(folder)}  # thrown away with the folder when it is killed
        tools.run([path, *FLAGS, *SOURCES, "-o", folder / _LIBRARY], folder, timeout_s=300, env=environment)

    return Cache("kernels").use(made_from, make, _load)


def _load(folder: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(folder / _LIBRARY))
    missing = [name for name in (*_FUNCTIONS, "gru_saved_size") if not hasattr(library, name)]
    if missing:
        raise DataError(f"it lacks {', '.join(missing)}")
    return library


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = build()
    library.gru_saved_size.restype = ctypes.c_int64
    for name in _FUNCTIONS:
        getattr(library, name).restype = None
    return library


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether the kernel can be compiled and loaded here; where it cannot, a warning says what that costs."""
    try:
        _library()
    except (ToolMissing, OSError) as error:
        warnings.warn(f"training takes about ten times as long here: {error}", stacklevel=2)
        return False
    return True


def threads() -> int:
    """Threads that a call may use: the processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pointer(array: Floats | None) -> ctypes.c_void_p | None:
    return None if array is None else array.ctypes.data_as(ctypes.c_void_p)


def _levels(levels: tuple[float, float, float] | None) -> Any:
    return None if levels is None else (ctypes.c_float * 3)(*levels)


def _contiguous(*arrays: Any) -> list[Floats]:
    return [np.ascontiguousarray(array, np.float32) for array in arrays]


def forward(
    x: Floats, weights: tuple[Floats, Floats, Floats], levels: tuple[float, float, float] | None, keep: bool
) -> tuple[Floats, Floats]:
    """Run the GRU over a batch.

    Parameters
    ----------
    x : (B, T, D) float32
    weights : kernel (D, 3H), recurrent kernel (H, 3H), bias (2, 3H); already quantised where `levels` is given
    levels : values per unit of the gates, the candidate and the state, or None for plain floats
    keep : whether to keep what `backward` needs

    Returns
    -------
    h (B, T, H), and the kept values (opaque, empty when `keep` is false).
    """
    x, kernel, recurrent, bias = _contiguous(x, *weights)
    (B, T, D), H = x.shape, recurrent.shape[0]
    library = _library()
    h = np.empty((B, T, H), np.float32)
    saved = np.empty(library.gru_saved_size(B, T, H) if keep else 0, np.float32)
    library.gru_forward(
        B, T, D, H, threads(), _levels(levels), _pointer(x), _pointer(kernel), _pointer(recurrent),
        _pointer(bias[0]), _pointer(bias[1]), _pointer(h), _pointer(saved) if keep else None,
    )  # fmt: skip
    return h, saved


def backward(
    x: Floats,
    weights: tuple[Floats, Floats],
    levels: tuple[float, float, float] | None,
    kept: tuple[Floats, Floats, Floats],
    want_dx: bool,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Propagate a gradient through the batch that `forward` ran.

    Parameters
    ----------
    x : (B, T, D) float32
    weights : kernel and recurrent kernel, as in `forward`
    levels : as in `forward`
    kept : h and the kept values from `forward`, and the gradient of h (B, T, H)
    want_dx : whether the input's gradient is wanted (an empty array is returned otherwise)

    Returns
    -------
    Gradients of x (B, T, D), kernel (D, 3H), recurrent kernel (H, 3H) and bias (2, 3H); roundings pass the
    gradient straight through, saturated gates stop it.
    """
    x, kernel, recurrent, h, saved, dh = _contiguous(x, *weights, *kept)
    (B, T, D), H = x.shape, recurrent.shape[0]
    dkernel, drecurrent, dbias = np.zeros_like(kernel), np.zeros_like(recurrent), np.zeros((2, 3 * H), np.float32)
    dx = np.empty((B, T, D) if want_dx else (0, T, D), np.float32)
    _library().gru_backward(
        B, T, D, H, threads(), _levels(levels), _pointer(x), _pointer(kernel), _pointer(recurrent), _pointer(h),
        _pointer(saved), _pointer(dh), _pointer(dkernel), _pointer(drecurrent), _pointer(dbias[0]),
        _pointer(dbias[1]), _pointer(dx) if want_dx else None,
    )  # fmt: skip
    return dx, dkernel, drecurrent, dbias


def _rows(x: Floats) -> tuple[Any, ...]:
    return ctypes.c_int64(x.size // x.shape[-1]), x.shape[-1], threads()


def column_sums(x: Floats) -> tuple[Floats, Floats]:
    """Sum x and x squared over all but the last axis: two (C,) arrays."""
    (x,) = _contiguous(x)
    sums = np.empty((2, x.shape[-1]), np.float32)
    _library().column_sums(*_rows(x), _pointer(x), _pointer(sums[0]), _pointer(sums[1]))
    return sums[0], sums[1]


def affine_relu(x: Floats, scale: Floats, bias: Floats, steps: float, top: float) -> Floats:
    """Compute clip(x scale + bias, 0, top) over the last axis; with `steps` first rounded to multiples of 1/steps."""
    x, scale, bias = _contiguous(x, scale, bias)
    y = np.empty_like(x)
    _library().affine_relu(
        *_rows(x), ctypes.c_float(steps), ctypes.c_float(top), _pointer(x), _pointer(scale), _pointer(bias), _pointer(y)
    )
    return y


def affine_relu_sums(x: Floats, y: Floats, dy: Floats, top: float) -> tuple[Floats, Floats]:
    """Sum g and g x over all but the last axis: g is dy where 0 < y < top, else 0."""
    x, y, dy = _contiguous(x, y, dy)
    sums = np.empty((2, x.shape[-1]), np.float32)
    _library().affine_relu_sums(
        *_rows(x), ctypes.c_float(top), _pointer(x), _pointer(y), _pointer(dy), _pointer(sums[0]), _pointer(sums[1])
    )
    return sums[0], sums[1]


def affine_relu_gradient(
    x: Floats, y: Floats, dy: Floats, top: float, factors: tuple[Floats, Floats, Floats]
) -> Floats:
    """Compute a g + b x + c over the last axis, with g as in `affine_relu_sums` and `factors` = (a, b, c)."""
    x, y, dy, a, b, c = _contiguous(x, y, dy, *factors)
    dx = np.empty_like(x)
    _library().affine_relu_gradient(
        *_rows(x), ctypes.c_float(top), _pointer(x), _pointer(y), _pointer(dy), _pointer(a), _pointer(b), _pointer(c),
        _pointer(dx),
    )  # fmt: skip
    return dx
