"""The HLS flow: an hls4ml project for Vivado HLS or Vitis HLS, and its C simulation here."""

from __future__ import annotations

from hw_amc.hls.build import build_project
from hw_amc.hls.streams import CoreStreams
from hw_amc.hls.target import Target

__all__ = ["CoreStreams", "Target", "build_project"]
