"""The project's networks: float form, deployed form, loading and saving.

Importing this package is light; the names below that build or load networks import TensorFlow when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hw_amc.models.specs import MODELS, GruCnnSpec, find

__all__ = [
    "MODELS", "GruCnnSpec", "QAffine", "build_deployed", "build_float", "find", "load_deployed", "round_weights",
    "save_deployed", "to_float64",
]  # fmt: skip

_LAZY = {
    "QAffine": "affine",
    "build_float": "floating",
    "build_deployed": "deployed",
    "load_deployed": "deployed",
    "round_weights": "deployed",
    "save_deployed": "deployed",
    "to_float64": "deployed",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"hw_amc.models.{_LAZY[name]}"), name)
