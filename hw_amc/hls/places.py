"""A dense layer over a map on few multipliers: what each of them does in the rounds of a place.

Unlike in `hls.folding`, every multiplier has a term in every round: which weights are zero differs from place to place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw_amc.hls.product import Product

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rounds:
    """What each multiplier does in the rounds of a place, all outputs being alike.

    A lane works out the outputs of its slots one after another, each in `rounds`; in round r its multiplier k takes
    channel k rounds + r. Output s lanes + l is that of slot s of lane l.
    """

    places: int
    #: Multipliers of a lane.
    taps: int
    #: Of one output and place.
    rounds: int
    slots: int
    lanes: int

    @classmethod
    def of(cls, product: Product) -> Rounds:
        """Rounds of a product by its reuse factor, which is legal."""
        (pool,) = product.pools
        channels, units = len(product.matrix) // product.places, len(product.bias)
        slots = max(1, pool.reuse_factor // channels)
        rounds = pool.reuse_factor // slots
        return cls(product.places, channels // rounds, rounds, slots, units // slots)

    @property
    def multipliers(self) -> int:
        """Multipliers of all lanes."""
        return self.lanes * self.taps

    def weights(self, matrix: Integers) -> Integers:
        """Weights of each multiplier, (multipliers, rounds of all places), lane by lane."""
        by_place = matrix.reshape(self.places, self.taps, self.rounds, self.slots, self.lanes)
        return by_place.transpose(4, 1, 0, 3, 2).reshape(self.multipliers, -1)

    def channels(self, tap: int) -> range:
        """Channels that a multiplier takes, by round."""
        return range(tap * self.rounds, (tap + 1) * self.rounds)
