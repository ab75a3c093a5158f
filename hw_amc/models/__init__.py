"""The project's networks by name: a family a file, each in its float form.

Importing this package is light; building a network and the names below `_LAZY` import TensorFlow when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hw_amc.models.gru_cnn import GruCnnSpec
from hw_amc.models.network import Classes, NetworkSpec, Published, find_classes
from hw_amc.models.registry import FAMILIES, MODELS, find, from_dict

__all__ = [
    "FAMILIES", "MODELS", "Classes", "GruCnnSpec", "NetworkSpec", "Published", "find", "find_classes", "from_dict",
    "hard_sigmoid", "hard_tanh",
]  # fmt: skip

_LAZY = {"hard_sigmoid": "activations", "hard_tanh": "activations"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
