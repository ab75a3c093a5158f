"""How blocks are built: what a lowering takes besides the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hw_amc.adders import AdderGraph
from hw_amc.rtl.blocks.matrix import Matrix
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.clock import Cut


@dataclass(frozen=True)
class Options:
    """How blocks are built."""

    #: Prefix of generated modules.
    prefix: str
    #: R of the layers that `layers` does not name.
    cycles: int = 1
    #: R of single layers.
    layers: Mapping[str, int] = field(default_factory=dict)
    #: Adder levels between registers in parallel matrices.
    cut: Cut = field(default_factory=Cut)
    cache: Path | None = None

    def cycles_of(self, name: str) -> int:
        """R: cycles of a step of the layer of this node."""
        return self.layers.get(name, self.cycles)

    def matrix(self, name: str, graph: AdderGraph, widths: tuple[int, ...]) -> Matrix | SerialMatrix:
        """Return the module that multiplies within the cycles of the layer."""
        module, cycles = f"{self.prefix}_{name}_matrix", self.cycles_of(name)
        if cycles == 1:
            return Matrix(module, graph, widths, self.cut.levels(graph))
        return SerialMatrix(module, graph, widths, cycles)
