"""Compression: pruning, fixed-point formats, and the deploy pass to a network's exact QKeras form.

Importing this package is light; the names below import TensorFlow when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LAZY = {
    "QAffine": "layers",
    "QMeanPooling": "means",
    "QTable": "tables",
    "ReverseTime": "layers",
    "TableActivation": "tables",
    "formats_of": "build",
    "load_deployed": "deployed",
    "round_weights": "deployed",
    "save_deployed": "deployed",
    "to_float64": "deployed",
}

__all__ = [
    "QAffine", "QMeanPooling", "QTable", "ReverseTime", "TableActivation", "formats_of", "load_deployed",
    "round_weights", "save_deployed", "to_float64",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
