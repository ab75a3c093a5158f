"""Strategy distributed_arithmetic: the matrix as one graph of adders, which all outputs share; no multiplication."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np

from hw_amc import cache
from hw_amc.adders import Adder, AdderGraph, Output, build_graph, integers
from hw_amc.errors import DataError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.cpp import literal
from hw_amc.hls.product import Product
from hw_amc.hls.strategies.base import Integers, Strategy, title

_ADDER = re.compile(r"type v(\d+) = (add|subtract)<[^>]*>\((\S+), (\d+), (\S+), (\d+)\);")
_OUTPUT = re.compile(r"m\[(\d+)\] = shifted<m_T>\((\S+), (-?\d+), \d+, (-?\d+)(?:LL)?\);")
_INPUT = re.compile(r"x\[(\d+)\]")


class DistributedArithmetic(Strategy):
    """The adder graph that da4ml finds."""

    name: ClassVar[str] = "distributed_arithmetic"

    def graph(self, product: Product) -> AdderGraph:
        """Adders of a product; the solutions are kept in the cache."""
        inputs = [integers(product.x_fmt)] * len(product.matrix)
        return build_graph(product.matrix, inputs, cache=cache.default_root())

    def emit(self, product: Product) -> str:
        graph = self.graph(product)
        count = len(graph.inputs)
        names = [f"x[{i}]" if i < count else f"v{i}" for i in range(count + len(graph.adders))]
        lines = [
            title(product),
            f"// {len(graph.adders):,} adders, at most {graph.depth} in a row.",
            f"struct {product.name} {{",
            "    template <class x_T, class m_T> static void all(const x_T *x, m_T *m) {",
            "        #pragma HLS INLINE",
            "        using namespace hw_amc::adders;",
        ]
        for index, adder in enumerate(graph.adders, count):
            lines.append(f"        {_adder_text(names, index, adder, graph.formats[index])}")
        for j, output in enumerate(graph.outputs):
            value, shift = ("zero()", 0) if output.node is None else (names[output.node], output.shift)
            bias = literal(int(product.bias[j]))
            lines.append(f"        m[{j}] = shifted<m_T>({value}, {shift}, {product.shift}, {bias});")
        return "\n".join([*lines, "    }", "};", ""])

    def parse(self, text: str, shape: tuple[int, int]) -> tuple[Integers, Integers]:
        adders, outputs, bias = [], [Output(None)] * shape[1], np.zeros(shape[1], np.int64)
        for _, kind, a, shift_a, b, shift_b in _ADDER.findall(text):
            adders.append(Adder(_node(a), int(shift_a), _node(b), int(shift_b), kind == "subtract"))
        for j, value, shift, constant in _OUTPUT.findall(text):
            bias[int(j)] = int(constant)
            if value != "zero()":
                outputs[int(j)] = Output(_node(value), int(shift))
        # One bit an input: only the coefficients are of interest.
        graph = AdderGraph((FixedFormat(1, 0, signed=False),) * shape[0], tuple(adders), tuple(outputs))
        return graph.matrix, bias

    def multiplications(self, product: Product) -> int:
        return 0


def _adder_text(names: list[str], index: int, adder: Adder, fmt: FixedFormat) -> str:
    kind = "subtract" if adder.subtract else "add"
    bits = f"{fmt.bits}, {str(fmt.signed).lower()}"
    call = f"{kind}<{bits}>({names[adder.a]}, {adder.shift_a}, {names[adder.b]}, {adder.shift_b})"
    return f"const hw_amc::integer<{bits}>::type {names[index]} = {call};"


def _node(name: str) -> int:
    found = _INPUT.fullmatch(name)
    if found:
        return int(found.group(1))
    if not re.fullmatch(r"v\d+", name):
        raise DataError(f"the generated code has an adder of {name!r}; write the project again")
    return int(name[1:])


DISTRIBUTED_ARITHMETIC = DistributedArithmetic()
