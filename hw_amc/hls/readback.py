"""The integers in generated C++, read back out of the text, must be the Graph's."""

from __future__ import annotations

import numpy as np

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph
from hw_amc.hls import roms
from hw_amc.hls.ops import LayerBuild, Operation, find
from hw_amc.hls.strategies import strategy_of
from hw_amc.hls.strategies.base import struct_text
from hw_amc.hls.target import Target


def require_text(code: str, graph: Graph, target: Target) -> None:
    """Raise Mismatch, naming the first, unless the integers in generated C++ are the Graph's."""
    for node in graph.nodes[1:]:
        operation = find(node)
        layer = LayerBuild(node, tuple(graph.sources(node)), target.layer(node.name))
        _require_table(code, operation, layer)
        product = operation.product(layer)
        if product is None:
            continue
        text = struct_text(code, product.name)
        matrix, bias = strategy_of(product).parse(text, (len(product.matrix), len(product.bias)))
        wrong = np.argwhere(matrix != product.matrix)
        if len(wrong):
            row, column = map(int, wrong[0])
            raise Mismatch(
                f"layer {node.name}: {operation.locate(layer, row, column)} is {matrix[row, column]} in the C++ and "
                f"{product.matrix[row, column]} in the graph"
            )
        for index in np.flatnonzero(bias != product.bias)[:1]:
            raise Mismatch(
                f"layer {node.name}: the bias of output {index} is {bias[index]} in the C++ and {product.bias[index]} "
                "in the graph"
            )


def _require_table(code: str, operation: Operation, layer: LayerBuild) -> None:
    wanted = operation.tables(layer)
    if wanted is None:
        return
    name = layer.node.name
    found = roms.parse(struct_text(code, roms.name_of(name)), len(wanted))
    for copy, index in np.argwhere(found != wanted)[:1]:
        raise Mismatch(
            f"layer {name}: entry {index} of its table is {found[copy, index]} in the C++ and {wanted[index]} in the "
            "graph"
        )
    if not len(found):
        raise Mismatch(f"layer {name}: its table is missing in the C++; write the project again")
