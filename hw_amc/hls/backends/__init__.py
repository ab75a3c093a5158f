"""The HLS tools: one file and its templates each, found because the file lies in this folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from hw_amc.hls.backends.base import HOST_PREFIX, SOLUTION, STEPS, TOOLS, TOP, HlsTool, find

__all__ = ["HOST_PREFIX", "SOLUTION", "STEPS", "TOOLS", "TOP", "HlsTool", "find"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
