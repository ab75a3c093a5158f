"""The RTL road: a Graph becomes plain Verilog, the accelerator's core, with a known number of cycles.

>>> core = build_core(graph, settings)              # doctest: +SKIP
>>> core.sources.write(folder)                      # doctest: +SKIP

Needs da4ml (extra `sim`), which is imported when a core is built.
"""

from __future__ import annotations

from hw_amc.rtl.core import Core, build_core
from hw_amc.rtl.estimate import Row, estimate, require_fit

__all__ = ["Core", "Row", "build_core", "estimate", "require_fit"]
