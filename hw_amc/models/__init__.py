"""The project's networks by name, in their float form.

Importing this package is light; `build_float` imports TensorFlow when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hw_amc.models.specs import MODELS, GruCnnSpec, find

__all__ = ["MODELS", "GruCnnSpec", "build_float", "find"]

_LAZY = {"build_float": "floating"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"hw_amc.models.{_LAZY[name]}"), name)
