"""Vivado HLS, to 2020.1."""

from __future__ import annotations

from hw_amc.hls.backends.base import Y2K22, HlsTool

VIVADO = HlsTool(
    name="Vivado",
    title="Vivado HLS",
    programs={"vivado_hls": ("-f",)},
    clock_uncertainty=0.125,  # UG902
    template="vivado.tcl",
    hints=Y2K22,
    # UG902: cores of operators and memories; a struct in a stream is one word only where that is said.
    pragmas=(
        (r"BIND_OP variable=(\w+) op=mul impl=dsp", r"RESOURCE variable=\1 core=DSP48"),
        (r"BIND_OP variable=(\w+) op=mul impl=fabric", r"RESOURCE variable=\1 core=Mul_LUT"),
        (r"BIND_STORAGE variable=(\w+) type=rom_1p impl=lutram", r"RESOURCE variable=\1 core=ROM_1P_LUTRAM"),
        (r"BIND_STORAGE variable=(\w+) type=rom_1p impl=bram", r"RESOURCE variable=\1 core=ROM_1P_BRAM"),
        (r"BIND_STORAGE variable=(\w+) type=rom_2p impl=bram", r"RESOURCE variable=\1 core=ROM_2P_BRAM"),
        (r"BIND_STORAGE variable=(\w+) type=ram_s2p impl=auto", r"RESOURCE variable=\1 core=RAM_2P"),
        (r"BIND_STORAGE variable=(\w+) type=ram_s2p impl=bram", r"RESOURCE variable=\1 core=RAM_S2P_BRAM"),
    ),
)
