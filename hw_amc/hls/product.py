"""A layer's constant product, and the reuse factors that it admits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.folding import Folding, Pool

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Product:
    """One constant matrix and its bias: m[j] = ((sum_i x[i] matrix[i, j]) << shift) + bias[j].

    A cell is `members` outputs that are needed together: member k of cell c is output k cells + c. A convolution or a
    dense layer has one member, a GRU four.
    """

    #: Of the C++ struct.
    name: str
    #: (inputs, outputs), raw integers.
    matrix: Integers
    #: (outputs,), raw integers of the accumulator.
    bias: Integers
    shift: int
    #: Raw integers of the inputs and of the accumulators.
    x_fmt: FixedFormat
    acc_fmt: FixedFormat
    #: As in hls4ml: latency, resource or distributed_arithmetic.
    strategy: str
    members: int = 1
    #: Inputs with the multipliers of their own, and how often each of these serves a time step; resource only.
    pools: tuple[Pool, ...] = ()
    #: Cells that one lane works out one after another; None: what costs least. Resource only.
    positions: int | None = None
    #: Multipliers on DSP blocks, the others are of LUTs; None: all. Resource only.
    dsp: int | None = None
    #: LUTs of a lane beside its multipliers, by which the number of lanes is chosen.
    lane_luts: int = 60
    #: Places of a map, each with as many of the inputs, that come one after another; the pool is that of one place.
    places: int = 1

    @property
    def nonzeros(self) -> int:
        """Weights that are not zero."""
        return int(np.count_nonzero(self.matrix))

    @property
    def cells(self) -> int:
        """Groups of outputs that are needed together."""
        return int(self.matrix.shape[1]) // self.members

    @cached_property
    def folding(self) -> Folding:
        """Which multiplier does which term in which round."""
        return Folding.of(self.matrix, self.members, self.pools, self.positions, self.lane_luts)


def legal_reuse_factors(n_in: int, n_out: int) -> list[int]:
    """Reuse factors that hls4ml's rules admit for a matrix, ascending.

    A factor divides n_in n_out, and either divides n_in or is a multiple of it: all outputs are alike.
    """
    total = n_in * n_out
    return [
        factor
        for factor in range(1, total + 1)
        if total % factor == 0 and (n_in % factor == 0 if factor < n_in else factor % n_in == 0)
    ]


def require_legal(layer: str, key: str, factor: int, legal: list[int]) -> None:
    """Raise ConfigError with the list of legal reuse factors unless `factor` is one of them."""
    if factor not in legal:
        known = ", ".join(map(str, legal))
        raise ConfigError(f"[hls.layers.{layer}] {key} = {factor} is not legal; choose from {known}")
