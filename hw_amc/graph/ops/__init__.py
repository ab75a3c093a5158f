"""The operations of the integer graph: one file each, found because it lies in this folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from hw_amc.graph.ops.base import OPS, Node, Weights

__all__ = ["OPS", "Node", "Weights"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
