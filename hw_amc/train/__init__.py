"""Training: the recipe's stages, the fast kernels, checkpoints, evaluation.

Importing this package is light; `run_recipe` imports TensorFlow when first used.
"""

from __future__ import annotations

from typing import Any

__all__ = ["RunOptions", "run_recipe"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hw_amc.train import run

    return getattr(run, name)
