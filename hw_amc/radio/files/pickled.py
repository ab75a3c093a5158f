"""RadioML 2016.10A: a Python 2 pickle of a dict (modulation, SNR in dB) -> (n, 2, T) float32.

A pickle may name any function and have it called when it is loaded. Here nothing that it names is ever imported:
the few names that numpy arrays need stand for functions of this module, which check what they are given and build
the arrays themselves; any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.frames import SNR_LIMIT_DB, FrameFile, Index
from hw_amc.radio.files.hdf5 import brief
from hw_amc.radio.names import label_columns

#: Sample types that may stand in a pickle.
_FLOATS = ("f2", "f4", "f8")

#: Byte orders of a pickled dtype.
_ORDERS = ("<", ">", "=", "|")


class _Name:
    """What an admitted name becomes; it has no attributes that a pickle could set."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes a function")


class _Ndarray(_Name):
    """`numpy.ndarray`: named as an argument only, never called."""

    __slots__ = ()


class _Reconstruct(_Name):
    """`_reconstruct(ndarray, (0,), b"b")`: an array to be filled by its state."""

    __slots__ = ()

    def __call__(self, kind: Any, *_: Any) -> _PickledArray:
        if not isinstance(kind, _Ndarray):
            raise pickle.UnpicklingError("it builds what is no plain array")
        return _PickledArray()


class _Dtype(_Name):
    """`dtype("f4", False, True)`."""

    __slots__ = ()

    def __call__(self, spec: Any, *_: Any) -> _PickledDtype:
        if spec not in _FLOATS:
            raise pickle.UnpicklingError(f"it holds arrays of {spec!r}, not of floats")
        return _PickledDtype(spec)


class _Encode(_Name):
    """`_codecs.encode(text, "latin1")`: how Python 3 writes bytes for Python 2."""

    __slots__ = ()

    def __call__(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("it encodes what is no text")
        return text.encode("latin1")


class _Frombuffer(_Name):
    """`_frombuffer(bytes, dtype, shape, order)`: an array in one step, of pickle protocol 5."""

    __slots__ = ()

    def __call__(self, raw: Any, dtype: Any, shape: Any, order: Any) -> _PickledArray:
        array = _PickledArray()
        array.__setstate__((1, shape, dtype, order == "F", raw))
        return array


class _PickledDtype:
    __slots__ = ("dtype",)

    def __init__(self, spec: str) -> None:
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in _ORDERS:
            raise pickle.UnpicklingError("it holds a type of samples that is none")
        self.dtype = self.dtype.newbyteorder(state[1])


class _PickledArray:
    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("it holds an array without contents")
        _, shape, dtype, by_columns, raw = state
        if not isinstance(dtype, _PickledDtype) or not isinstance(shape, tuple):
            raise pickle.UnpicklingError("it holds an array of no type or shape")
        if not all(type(size) is int and size >= 0 for size in shape):
            raise pickle.UnpicklingError("it holds an array of impossible shape")
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(data, (bytes, bytearray)) or len(data) != math.prod(shape) * dtype.dtype.itemsize:
            raise pickle.UnpicklingError("it holds an array whose contents do not fill its shape")
        self.values = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if by_columns else "C")


#: All that a pickle may name.
_ADMITTED: dict[tuple[str, str], _Name] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Reconstruct() for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Frombuffer() for core in ("core", "_core")},
    ("numpy", "ndarray"): _Ndarray(),
    ("numpy", "dtype"): _Dtype(),
    ("_codecs", "encode"): _Encode(),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Admits numpy arrays of floats, and what pickles hold without naming anything: dicts, tuples, text, numbers."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no numpy array") from None


def load_arrays(stream: io.BufferedIOBase, name: str) -> dict[tuple[str, int], NDArray[Any]]:
    """Load a pickled dict (modulation, SNR) -> array of floats, and nothing else.

    Parameters
    ----------
    stream : binary file
    name : str
        What messages call it.

    Raises
    ------
    DataError
        The pickle is damaged, or holds or names anything but numpy arrays of floats under such keys.
    """
    try:
        found = _ArrayUnpickler(stream, encoding="latin1").load()
    except Exception as error:  # a damaged or hostile pickle may raise anything at all
        raise DataError(f"{name} is not a pickle of numpy arrays ({brief(error)}); fetch it again") from error
    if not isinstance(found, dict) or not found:
        raise DataError(f"{name} must hold a dict (modulation, SNR) -> frames, not {type(found).__name__}")
    arrays = {}
    for key, array in found.items():
        if not isinstance(key, tuple) or [type(part) for part in key] != [str, int]:
            raise DataError(f"{name}: keys must be (modulation, SNR in whole dB), not {brief(ValueError(repr(key)))}")
        if not isinstance(array, _PickledArray) or array.values is None:
            raise DataError(f"{name}: {key} holds no array")
        arrays[key] = array.values
    return arrays


class PickledFrames(FrameFile):
    """A RadioML 2016 pickle. It has no index, so opening reads it whole: about 0.5 GB for the published file.

    Frames come in the order modulation, SNR, number.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        The file is missing, damaged, not of RadioML 2016's form, or holds anything but numpy arrays.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._cells: list[tuple[int, int, NDArray[Any]]] = []
        self._load()
        self._firsts = np.cumsum([0, *(len(array) for _, _, array in self._cells)])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cells": []}

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def frame_len(self) -> int:
        """Samples a frame, T."""
        return int(self._load()[0][2].shape[2])

    def close(self) -> None:
        """Forget the samples; the next read loads them again."""
        self._cells = []

    def _load(self) -> list[tuple[int, int, NDArray[Any]]]:
        if not self._cells:
            try:
                with self.path.open("rb") as stream:
                    arrays = load_arrays(stream, str(self.path))
            except OSError as error:
                raise DataError(f"cannot read {self.path}: {error.strerror}") from error
            ((self.classes, labels),) = label_columns([[name for name, _ in arrays]], self.path)
            cells = [(int(n), snr_db, array) for n, ((_, snr_db), array) in zip(labels, arrays.items(), strict=True)]
            self._cells = sorted(cells, key=lambda cell: cell[:2])
            self._check()
        return self._cells

    def _check(self) -> None:
        shape = self._cells[0][2].shape
        for label, snr_db, array in self._cells:
            name = self.classes[label]
            if array.ndim != 3 or array.shape[1] != 2 or array.shape[2] != shape[2]:
                raise DataError(
                    f"{self.path}: frames must be (n, 2, T) of one T; {name} at {snr_db} dB has {array.shape},"
                    f" {self.classes[self._cells[0][0]]} {shape}"
                )
            if abs(snr_db) > SNR_LIMIT_DB:
                raise DataError(f"{self.path}: {name} has an SNR of {snr_db} dB; {SNR_LIMIT_DB} dB is the most")

    def _load_index(self) -> Index:
        cells = self._load()
        counts = [len(array) for _, _, array in cells]
        labels = [label for label, _, _ in cells]
        return Index(
            np.repeat(labels, counts).astype(np.uint8), np.repeat([s for _, s, _ in cells], counts).astype(np.int8)
        )

    def _read_span(self, first: int, stop: int) -> NDArray[Any]:
        cells = self._load()
        parts = []
        for number in range(int(np.searchsorted(self._firsts, first, "right")) - 1, len(cells)):
            start = int(self._firsts[number])
            if start >= stop:
                break
            parts.append(cells[number][2][max(first - start, 0) : stop - start])
        block: NDArray[Any] = np.concatenate(parts).transpose(0, 2, 1)
        return block
