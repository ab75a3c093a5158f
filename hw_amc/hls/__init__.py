"""The HLS road: an hls4ml project for Vivado HLS or Vitis HLS, and its C simulation here."""

from __future__ import annotations

from hw_amc.hls.bench import build_project
from hw_amc.hls.target import Core, Target
from hw_amc.hls.terms import count_multiplications, legal_reuse_factors, products

__all__ = ["Core", "Target", "build_project", "count_multiplications", "legal_reuse_factors", "products"]
