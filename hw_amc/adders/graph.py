"""Adder graphs: a constant matrix as shifts and additions (distributed arithmetic), found by da4ml.

A graph is a list of values: first the inputs, then one adder each. Every value is a linear form over the inputs
with integer coefficients; the coefficients of the outputs are compared with the matrix when the graph is built,
so that a graph that exists is a right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.adders.solutions import Stages, solve
from hw_amc.errors import ConfigError, Mismatch
from hw_amc.graph.fixed import FixedFormat

#: float32 inside da4ml holds integers up to this.
MAX_WEIGHT = 1 << 24
#: Coefficients are summed in 64 bits.
_MOST_COEFFICIENT = (1 << 62) - 1


@dataclass(frozen=True)
class Adder:
    """`(value[a] << shift_a) + (value[b] << shift_b)`, or minus; one of the shifts is 0."""

    a: int
    shift_a: int
    b: int
    shift_b: int
    subtract: bool


@dataclass(frozen=True)
class Output:
    """`value[node] << shift` (an exact right shift where negative); node None is the constant 0."""

    node: int | None
    shift: int = 0


def formats_of(inputs: Sequence[FixedFormat], coefficients: NDArray[np.int64]) -> tuple[FixedFormat, ...]:
    """Narrowest integer format of each linear form, (values, inputs), of inputs in these formats."""
    low_in = np.array([fmt.min_raw for fmt in inputs], np.int64)
    high_in = np.array([fmt.max_raw for fmt in inputs], np.int64)
    positive, negative = np.maximum(coefficients, 0), np.minimum(coefficients, 0)
    low = positive @ low_in + negative @ high_in
    high = positive @ high_in + negative @ low_in
    return tuple(integer_format(int(lo), int(hi)) for lo, hi in zip(low, high, strict=True))


@dataclass(frozen=True)
class AdderGraph:
    """The adders that compute y = x @ matrix."""

    inputs: tuple[FixedFormat, ...]
    adders: tuple[Adder, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def coefficients(self) -> NDArray[np.int64]:
        """Linear form of each value: (values, inputs)."""
        count = len(self.inputs)
        forms = np.zeros((count + len(self.adders), count), np.int64)
        forms[:count] = np.eye(count, dtype=np.int64)
        #: Largest coefficient of each value.
        largest = [1] * count
        for index, adder in enumerate(self.adders, count):
            if (largest[adder.a] << adder.shift_a) + (largest[adder.b] << adder.shift_b) > _MOST_COEFFICIENT:
                raise Mismatch(f"adder {index - count} of an adder graph would not fit 64 bits")
            right = forms[adder.b] << adder.shift_b
            forms[index] = (forms[adder.a] << adder.shift_a) + (-right if adder.subtract else right)
            largest.append(int(np.abs(forms[index]).max()))
        return forms

    @cached_property
    def formats(self) -> tuple[FixedFormat, ...]:
        """Narrowest integer format of each value, from its linear form."""
        return formats_of(self.inputs, self.coefficients)

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Adders in series from the inputs to each value."""
        levels = [0] * len(self.inputs)
        for adder in self.adders:
            levels.append(1 + max(levels[adder.a], levels[adder.b]))
        return tuple(levels)

    @property
    def depth(self) -> int:
        """Adders in series to the deepest output."""
        return max((self.levels[out.node] for out in self.outputs if out.node is not None), default=0)

    @cached_property
    def matrix(self) -> NDArray[np.int64]:
        """The matrix that the outputs compute: (inputs, outputs)."""
        columns = np.zeros((len(self.inputs), len(self.outputs)), np.int64)
        for index, out in enumerate(self.outputs):
            if out.node is not None:
                columns[:, index] = _shifted(self.coefficients[out.node], out.shift)
        return columns

    def model(self, x: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Evaluate adder by adder: (n, inputs) -> (n, outputs)."""
        values = [column.astype(np.int64) for column in np.asarray(x).T]
        for adder in self.adders:
            right = values[adder.b] << adder.shift_b
            values.append((values[adder.a] << adder.shift_a) + (-right if adder.subtract else right))
        zero = np.zeros(len(x), np.int64)
        columns = []
        for out in self.outputs:
            value = zero if out.node is None else values[out.node]
            columns.append(value << out.shift if out.shift >= 0 else value >> -out.shift)
        return np.stack(columns, axis=1)


def _shifted(form: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Shift a linear form; Mismatch where a shift right would drop a bit of the sum, or one left would overflow."""
    if shift >= 0:
        if int(np.abs(form).max()) << shift > _MOST_COEFFICIENT:
            raise Mismatch("an output of an adder graph would not fit 64 bits")
        return form << shift
    if -shift >= 63 or (form & ((1 << -shift) - 1)).any():
        raise Mismatch("an output of an adder graph is shifted right over bits that are not zero")
    return form >> -shift


def integers(fmt: FixedFormat) -> FixedFormat:
    """Return the format's integers without its binary point."""
    return FixedFormat(fmt.bits, 0, fmt.signed)


def integer_format(low: int, high: int) -> FixedFormat:
    """Return the narrowest format of an integer in [low, high]; one bit at least, two with a sign."""
    if low >= 0:
        return FixedFormat(max(high.bit_length(), 1), 0, signed=False)
    return FixedFormat(max(high.bit_length(), (~low).bit_length(), 1) + 1, 0)


def build_graph(
    matrix: NDArray[np.integer[Any]], inputs: Sequence[FixedFormat], extra_depth: int = -1, cache: Path | None = None
) -> AdderGraph:
    """Find an adder graph of `matrix`.

    Parameters
    ----------
    matrix : integer array (inputs, outputs)
        Rows, columns or all of it may be zero.
    inputs : sequence of FixedFormat
        Format of each input; only its integers count.
    extra_depth : int
        Adder levels allowed beyond the fewest possible; -1: as many as save adders.
    cache : Path, optional
        Root of the cache that keeps solutions (`hw_amc.cache`); a large matrix takes a minute.

    Raises
    ------
    ConfigError
        A weight has more than 24 bits.
    ToolMissing
        da4ml is not installed.
    """
    weights = np.ascontiguousarray(matrix, np.int64)
    if weights.size and np.abs(weights).max() >= MAX_WEIGHT:
        raise ConfigError(f"a weight of {np.abs(weights).max()} is wider than 24 bits")
    return _build(weights.tobytes(), weights.shape, tuple(inputs), extra_depth, cache)


@lru_cache(maxsize=16)
def _build(
    data: bytes, shape: tuple[int, ...], inputs: tuple[FixedFormat, ...], extra_depth: int, cache: Path | None
) -> AdderGraph:
    """Build from hashable arguments: a sweep over R asks for the same matrices again."""
    weights = np.frombuffer(data, np.int64).reshape(shape)
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    dense = weights[np.ix_(rows, columns)]

    def assemble(solution: Stages) -> AdderGraph:
        builder = _Builder(inputs)
        found = builder.translate(solution, [int(row) for row in rows])
        outputs = dict(zip((int(column) for column in columns), found, strict=True))
        every = tuple(outputs.get(column, Output(None)) for column in range(shape[1]))
        graph = AdderGraph(inputs, tuple(builder.adders), every)
        if not np.array_equal(graph.matrix, weights):
            raise Mismatch(f"the adder graph of a {shape} matrix computes another matrix")
        return graph

    if not dense.size:
        return AdderGraph(inputs, (), (Output(None),) * shape[1])
    return solve(dense, [inputs[row] for row in rows], extra_depth, cache, assemble)


@dataclass(frozen=True)
class _Term:
    """`(+-value[node]) * 2**exponent`; node None is 0."""

    node: int | None
    exponent: int = 0
    negative: bool = False


class _Builder:
    """Translates da4ml's operations into adders; the signs that it leaves on outputs are folded into the adders."""

    def __init__(self, inputs: tuple[FixedFormat, ...]) -> None:
        self.count = len(inputs)
        self.adders: list[Adder] = []

    def translate(self, solution: list[dict[str, Any]], rows: list[int]) -> list[Output]:
        """Both stages of a solution, one after the other; returns the outputs."""
        terms = [_Term(row) for row in rows]
        for stage in solution:
            terms = self._stage(stage, terms)
        return [self._output(term) for term in terms]

    def _stage(self, stage: dict[str, Any], inputs: list[_Term]) -> list[_Term]:
        terms: list[_Term] = []
        for id0, id1, opcode, data in stage["ops"]:
            if opcode == -1:
                source, shift = inputs[id0], stage["inp_shifts"][id0]
                terms.append(_Term(source.node, source.exponent + shift, source.negative))
            else:
                right = terms[id1]
                negative = right.negative ^ (opcode == 1)
                terms.append(self._add(terms[id0], _Term(right.node, right.exponent + data, negative)))
        outputs = []
        for index, shift, negative in zip(stage["out_idxs"], stage["out_shifts"], stage["out_negs"], strict=True):
            term = terms[index] if index >= 0 else _Term(None)
            outputs.append(_Term(term.node, term.exponent + shift, term.negative ^ bool(negative)))
        return outputs

    def _add(self, left: _Term, right: _Term) -> _Term:
        if left.node is None or right.node is None:
            return right if left.node is None else left
        low = min(left.exponent, right.exponent)
        if left.negative and not right.negative:
            left, right = right, left
        negative = left.negative and right.negative
        subtract = right.negative and not negative
        assert left.node is not None  # for mypy: swapping hid it
        assert right.node is not None
        self.adders.append(Adder(left.node, left.exponent - low, right.node, right.exponent - low, subtract))
        return _Term(self.count + len(self.adders) - 1, low, negative)

    def _output(self, term: _Term) -> Output:
        if term.node is None or not term.negative:
            return Output(term.node, term.exponent if term.node is not None else 0)
        # a - 2a = -a: one adder, and no constant operand in the graph.
        self.adders.append(Adder(term.node, 0, term.node, 1, True))
        return Output(self.count + len(self.adders) - 1, term.exponent)
