"""Keras' integers of the proof's frames, kept in the user's own cache because Keras is slow.

What stands for Keras was made by Keras: now, or by an earlier run of this user whose record is bound to the weights,
the frames, the versions of all that made it and our own code, and whose contents are whole. A model's folder, which may
come from anybody, is never asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.cache import Cache, CacheUnusable
from hw_amc.errors import DataError
from hw_amc.files import pack_npz
from hw_amc.untrusted import load_json, load_npz
from hw_amc.verify.keras import KerasReference

#: Packages whose version decides what Keras computes.
_PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "qkeras", "numpy", "h5py")

#: Parts of this package that stand between the file and Keras' integers.
_OWN = ("compress", "graph", "verify")

_ARRAYS, _MADE = "tensors.npz", "made.json"

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Reference:
    """What Keras computed, and when."""

    tensors: Tensors
    #: ISO date.
    made: str


def keras_reference(
    keras: KerasReference, wire: NDArray[Any], layers: Sequence[str], weights_sha256: str, root: Path | None = None
) -> Reference:
    """Integers of every layer on some frames, as Keras gives them.

    Parameters
    ----------
    keras : KerasReference
    wire : integer array (n, T, 2)
    layers : names of the layers
    weights_sha256 : str
        Of the file that the model was loaded from.
    root : Path, optional
        Another cache than the user's.

    Raises
    ------
    HwAmcError
        As `KerasReference.run`.
    """
    ran: list[Reference] = []

    def make(folder: Path) -> None:
        ran.append(Reference(keras.run(wire, list(layers)), date.today().isoformat()))
        packed = pack_npz({name: _narrow(tensor) for name, tensor in ran[-1].tensors.items()})
        (folder / _ARRAYS).write_bytes(packed)
        (folder / _MADE).write_text(json.dumps({"made": ran[-1].made}), encoding="utf-8")

    def load(folder: Path) -> Reference:
        tensors = load_npz(folder / _ARRAYS)
        missing = [name for name in layers if name not in tensors or len(tensors[name]) != len(wire)]
        if missing:
            raise DataError(f"it has not all frames of {', '.join(missing)}")
        return Reference({name: tensors[name] for name in layers}, str(load_json(folder / _MADE).get("made")))

    try:
        return Cache("keras", root).use(_made_from(keras, wire, layers, weights_sha256), make, load)
    except CacheUnusable:
        return ran[-1] if ran else Reference(keras.run(wire, list(layers)), date.today().isoformat())


def _made_from(keras: KerasReference, wire: NDArray[Any], layers: Sequence[str], weights_sha256: str) -> dict[str, str]:
    return {
        "weights": weights_sha256,
        "graph": keras.graph.digest(),
        "frames": hashlib.sha256(np.ascontiguousarray(wire, "<i8").tobytes()).hexdigest(),
        "shape": str(wire.shape),
        "layers": " ".join(layers),
        "arithmetic": keras.dtype,
        "code": _own_digest(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _narrow(tensor: NDArray[Any]) -> NDArray[Any]:
    """The same integers in 32 bits where they fit."""
    small = tensor.astype(np.int32)
    return small if np.array_equal(small, tensor) else tensor


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _own_digest() -> str:
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for part in _OWN:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
