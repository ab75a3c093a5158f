"""The nonzero weights of a layer as C++ text: literals at reuse factor 1, packed tables above it.

A zero weight is never written, so that it costs neither a multiplier nor a cycle. `parse_matrix` and `parse_bias`
read the integers back out of the text, which is how a written project is compared with the Graph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph import Node, Weights
from hw_amc.graph.fixed import FixedFormat

Integers = NDArray[np.int64]

_TERM = re.compile(r"mac\(a, x\[(\d+)\], (-?\d+)\)")
_OUTPUT = re.compile(r"m\[(\d+)\] = hw_amc::total\(a, (\d+), (-?\d+) \* (\d+)(?:LL)?\);")
_TABLE = re.compile(r"(\w+)\[(\d+)\](?:\[(\d+)\])? = \{([^;]*)\};")


@dataclass(frozen=True)
class Product:
    """One constant matrix and its bias: m[j] = (sum_i x[i] matrix[i, j]) * 2^shift + bias[j] * 2^bias_shift."""

    #: Name of the C++ function.
    name: str
    #: (inputs, outputs), raw integers.
    matrix: Weights
    #: (outputs,), raw integers.
    bias: Weights
    shift: int
    bias_shift: int
    #: Inputs that one output may read: the fan-in that reuse factors refer to (1 for an affine).
    fan_in: int
    reuse_factor: int = 1
    #: Weights as literals in straight text; False packs them into tables by the reuse factor.
    literal: bool = True

    @property
    def nonzeros(self) -> int:
        """Weights that are not zero."""
        return int(np.count_nonzero(self.matrix))

    @cached_property
    def schedule(self) -> Schedule:
        """Which multiplier does which term in which round, for reuse factors above 1."""
        return Schedule.build(self.matrix, self.fan_in, self.reuse_factor)

    @property
    def multipliers(self) -> int:
        """Multipliers that the layer needs at its reuse factor."""
        return self.nonzeros if self.literal else len(self.schedule.inputs)

    def emit(self) -> str:
        """C++ text of the function."""
        return _emit_literals(self) if self.literal else _emit_tables(self)


@dataclass(frozen=True)
class Schedule:
    """Terms by multiplier and round; unused places hold weight 0."""

    #: (multipliers, rounds), rounds <= reuse factor
    inputs: Integers
    outputs: Integers
    weights: Integers

    @classmethod
    def build(cls, matrix: Weights, fan_in: int, reuse_factor: int) -> Schedule:
        """Give each output ceil(nonzeros / reuse factor) multipliers of its own, evenly loaded.

        Above the fan-in a multiplier serves reuse_factor / fan_in neighbouring outputs instead, as in hls4ml.
        """
        outputs = matrix.shape[1]
        shared = max(1, reuse_factor // fan_in)
        loads: list[list[tuple[int, int, int]]] = []
        for first in range(0, outputs, shared):
            terms = [
                (int(i), j, int(matrix[i, j]))
                for j in range(first, min(first + shared, outputs))
                for i in np.flatnonzero(matrix[:, j])
            ]
            count = -(-len(terms) // reuse_factor)
            loads += [terms[start::count] for start in range(count)]
        rounds = max((len(load) for load in loads), default=0)
        table = np.zeros((3, len(loads), rounds), np.int64)
        for row, load in enumerate(loads):
            # An unused place adds 0 to the output that the multiplier serves anyway.
            table[:2, row] = np.array(load[0][:2])[:, np.newaxis]
            table[:, row, : len(load)] = np.array(load).T
        return cls(*table)


def products(node: Node, source_fmt: FixedFormat, layer: LayerHls) -> tuple[Product, ...]:
    """Constant products of a node: two for a GRU (input, recurrent), one for a linear layer, none for others.

    They are literals at reuse factor 1, tables above it and wherever the strategy is `Resource`.

    Raises
    ------
    ConfigError
        The reuse factor is illegal; the message lists the legal ones.
    """
    reuse_factor = layer.reuse_factor
    require_legal(node, reuse_factor)
    literal = reuse_factor == 1 and layer.strategy == "Latency"
    if isinstance(node, ir.Gru):
        frac = node.acc_frac(source_fmt)
        pairs = (
            ("input", node.kernel, node.bias, source_fmt.frac + node.kernel_fmt.frac, node.bias_fmt),
            (
                "recurrent",
                node.recurrent,
                node.recurrent_bias,
                node.fmt.frac + node.recurrent_fmt.frac,
                node.recurrent_bias_fmt,
            ),
        )
        return tuple(
            Product(
                f"{node.name}_{kind}", w, b, frac - w_frac, frac - b_fmt.frac,
                len(w), _closest(w.shape, reuse_factor), literal,
            )
            for kind, w, b, w_frac, b_fmt in pairs
        )  # fmt: skip
    if not isinstance(node, ir.Conv1d | ir.Dense | ir.Affine):
        return ()
    matrix = np.diag(node.kernel) if isinstance(node, ir.Affine) else node.matrix()
    fan_in = 1 if isinstance(node, ir.Affine) else len(matrix)
    bias_shift = node.acc_frac(source_fmt) - node.bias_fmt.frac
    return (Product(f"{node.name}_product", matrix, node.bias, 0, bias_shift, fan_in, reuse_factor, literal),)


def legal_reuse_factors(node: Node) -> list[int]:
    """Reuse factors that hls4ml's rules admit for this node, ascending; [1] for a node without multiplications.

    For a GRU they are those of the recurrent matrix (H x 3H); the input matrix takes the largest of its own that
    does not exceed it. For an affine the fan-in is 1.
    """
    if isinstance(node, ir.Gru):
        return _legal(*node.recurrent.shape)
    if isinstance(node, ir.Affine):
        return _legal(1, len(node.kernel))
    if isinstance(node, ir.Conv1d | ir.Dense):
        return _legal(*node.matrix().shape)
    return [1]


def require_legal(node: Node, reuse_factor: int) -> None:
    """Raise ConfigError with the list of legal reuse factors unless `reuse_factor` is one of them."""
    legal = legal_reuse_factors(node)
    if reuse_factor not in legal:
        known = ", ".join(map(str, legal))
        raise ConfigError(f"[hls.layers.{node.name}] reuse_factor = {reuse_factor} is not legal; choose from {known}")


def _legal(n_in: int, n_out: int) -> list[int]:
    """hls4ml's rule: divides n_in n_out, and either divides n_in or is a multiple of it (all outputs alike)."""
    total = n_in * n_out
    return [
        factor
        for factor in range(1, total + 1)
        if total % factor == 0 and (n_in % factor == 0 if factor < n_in else factor % n_in == 0)
    ]


def _closest(shape: tuple[int, ...], reuse_factor: int) -> int:
    return max(factor for factor in _legal(shape[0], shape[1]) if factor <= reuse_factor)


def _emit_literals(product: Product) -> str:
    lines = [
        f"// {product.name}: {product.nonzeros} of {product.matrix.size} weights are not zero; only these are here.",
        f"template <class x_T, class acc_T> void {product.name}(const x_T *x, acc_T *m) {{",
        "    #pragma HLS INLINE",
        "    using hw_amc::mac;",
        "    acc_T a;",
    ]
    for j, column in enumerate(product.matrix.T):
        terms = "".join(f" mac(a, x[{i}], {column[i]});" for i in np.flatnonzero(column))
        lines.append(f"    hw_amc::clear(a);{terms} m[{j}] = {_total(product, j)}")
    return "\n".join([*lines, "}", ""])


def _emit_tables(product: Product) -> str:
    schedule = product.schedule
    multipliers, rounds = schedule.inputs.shape
    totals = [f"    hw_amc::clear(a); m[{j}] = {_total(product, j)}" for j in range(len(product.bias))]
    head = [
        f"// {product.name}: {product.nonzeros} of {product.matrix.size} weights are not zero;",
        f"// {multipliers} multipliers, each used up to {rounds} times (reuse factor {product.reuse_factor}).",
        f"template <class x_T, class acc_T> void {product.name}(const x_T *x, acc_T *m) {{",
        "    #pragma HLS INLINE",
        "    acc_T a;",
        *totals,
    ]
    if multipliers:
        tables = [
            f"    static const {_c_type(table)} {name}[{multipliers}][{rounds}] = {{{_braces(table)}}};"
            for name, table in (
                ("inputs", schedule.inputs), ("outputs", schedule.outputs), ("weights", schedule.weights)
            )
        ]  # fmt: skip
        one_output = "true" if product.reuse_factor <= product.fan_in else "false"
        call = f"hw_amc::rounds<{multipliers}, {rounds}, {product.shift}, {one_output}>"
        head += [*tables, f"    {call}(x, m, inputs, outputs, weights);"]
    return "\n".join([*head, "}", ""])


def _total(product: Product, j: int) -> str:
    scale = 1 << product.bias_shift
    suffix = "" if abs(int(product.bias[j])) * scale < 1 << 31 else "LL"
    return f"hw_amc::total(a, {product.shift}, {product.bias[j]} * {scale}{suffix});"


def _braces(table: Integers) -> str:
    return ", ".join("{" + ", ".join(map(str, row)) + "}" for row in table)


def _c_type(table: Integers) -> str:
    largest = max(abs(int(table.min())), abs(int(table.max())) + 1)
    return "signed char" if largest <= 128 else "short" if largest <= 1 << 15 else "int"


def count_multiplications(text: str) -> int:
    """Multiplications by a constant in emitted text: literal terms, or multipliers of the tables."""
    literals = len(_TERM.findall(text))
    packed = sum(int(count) for count in re.findall(r"hw_amc::rounds<(\d+),", text))
    return literals + packed


def function_text(code: str, name: str) -> str:
    """Cut the function `name` out of generated code.

    Raises
    ------
    DataError
        It is not there.
    """
    match = re.search(rf"^template <[^\n]*> void {re.escape(name)}\(.*?^\}}$", code, re.DOTALL | re.MULTILINE)
    if match is None:
        raise DataError(f"the generated code has no function {name}; write the project again")
    return match.group(0)


def parse_matrix(text: str, shape: tuple[int, int]) -> Integers:
    """Read the weights (inputs, outputs) back out of one emitted function."""
    matrix = np.zeros(shape, np.int64)
    tables = {name: values for name, _, _, values in _TABLE.findall(text)}
    if tables:
        i, j, w = (_numbers(tables[name]) for name in ("inputs", "outputs", "weights"))
        np.add.at(matrix, (i, j), w)
        return matrix
    for line in text.splitlines():
        output = _OUTPUT.search(line)
        if output is None:
            continue
        for i, w in _TERM.findall(line):
            matrix[int(i), int(output.group(1))] += int(w)
    return matrix


def parse_bias(text: str, outputs: int) -> Integers:
    """Read the bias (outputs,) back out of one emitted function."""
    bias = np.zeros(outputs, np.int64)
    for j, _, value, _ in _OUTPUT.findall(text):
        bias[int(j)] = int(value)
    return bias


def _numbers(values: str) -> Integers:
    return np.array([int(word) for word in re.findall(r"-?\d+", values)], np.int64)
