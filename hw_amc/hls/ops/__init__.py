"""What the HLS core knows of each operation: one file each, found because it lies in this folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from hw_amc.hls.ops.base import OPERATIONS, LayerBuild, Operation, elements, find
from hw_amc.hls.ops.linear import LinearOperation
from hw_amc.hls.ops.recurrent import RecurrentOperation

__all__ = [
    "OPERATIONS", "LayerBuild", "LinearOperation", "Operation", "RecurrentOperation",
    "elements", "find",
]  # fmt: skip

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
