"""Cycles and resources of the HLS flow from the Graph alone: no vendor tool is run, every figure is estimated.

The formulas, their reasons, sources and limits are written up in docs/estimate.md. They follow the kernels of
`hw_amc.hls`: at reuse factor 1 a product is straight-line text, one shift-and-add per nonzero weight; above it the
multipliers of `terms.Schedule` serve their rounds. Zero weights are in neither.
"""

from __future__ import annotations

from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.whole import MOST_MULTIPLIERS, Estimate, fitting, hls, sharing, sweep

__all__ = ["MOST_MULTIPLIERS", "Cost", "Estimate", "fitting", "hls", "sharing", "sweep"]
