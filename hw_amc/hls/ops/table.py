"""A function of one variable, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls import roms
from hw_amc.hls.cpp import bits_of, constant
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context, bram18, rom_luts
from hw_amc.hls.ops.base import Integers, LayerBuild, Operation

#: Bits of all copies of a table: 128 block RAMs of 36 kbit.
MOST_BITS = 128 * 36 * 1024


class Table(Operation):
    """One element of the stream a cycle: every channel has a memory, or a port, of its own."""

    node: ClassVar[type[Node]] = ir.Table
    header: ClassVar[str] = "hw_amc_table.h"
    keras: ClassVar[Mapping[str, Mapping[str, str]]] = {"QTable": {"table": "output_quantizer"}}

    def refusal(self, layer: LayerBuild) -> str:
        values, channels = _entries(layer), layer.node.shape[-1]
        bits = roms.rows_for(values, channels) * len(values) * bits_of(values)
        if bits <= MOST_BITS:
            return ""
        return (
            f"the tables of {channels} channels take {bits:,} bits, more than {MOST_BITS:,}; quantise its input to "
            "fewer bits"
        )

    def tables(self, layer: LayerBuild) -> dict[str, Integers]:
        return {layer.node.name: _entries(layer)}

    def weights(self, arrays: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        return {"table": arrays["table"]}

    def code(self, layer: LayerBuild) -> str:
        return roms.emit_function(layer.node.name, _entries(layer), layer.node.shape[-1])

    def kernel(self, layer: LayerBuild) -> str:
        return "hw_amc::table"

    def members(self, layer: LayerBuild) -> list[str]:
        return [constant("steps", layer.steps), f"typedef {roms.name_of(layer.node.name)} entries;"]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        values, channels, bits = _entries(layer), layer.node.shape[-1], layer.node.fmt.bits
        copies = roms.rows_for(values, channels)
        large = roms.in_bram(values)
        return Cost(
            layer.node.name,
            layer.steps + 3,
            3,
            lut=0 if large else copies * rom_luts(len(values), bits_of(values)),
            ff=channels * (bits + layer.source.fmt.bits),
            bram36=copies * bram18(len(values), bits_of(values)) / 2 if large else 0,
        )


def _entries(layer: LayerBuild) -> Integers:
    """Entries in the order of the input's bits, read as an unsigned integer: no adder makes the index."""
    table: Integers = layer.node.table.astype(np.int64)
    return np.roll(table, layer.source.fmt.min_raw)
