"""The functions of sums inside recurrent cells: hard ones are adders, any other is a table behind a quantiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hw_amc.hls import roms
from hw_amc.hls.cpp import bits_of, cpp_type
from hw_amc.hls.estimate.logic import Context, bram18, rom_luts, round_clip
from hw_amc.hls.ops.base import Integers, LayerBuild

#: Options of a node that make its curves tables.
OPTIONS = ("gate_table", "gate_in_fmt", "candidate_table", "candidate_in_fmt")
_HARD = {"gate": "hard_sigmoid_curve", "candidate": "hard_tanh_curve"}


class Memories(NamedTuple):
    """LUTs and halves of block RAMs of a layer's tables."""

    lut: int
    bram18: int


def tables(layer: LayerBuild) -> dict[str, Integers]:
    """Entries of each table by `<layer>_<curve>`, in the order of the sum's bits, read as an unsigned integer."""
    found = {}
    for what in _HARD:
        curve = getattr(layer.node, what)
        if curve.table is not None:
            values: Integers = curve.table.astype(np.int64)
            found[f"{layer.node.name}_{what}"] = np.roll(values, curve.source.min_raw)
    return found


def emit(layer: LayerBuild, readers: Mapping[str, int]) -> str:
    """C++ of the tables; `readers` are looked up at once, by curve."""
    texts = [
        roms.emit_function(name, values, readers[name.removeprefix(f"{layer.node.name}_")])
        for name, values in tables(layer).items()
    ]
    return "\n".join(texts)


def members(node: Any) -> list[str]:
    """Types of the curves, for the configuration struct."""
    lines = []
    for what, hard in _HARD.items():
        curve = getattr(node, what)
        kind = f"hw_amc::{hard}"
        if curve.table is not None:
            entries = roms.name_of(f"{node.name}_{what}")
            kind = f"hw_amc::table_curve<{entries}, {cpp_type(curve.source)} >"
        lines.append(f"typedef {kind} {what}_curve;")
    return lines


def path(node: Any, what: str, bits: int, context: Context) -> list[float]:
    """Delays in series of a curve: rounding and limits of so many bits; a look-up takes a cycle in block RAM."""
    curve, limits = getattr(node, what), context.adds(2, bits)
    if curve.table is None:
        return limits
    in_bram = roms.in_bram(curve.table.astype(np.int64))
    return [*limits, context.usable_ns if in_bram else context.family.add_ns]


def luts(node: Any, what: str, sum_bits: int) -> int:
    """LUTs of a curve without its table: rounding and saturation."""
    curve = getattr(node, what)
    return round_clip(sum_bits, curve.fmt.bits if curve.source is None else curve.source.bits)


def memories(layer: LayerBuild, readers: Mapping[str, int]) -> Memories:
    """Price the tables: a copy for each reader, or for two where they lie in block RAM."""
    lut = bram = 0
    for name, values in tables(layer).items():
        copies = roms.rows_for(values, readers[name.removeprefix(f"{layer.node.name}_")])
        if roms.in_bram(values):
            bram += copies * bram18(len(values), bits_of(values))
        else:
            lut += copies * rom_luts(len(values), bits_of(values))
    return Memories(lut, bram)
