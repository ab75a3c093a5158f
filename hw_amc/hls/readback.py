"""The integers in generated C++, read back out of the text, must be the Graph's."""

from __future__ import annotations

import numpy as np

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph
from hw_amc.hls import roms
from hw_amc.hls.ops import LayerBuild, Operation, find
from hw_amc.hls.product import Product
from hw_amc.hls.roms import Integers
from hw_amc.hls.strategies import strategy_of
from hw_amc.hls.strategies.base import struct_text
from hw_amc.hls.target import Target


def require_text(code: str, graph: Graph, target: Target) -> None:
    """Raise Mismatch, naming the first, unless the integers in generated C++ are the Graph's."""
    for node in graph.nodes[1:]:
        layer = LayerBuild.of(graph, node.name, target.layer(node.name))
        operation = find(layer.node)
        for name, wanted in operation.tables(layer).items():
            _require_table(code, node.name, name, wanted)
        row = 0
        for product in operation.products(layer):
            _require_product(code, operation, layer, product, row)
            row += len(product.matrix)


def _require_product(code: str, operation: Operation, layer: LayerBuild, product: Product, first_row: int) -> None:
    name, text = layer.node.name, struct_text(code, product.name)
    matrix, bias = strategy_of(product).parse(text, (len(product.matrix), len(product.bias)))
    wrong = np.argwhere(matrix != product.matrix)
    if len(wrong):
        row, column = map(int, wrong[0])
        raise Mismatch(
            f"layer {name}: {operation.locate(layer, first_row + row, column)} is {matrix[row, column]} in the C++ and "
            f"{product.matrix[row, column]} in the graph"
        )
    for index in np.flatnonzero(bias != product.bias)[:1]:
        raise Mismatch(
            f"layer {name}: the bias of output {index} is {bias[index]} in the C++ and {product.bias[index]} "
            "in the graph"
        )


def _require_table(code: str, layer: str, name: str, wanted: Integers) -> None:
    title = roms.name_of(name)
    found = roms.parse(struct_text(code, title), len(wanted))
    for copy, index in np.argwhere(found != wanted)[:1]:
        raise Mismatch(
            f"layer {layer}: entry {index} of {title} is {found[copy, index]} in the C++ and {wanted[index]} in the "
            "graph"
        )
    if not len(found):
        raise Mismatch(f"layer {layer}: {title} is missing in the C++; write the project again")
