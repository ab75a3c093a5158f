"""How blocks are built: what a lowering takes besides the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_amc.adders import build_graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.matrix import Matrix
from hw_amc.rtl.blocks.serial import SerialMatrix
from hw_amc.rtl.clock import Cut
from hw_amc.rtl.sums import SumGraph, sums_of


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
    #: Sums of three terms where they save LUTs.
    ternary: bool = False
    cache: Path | None = None

    def cycles_of(self, name: str) -> int:
        """R: cycles of a step of the layer of this node."""
        return self.layers.get(name, self.cycles)

    def sums(self, matrix: NDArray[np.int64], inputs: Sequence[FixedFormat]) -> SumGraph:
        """Find the sums of a constant matrix (inputs, outputs)."""
        return sums_of(build_graph(matrix, inputs, cache=self.cache), self.ternary)

    def matrix(
        self, name: str, graph: SumGraph, widths: tuple[int, ...], what: str = "matrix"
    ) -> Matrix | SerialMatrix:
        """Return the module that multiplies within the cycles of the layer; `what` it is, where there are several."""
        module, cycles = f"{self.prefix}_{name}_{what}", self.cycles_of(name)
        if cycles == 1:
            return Matrix(module, graph, widths, self.cut.levels(graph))
        return SerialMatrix(module, graph, widths, cycles)
