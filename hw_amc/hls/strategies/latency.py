"""Strategy latency: each nonzero weight is a literal in straight text, and all products are worked out at once."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np

from hw_amc.hls.cpp import literal
from hw_amc.hls.product import Product
from hw_amc.hls.strategies.base import Integers, Strategy, title

_TERM = re.compile(r"mac\(a, x\[(\d+)\], (-?\d+)\)")
_OUTPUT = re.compile(r"m\[(\d+)\] = hw_amc::total\(a, \d+, (-?\d+)(?:LL)?\);")


class Latency(Strategy):
    """A sum of products with literals for each output."""

    name: ClassVar[str] = "latency"

    def emit(self, product: Product) -> str:
        lines = [
            title(product),
            f"struct {product.name} {{",
            "    template <class x_T, class m_T> static void all(const x_T *x, m_T *m) {",
            "        #pragma HLS INLINE",
            "        using hw_amc::mac;",
            "        m_T a;",
        ]
        for j, column in enumerate(product.matrix.T):
            terms = "".join(f" mac(a, x[{i}], {column[i]});" for i in np.flatnonzero(column))
            total = f"hw_amc::total(a, {product.shift}, {literal(int(product.bias[j]))})"
            lines.append(f"        hw_amc::clear(a);{terms} m[{j}] = {total};")
        return "\n".join([*lines, "    }", "};", ""])

    def parse(self, text: str, shape: tuple[int, int]) -> tuple[Integers, Integers]:
        matrix, bias = np.zeros(shape, np.int64), np.zeros(shape[1], np.int64)
        for line in text.splitlines():
            output = _OUTPUT.search(line)
            if output is None:
                continue
            j = int(output.group(1))
            bias[j] = int(output.group(2))
            for i, weight in _TERM.findall(line):
                matrix[int(i), j] += int(weight)
        return matrix, bias

    def multiplications(self, product: Product) -> int:
        return product.nonzeros


LATENCY = Latency()
