"""The sums of a constant matrix as hardware adds them: two or three terms at a time, made of an adder graph.

A carry chain of Xilinx' parts adds three numbers in as many LUTs as two: a LUT with two outputs makes a bit's sum and
its carry, and the chain adds both (`amc_sum3.v`). So an adder whose value only one other adder reads goes into that
one. Which pairs save most LUTs is found exactly: adders of one reader form trees, and pairs in a tree are a matching.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.adders import AdderGraph, Output, formats_of
from hw_amc.errors import Mismatch
from hw_amc.graph.fixed import FixedFormat


@dataclass(frozen=True)
class Term:
    """`value[node] << shift`, or minus that."""

    node: int
    shift: int
    negative: bool = False


@dataclass(frozen=True)
class Sum:
    """Two or three terms: positive ones first, of which there is one at least; the lowest shift is 0."""

    terms: tuple[Term, ...]

    @property
    def negatives(self) -> int:
        """Terms that are subtracted, the last ones."""
        return sum(term.negative for term in self.terms)

    def passed(self, bits: int) -> int:
        """Low bits of a result of `bits` bits that one term alone makes: they need no adder."""
        low, second, *_ = sorted(self.terms, key=lambda term: (term.shift, term.negative))
        if low.negative:
            return 0
        return min(second.shift, bits)


@dataclass(frozen=True)
class SumGraph:
    """The sums that compute y = x @ matrix: values are the inputs, then one sum each."""

    inputs: tuple[FixedFormat, ...]
    sums: tuple[Sum, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def coefficients(self) -> NDArray[np.int64]:
        """Linear form of each value: (values, inputs)."""
        count = len(self.inputs)
        forms = np.zeros((count + len(self.sums), count), np.int64)
        forms[:count] = np.eye(count, dtype=np.int64)
        for index, one in enumerate(self.sums, count):
            for term in one.terms:
                form = forms[term.node] << term.shift
                forms[index] += -form if term.negative else form
        return forms

    @cached_property
    def formats(self) -> tuple[FixedFormat, ...]:
        """Narrowest integer format of each value, from its linear form."""
        return formats_of(self.inputs, self.coefficients)

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Sums in series from the inputs to each value."""
        levels = [0] * len(self.inputs)
        for one in self.sums:
            levels.append(1 + max(levels[term.node] for term in one.terms))
        return tuple(levels)

    @property
    def depth(self) -> int:
        """Sums in series to the deepest output."""
        return max((self.levels[out.node] for out in self.outputs if out.node is not None), default=0)

    @property
    def ternary(self) -> bool:
        """Whether any sum has three terms."""
        return any(len(one.terms) == 3 for one in self.sums)

    def model(self, x: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Evaluate sum by sum: (n, inputs) -> (n, outputs)."""
        values = [column.astype(np.int64) for column in np.asarray(x).T]
        for one in self.sums:
            terms = [values[term.node] << term.shift for term in one.terms]
            values.append(sum(-v if t.negative else v for t, v in zip(one.terms, terms, strict=True)))
        zero = np.zeros(len(x), np.int64)
        columns = []
        for out in self.outputs:
            value = zero if out.node is None else values[out.node]
            columns.append(value << out.shift if out.shift >= 0 else value >> -out.shift)
        return np.stack(columns, axis=1)


def sums_of(graph: AdderGraph, ternary: bool) -> SumGraph:
    """Return the sums of an adder graph, of two terms each, or with `ternary` of three where that saves LUTs.

    Raises
    ------
    Mismatch
        The sums compute another matrix.
    """
    count = len(graph.inputs)
    sums = [Sum((Term(adder.a, adder.shift_a), Term(adder.b, adder.shift_b, adder.subtract))) for adder in graph.adders]
    plain = SumGraph(graph.inputs, tuple(sums), graph.outputs)
    if not ternary:
        return plain
    pairs = _Matching(plain).pairs
    gone = set(pairs.values())
    places = {node: node for node in range(count)}
    fused: list[Sum] = []
    for node, one in enumerate(sums, count):
        if node in gone:
            continue
        whole = _merged(one, pairs[node], sums[pairs[node] - count]) if node in pairs else one
        fused.append(Sum(tuple(Term(places[term.node], term.shift, term.negative) for term in whole.terms)))
        places[node] = count + len(fused) - 1
    outputs = tuple(Output(None if o.node is None else places[o.node], o.shift) for o in graph.outputs)
    found = SumGraph(graph.inputs, tuple(fused), outputs)
    kept = [node for node in range(count + len(sums)) if node not in gone]
    if not np.array_equal(found.coefficients, plain.coefficients[kept]):
        raise Mismatch("sums of three terms compute another matrix than their adder graph")
    return found


def _merged(one: Sum, node: int, inner: Sum) -> Sum:
    """The sum with `inner` in place of its term that is `node`; positive terms first, in their order."""
    terms = list[Term]()
    for term in one.terms:
        if term.node == node:
            terms += [Term(t.node, t.shift + term.shift, t.negative != term.negative) for t in inner.terms]
        else:
            terms.append(term)
    return Sum(tuple(sorted(terms, key=lambda term: term.negative)))


class _Matching:
    """Pairs of a sum and one of those that it alone reads, disjoint, that save the most LUTs."""

    def __init__(self, graph: SumGraph) -> None:
        self.graph, self.count = graph, len(graph.inputs)
        readers = self._readers()
        nodes = range(self.count, self.count + len(graph.sums))
        #: Sums that go into each sum, or into none.
        self.inner = {
            node: [t.node for t in self._sum(node).terms if t.node >= self.count and readers[t.node] == [node]]
            for node in nodes
        }
        #: LUTs saved in a sum's tree: whatever happens at its top, and with its top left alone.
        self.saved, self.apart = dict[int, int](), dict[int, int]()
        self.choice = dict[int, int]()
        for node in nodes:  # inner ones come first
            self._solve(node)
        self.pairs = dict(self._collect(set(nodes) - {inner for found in self.inner.values() for inner in found}))

    def _sum(self, node: int) -> Sum:
        return self.graph.sums[node - self.count]

    def _readers(self) -> list[list[int]]:
        """Sums that read each value, twice where both terms do; an output is a reader of its own."""
        readers: list[list[int]] = [[] for _ in range(self.count + len(self.graph.sums))]
        for node, one in enumerate(self.graph.sums, self.count):
            for term in one.terms:
                readers[term.node].append(node)
        for out in self.graph.outputs:
            if out.node is not None:
                readers[out.node].append(-1)
        return readers

    def _bits(self, one: Sum, node: int) -> int:
        bits = self.graph.formats[node].bits
        return bits - one.passed(bits)

    def _gain(self, node: int, inner: int) -> int:
        one, other = self._sum(node), self._sum(inner)
        return self._bits(one, node) + self._bits(other, inner) - self._bits(_merged(one, inner, other), node)

    def _solve(self, node: int) -> None:
        base = sum(self.saved[inner] for inner in self.inner[node])
        self.apart[node] = self.saved[node] = base
        for inner in self.inner[node]:
            total = base - self.saved[inner] + self.apart[inner] + self._gain(node, inner)
            if total > self.saved[node]:
                self.saved[node], self.choice[node] = total, inner

    def _collect(self, tops: Iterable[int]) -> Iterable[tuple[int, int]]:
        """Pairs (sum, the one inside it) from the tops of the trees down."""
        todo = [(top, True) for top in sorted(tops)]
        while todo:
            node, free = todo.pop()
            chosen = self.choice.get(node) if free else None
            if chosen is not None:
                yield node, chosen
            todo += [(inner, inner != chosen) for inner in self.inner[node]]
