"""From what stands behind the global pool, a quantiser and the heads, to the steps of the results."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.rtl.blocks.results import PooledResults, Term


def build_results(graph: Graph, pool: Node) -> PooledResults:
    """Fold what follows the global pool into steps.

    Raises
    ------
    UnsupportedLayer
        A node behind the pool that is neither its quantiser nor a head, or logits wider than 32 bits.
    """
    source = graph.sources(pool)[0]
    behind = graph.nodes[graph.nodes.index(pool) + 1 :]
    vector: Node = pool
    if behind and isinstance(behind[0], ir.Quantize) and behind[0].inputs == (pool.name,):
        vector, behind = behind[0], behind[1:]
    for node in behind:
        is_head = isinstance(node, ir.Affine | ir.Dense) and node.name in graph.outputs
        if not is_head or node.inputs != (vector.name,):
            raise UnsupportedLayer(f"rtl: {node.op!r} (node {node.name!r}) behind {vector.name!r} has no hardware")
    terms: list[Term] = []
    bits = 2
    for name in graph.outputs:
        head = graph[name]
        terms += _head_terms(head, vector)
        bits = max(bits, head.fmt.bits + (not head.fmt.signed))
    if bits > 32:
        raise UnsupportedLayer(f"rtl: logits of {bits} bits do not fit int32; requantise in front of the heads")
    return PooledResults(pool, source.fmt, vector.fmt, tuple(terms), bits)


def _head_terms(head: Node, vector: Node) -> list[Term]:
    if head.name == vector.name:
        return [Term(channel, 1, 0, True, True) for channel in range(head.shape[0])]
    if isinstance(head, ir.Affine):
        bias = head.scaled_bias(vector.fmt)
        return [Term(c, int(head.kernel[c]), int(bias[c]), True, True) for c in range(head.shape[0])]
    if isinstance(head, ir.Dense):
        bias, rows = head.scaled_bias(vector.fmt), head.kernel.shape[0]
        return [
            Term(row, int(head.kernel[row, column]), int(bias[column]), row == 0, row == rows - 1)
            for column in range(head.shape[0])
            for row in range(rows)
        ]
    raise UnsupportedLayer(f"rtl: output {head.name!r} ({head.op}) is not a head behind {vector.name!r}")
