"""Vitis HLS, from 2020.2."""

from __future__ import annotations

from hw_amc.hls.backends.base import Y2K22, HlsTool

VITIS = HlsTool(
    name="Vitis",
    title="Vitis HLS",
    programs={"vitis-run": ("--mode", "hls", "--tcl"), "vitis_hls": ("-f",)},
    clock_uncertainty=0.27,  # UG1399
    template="vitis.tcl",
    hints=Y2K22,
    # UG1399: a struct in a stream is one word by itself.
    pragmas=((r"DATA_PACK", None),),
)
