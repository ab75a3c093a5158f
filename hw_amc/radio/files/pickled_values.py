"""What a pickle of numpy arrays may hold: plain values, arrays of floats, and names that stand for themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Sample types that may stand in a pickle, and those of a key that numpy made.
_FLOATS = ("f2", "f4", "f8")
_SCALAR = re.compile(r"[iu][1248]|f[48]|[US][1-9]\d?")

#: Byte orders of a pickled dtype.
ORDERS = ("<", ">", "=", "|")

_MOST_AXES = 8

#: Most letters of a text that is no array's contents.
SHORT = 200

#: All that a pickle may name.
NAMES = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): "reconstruct" for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): "scalar" for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "frombuffer" for core in ("core", "_core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}


class PickleRefused(Exception):
    """Why a pickle is none of ours."""


class Damaged(PickleRefused):
    """The file ends too early or holds bytes that are no pickle: another copy may be whole."""


class Mark:
    """Where an opcode that takes many values begins to take."""


class Table:
    """The one dict of the file."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, int], NDArray[Any]] = {}

    def add(self, key: Any, value: Any) -> None:
        """Put an array under its key; PickleRefused where one of them is none."""
        name = _key(key)
        if not isinstance(value, Array) or value.values is None:
            raise PickleRefused(f"{name} holds no array")
        if name in self.cells:
            raise PickleRefused(f"it holds {name} twice")
        self.cells[name] = value.values


@dataclass(frozen=True)
class Name:
    """A name that numpy's arrays need."""

    name: str


@dataclass
class Dtype:
    """A type of numbers, little-endian until its state says otherwise."""

    kind: str
    order: Any = "<"

    @property
    def numpy(self) -> np.dtype[Any]:
        """Type of the numbers in the file's byte order."""
        return np.dtype(self.kind).newbyteorder(self.order)


class Array:
    """An array, filled by its state."""

    values: NDArray[Any] | None = None

    def fill(self, shape: Any, dtype: Any, by_columns: Any, raw: Any) -> None:
        """Take the contents that a pickle gives; PickleRefused where they do not fit."""
        if not isinstance(dtype, Dtype) or not isinstance(shape, tuple):
            raise PickleRefused("it holds an array of no type or shape")
        if dtype.kind not in _FLOATS:
            raise PickleRefused(f"it holds arrays of {dtype.kind!r}, not of floats")
        if len(shape) > _MOST_AXES or not all(type(size) is int and 0 <= size < 1 << 40 for size in shape):
            raise PickleRefused("it holds an array of impossible shape")
        if not isinstance(raw, (bytes, memoryview)) or len(raw) != math.prod(shape) * dtype.numpy.itemsize:
            raise PickleRefused("it holds an array whose contents do not fill its shape")
        if not raw:
            raise PickleRefused("it holds an array of nothing")
        self.values = np.frombuffer(raw, dtype.numpy).reshape(shape, order="F" if by_columns else "C")


LEAVES = (str, bytes, memoryview, int, float, type(None), Name, Dtype, Array)


def _key(key: Any) -> tuple[str, int]:
    """Modulation and SNR of a key; numpy's integers, whole floats and bytes are taken for what they say."""
    if isinstance(key, tuple) and len(key) == 2:
        name, snr = key
        name = letters(name)
        whole = type(snr) is int or (isinstance(snr, float) and snr.is_integer())
        if name and whole and abs(snr) < 1 << 31:
            return name, int(snr)
    raise PickleRefused(f"keys must be (modulation, SNR in whole dB), not {_shown(key)}")


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number that no SNR has"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"[:80]
    return repr(value)[:60] if isinstance(value, (str, int, float, bytes)) else type(value).__name__.strip("_").lower()


def letters(value: Any) -> str | None:
    """A short text, as Python 2 or 3 writes it; None for anything else."""
    if isinstance(value, (bytes, memoryview)) and len(value) <= SHORT:
        return bytes(value).decode("latin1")
    return value if isinstance(value, str) and len(value) <= SHORT else None


def _call_reconstruct(kind: Any = None, *_: Any) -> Array:
    if kind != Name("ndarray"):
        raise PickleRefused("it builds what is no plain array")
    return Array()


def _call_dtype(spec: Any = None, *_: Any) -> Dtype:
    plain = letters(spec)
    if plain is not None and plain[:1] in ORDERS:
        plain = plain[1:]
    if plain is None or not (plain in _FLOATS or _SCALAR.fullmatch(plain)):
        raise PickleRefused(f"it holds arrays of {_shown(spec)}, not of floats")
    return Dtype(plain)


def _call_encode(text: Any = None, encoding: Any = "latin1", *_: Any) -> bytes:
    if isinstance(text, str) and encoding == "latin1":
        with suppress(UnicodeEncodeError):
            return text.encode("latin1")
    raise PickleRefused("it encodes what is no text")


def _call_frombuffer(raw: Any = None, dtype: Any = None, shape: Any = None, order: Any = "C", *_: Any) -> Array:
    array = Array()
    array.fill(shape, dtype, order == "F", raw)
    return array


def _call_scalar(dtype: Any = None, raw: Any = None, *_: Any) -> int | float | str | bytes:
    """A number or text that numpy made: keys of a dict built from arrays hold such."""
    if isinstance(dtype, Dtype) and isinstance(raw, (bytes, memoryview)) and len(raw) == dtype.numpy.itemsize:
        if dtype.kind[0] == "U":  # numpy itself does not look whether these are characters
            with suppress(UnicodeDecodeError):
                return bytes(raw).decode("utf-32-be" if dtype.order == ">" else "utf-32-le").rstrip("\0")
        else:
            found: int | float | bytes = np.frombuffer(raw, dtype.numpy)[0].item()
            return found
    raise PickleRefused("it holds a scalar that is no number")


CALLS: dict[str, Callable[..., Any]] = {
    "reconstruct": _call_reconstruct,
    "dtype": _call_dtype,
    "encode": _call_encode,
    "frombuffer": _call_frombuffer,
    "scalar": _call_scalar,
}
