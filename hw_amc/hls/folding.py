"""Sparse products on few multipliers: which of them does which term in which round of a time step.

Cells (groups of outputs that are needed together) go to lanes; each lane works out one cell after another, all lanes
in step: its cell at position p takes the rounds of position p. Each member of a lane's cells has a bank of multipliers
of its own, whose products of a round are added up by one tree into the bank's one accumulator. So every multiplier has
one owner, no sum is selected, and a cell is complete when its position ends. Zero weights take neither a round nor a
multiplier; a multiplier selects from the inputs that its own terms have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import floordiv, neg

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
#: Cell of each lane at each position; None: none.
Cells = tuple[tuple["int | None", ...], ...]

#: LUTs of a multiplier with its selection, ROM and adder, beside which a lane's are weighed.
MULTIPLIER_LUTS = 60
#: Exchanges of two cells that are tried to save multipliers: for each cell, and at most.
TRIALS_EACH, MOST_TRIALS = 40, 3000
#: Numbers of lanes that are tried in full.
FINALISTS = 3


@dataclass(frozen=True)
class Pool:
    """Rows of the matrix whose terms share multipliers, each used up to `reuse_factor` times a time step."""

    start: int
    stop: int
    reuse_factor: int


@dataclass(frozen=True, eq=False)
class Multiplier:
    """One multiplier: in round r it multiplies input `inputs[picks[r]]` by `weights[r]`."""

    inputs: tuple[int, ...]
    #: (rounds,); 0 where `weights` is.
    picks: Integers
    #: (rounds,); 0 where it has no term.
    weights: Integers


@dataclass(frozen=True, eq=False)
class Bank:
    """The multipliers of one member of one lane, and the output that they work out at each position."""

    #: None: the lane has no cell there.
    outputs: tuple[int | None, ...]
    multipliers: tuple[Multiplier, ...]


@dataclass(frozen=True, eq=False)
class Folding:
    """The schedule of a product."""

    cells: Cells
    #: Rounds of each position.
    lengths: tuple[int, ...]
    #: By member, then by lane.
    banks: tuple[Bank, ...]

    @property
    def rounds(self) -> int:
        """Rounds of a time step: never more than the largest reuse factor."""
        return sum(self.lengths)

    @property
    def starts(self) -> tuple[int, ...]:
        """First round of each position."""
        return tuple(accumulate((0, *self.lengths[:-1])))

    @property
    def lanes(self) -> int:
        """Cells that are worked out at the same time."""
        return len(self.cells)

    @property
    def positions(self) -> int:
        """Cells of a lane."""
        return len(self.lengths)

    @property
    def multipliers(self) -> int:
        """Multipliers of all banks."""
        return sum(len(bank.multipliers) for bank in self.banks)

    @classmethod
    def of(
        cls, matrix: Integers, members: int, pools: Sequence[Pool], positions: int | None, lane_luts: int
    ) -> Folding:
        """Fold a matrix.

        Parameters
        ----------
        matrix : integer array (inputs, outputs)
            Output k cells + c is member k of cell c.
        members : int
            Outputs of a cell.
        pools : sequence of Pool
            They cover the rows; the rounds are at most the largest factor of them.
        positions : int, optional
            Cells of a lane; what costs least by default.
        lane_luts : int
            LUTs of a lane beside its multipliers.
        """
        nonzero = matrix.reshape(len(matrix), members, -1) != 0
        # (pools, members, cells): terms of each output.
        need = np.stack([nonzero[pool.start : pool.stop].sum(axis=0) for pool in pools])
        factors = tuple(pool.reuse_factor for pool in pools)
        cells, lengths = _arrange(need.tobytes(), need.shape, factors, positions, lane_luts)
        banks = []
        for member in range(members):
            for lane in cells:
                outputs = tuple(None if cell is None else member * nonzero.shape[2] + cell for cell in lane)
                found: list[Multiplier] = []
                for pool in pools:
                    found += _deal(matrix, outputs, lengths, pool)
                banks.append(Bank(outputs, tuple(found)))
        return cls(cells, lengths, tuple(banks))


@lru_cache(maxsize=256)
def _arrange(
    data: bytes, shape: tuple[int, int, int], factors: tuple[int, ...], positions: int | None, lane_luts: int
) -> tuple[Cells, tuple[int, ...]]:
    """Give cells to lanes and rounds to positions: (cell of each lane and position, rounds of each position)."""
    need = np.frombuffer(data, np.int64).reshape(shape)
    count, most = shape[2], min(factors)
    wanted = range(1, min(count, most) + 1) if positions is None else (min(positions, count),)
    lanes = sorted({-(-count // each) for each in wanted})

    def price(tables: _Tables) -> int:
        return tables.multipliers() * MULTIPLIER_LUTS + len(tables.slots) * lane_luts

    first = sorted((_Tables(need, number, factors) for number in lanes), key=price)
    for tables in first[:FINALISTS]:
        tables.improve()
    best = min(first[:FINALISTS], key=price)
    cells = tuple(tuple(None if cell < 0 else cell for cell in lane) for lane in best.slots)
    return cells, tuple(best.lengths)


class _Tables:
    """A trial: cells in slots (lanes x positions), rounds by position, multipliers by lane."""

    def __init__(self, need: Integers, lanes: int, factors: tuple[int, ...]) -> None:
        count = need.shape[2]
        self.positions = -(-count // lanes)
        # The rounds are the largest factor's; a pool with a smaller one has its own bound.
        rounds = max(factors)
        # The last entry is that of an empty slot, -1.
        self.need = [[(*terms, 0) for terms in pool] for pool in need.tolist()]
        self.factors = factors
        # Neighbours in size share a lane: what a lane has must serve the largest of its cells.
        order = np.argsort(-need.sum(axis=(0, 1)), kind="stable").tolist()
        padded = [*order, *[-1] * (lanes * self.positions - count)]
        self.slots = [padded[lane * self.positions : (lane + 1) * self.positions] for lane in range(lanes)]
        each, more = divmod(rounds, self.positions)
        self.lengths = [each + (place < more) for place in range(self.positions)]

    def lane(self, slots: list[int]) -> int:
        """Multipliers of a lane with these cells."""
        total = 0
        for pool, factor in zip(self.need, self.factors, strict=True):
            for member in pool:
                total += multipliers_of([member[cell] for cell in slots], self.lengths, factor)
        return total

    def multipliers(self) -> int:
        """Multipliers of all lanes."""
        return sum(map(self.lane, self.slots))

    def improve(self) -> None:
        """Exchange cells between lanes, and rounds between positions, while that saves multipliers."""
        if self.positions == 1:
            return
        rng = np.random.default_rng(0)
        lanes, costs = len(self.slots), [self.lane(slots) for slots in self.slots]
        trials = min(TRIALS_EACH * lanes * self.positions, MOST_TRIALS)
        choices = rng.integers(0, (10, lanes, lanes, self.positions, self.positions), (trials, 5)).tolist()
        for kind, one, other, here, there in choices:
            if kind == 0:
                costs = self._move_round(here, there, costs)
            elif lanes > 1:
                self._exchange(one, other, here, there, costs)

    def _exchange(self, one: int, other: int, here: int, there: int, costs: list[int]) -> None:
        if one == other:
            return
        a, b = self.slots[one], self.slots[other]
        a[here], b[there] = b[there], a[here]
        new = self.lane(a), self.lane(b)
        if sum(new) <= costs[one] + costs[other]:
            costs[one], costs[other] = new
        else:
            a[here], b[there] = b[there], a[here]

    def _move_round(self, here: int, there: int, costs: list[int]) -> list[int]:
        if self.lengths[here] == 1 or here == there:
            return costs
        self.lengths[here] -= 1
        self.lengths[there] += 1
        new = [self.lane(slots) for slots in self.slots]
        if sum(new) <= sum(costs):
            return new
        self.lengths[here] += 1
        self.lengths[there] -= 1
        return costs


def multipliers_of(terms: Sequence[int], lengths: Sequence[int], factor: int) -> int:
    """Fewest multipliers of a bank: its terms at each position fit the rounds there, and its uses the factor."""
    count: int = -min(map(floordiv, map(neg, terms), lengths))
    if count and factor < sum(lengths):
        while sum(-(-term // count) for term in terms) > factor:
            count += 1
    return count


def _deal(matrix: Integers, outputs: Sequence[int | None], lengths: Sequence[int], pool: Pool) -> list[Multiplier]:
    """Deal the terms of a bank to its multipliers, so that each selects from few inputs."""
    rows = [
        np.zeros(0, np.int64) if output is None else pool.start + np.flatnonzero(matrix[pool.start : pool.stop, output])
        for output in outputs
    ]
    count = multipliers_of([len(found) for found in rows], lengths, pool.reuse_factor)
    if not count:
        return []
    every = np.sort(np.concatenate(rows))
    # Multiplier k prefers the inputs from borders[k] up to, without, borders[k + 1].
    borders = [int(every[len(every) * k // count]) for k in range(count)]
    tables = np.zeros((2, count, sum(lengths)), np.int64)
    start = 0
    for found, output, length in zip(rows, outputs, lengths, strict=True):
        most = -(-len(found) // count) if pool.reuse_factor < sum(lengths) else length
        for k, (begin, end) in enumerate(pairwise(_cuts(found, borders, most))):
            tables[0, k, start : start + end - begin] = found[begin:end]
            if end > begin:
                tables[1, k, start : start + end - begin] = matrix[found[begin:end], output]
        start += length
    return [_multiplier(inputs, weights) for inputs, weights in zip(*tables, strict=True)]


def _cuts(rows: Integers, borders: list[int], most: int) -> list[int]:
    """Where the terms of one output are cut: near the borders, with at most `most` terms to a multiplier."""
    count, cuts = len(borders), [0]
    for k in range(1, count):
        wanted = int(np.searchsorted(rows, borders[k]))
        least = max(cuts[-1], len(rows) - (count - k) * most)
        cuts.append(min(max(wanted, least), cuts[-1] + most))
    return [*cuts, len(rows)]


def _multiplier(inputs: Integers, weights: Integers) -> Multiplier:
    used = np.unique(inputs[weights != 0])
    picks = np.where(weights != 0, np.searchsorted(used, inputs), 0)
    return Multiplier(tuple(used.tolist()), picks, weights.copy())
