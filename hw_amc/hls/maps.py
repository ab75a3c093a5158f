"""The network as the core streams it: a map that is flattened in front of a dense layer stays a map.

Keras makes one vector of an image, or of the steps of a frame. As an element of a stream it would lie in registers,
and in each FIFO. A dense layer takes it place by place instead, as it comes: rows p C to p C + C - 1 of the kernel
belong to the C channels of place p, since Flatten keeps the order of the stream: rows, columns, channels, the last the
fastest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import prod

from hw_amc import graph as ir
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import Tensor

#: What works value by value, and so on a map as on a vector.
_BY_VALUE = (ir.Quantize, ir.Table)
_Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class MapDense(ir.Dense):
    """A dense layer over all values of a map, (places, channels), in their order; `kernel` is (values, units)."""

    def check(self, sources: Sequence[Node]) -> None:
        units = self.kernel.shape[-1]
        self.require_arrays({"kernel": (prod(sources[0].shape), units), "bias": (units,)})
        self.require_shape((units,))
        self.check_accumulator(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return super().execute(sources, [tensors[0].reshape(len(tensors[0]), -1)])


@lru_cache(maxsize=16)
def streamed(graph: Graph) -> Graph:
    """Return the graph whose flattened maps stay maps wherever dense layers alone read them; the same one every time.

    Names, order and integers of all tensors are the graph's; the shape of a flattened map is (places, channels).
    """
    shapes = _flattened(graph)
    if not shapes:
        return graph
    return replace(graph, nodes=tuple(_as_streamed(node, shapes) for node in graph.nodes))


def _flattened(graph: Graph) -> dict[str, _Shape]:
    """Shape as a map of each flattened one that may stay a map."""
    shapes: dict[str, _Shape] = {}
    for node, (source, *_) in graph.walk():
        if isinstance(node, ir.Reshape) and len(node.shape) == 1 and prod(source.shape[:-1]) > 1:
            shapes[node.name] = (prod(source.shape[:-1]), source.shape[-1])
        elif isinstance(node, _BY_VALUE) and source.name in shapes:
            shapes[node.name] = shapes[source.name]
    refused = set(graph.outputs)
    for node in reversed(graph.nodes):
        if type(node) is not ir.Dense and (node.name in refused or node.name not in shapes):
            refused.update(node.inputs)
    # Behind a map that must be a vector for some other reader, there are vectors.
    for node in graph.nodes[1:]:
        if isinstance(node, _BY_VALUE) and node.inputs[0] in shapes and node.inputs[0] in refused:
            refused.add(node.name)
    return {name: shape for name, shape in shapes.items() if name not in refused}


def _as_streamed(node: Node, shapes: dict[str, _Shape]) -> Node:
    if node.name in shapes:
        return replace(node, shape=shapes[node.name])
    if type(node) is ir.Dense and node.inputs[0] in shapes:
        return MapDense(**{item.name: getattr(node, item.name) for item in fields(node)})
    return node
