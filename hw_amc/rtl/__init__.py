"""The RTL flow: a Graph becomes plain Verilog, the accelerator's core, with a known number of cycles.

>>> core = build_core(graph, settings)              # doctest: +SKIP
>>> core.sources.write(folder)                      # doctest: +SKIP

Needs da4ml (extra `sim`), which is imported when a core is built.
"""

from __future__ import annotations

from hw_amc.rtl.core import RtlCore, build_core
from hw_amc.rtl.rates import RateEstimate, estimate_rates, require_fit

__all__ = ["RateEstimate", "RtlCore", "build_core", "estimate_rates", "require_fit"]
