"""Dense layers: on every vector, or on a whole frame; and how a network ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.lowering.streams.placement import Placed
from hw_amc.rtl.lowering.streams.registry import writes
from hw_amc.rtl.lowering.streams.writer import ONE, Writer, lane_rows


@writes(ir.Dense)
def write_dense(writer: Writer, node: ir.Dense) -> None:
    """A matrix on every vector, or, where the channels run over time, on one that holds the whole frame."""
    placed = writer.placed[node.inputs[0]]
    if node.name in writer.program:
        _write_program_layer(writer, node, placed)
        return
    view = placed.best_view(range(len(node.shape) - 1))
    if view is None or placed.vectors == 1:
        one = _in_one_vector(writer, node, placed)
        stream = _matrix(writer, node, one.node, int(np.prod(node.shape[:-1])), one.where)
        writer.put(node, Placed(stream, np.arange(stream.shape[1])))
    elif placed.is_plain and placed.node.shape == placed.where.shape:
        writer.put_over_time(node, writer.again(node, placed.node), node.shape, 0)
    else:
        source = writer.stream(node.name, placed, view.axis)
        others = [size for axis, size in enumerate(node.shape[:-1]) if axis != view.axis]
        stream = _matrix(writer, node, source, int(np.prod(others)), np.arange(source.shape[1]))
        writer.put_over_time(node, stream, node.shape, view.axis)


def _in_one_vector(writer: Writer, node: Node, placed: Placed) -> Placed:
    if placed.vectors == 1:
        return placed
    if placed.view_of_one() is None:
        return writer.collected(node.name, placed)
    stream = writer.vector(node.name, placed)
    return Placed(stream, np.arange(placed.where.size).reshape(placed.where.shape))


def _matrix(writer: Writer, node: ir.Dense, source: Node, places: int, lanes: Any) -> Node:
    """The kernel once for each place in a vector, whose channels stand in `lanes`."""
    channels, units = node.kernel.shape
    whole = np.zeros((places, channels, places, units), np.int64)
    whole[np.arange(places), :, np.arange(places)] = node.kernel
    matrix = lane_rows(np.asarray(lanes), source.shape[1], whole.reshape(places * channels, -1))
    return writer.dense(node, source, matrix, np.tile(node.bias, places), (node.kernel_fmt, node.bias_fmt))


def _write_program_layer(writer: Writer, node: ir.Dense, placed: Placed) -> None:
    """A layer of the program behind whole frames: the first ones read a frame as it stands, flattened."""
    if node.inputs[0] in writer.program:
        writer.put(node, Placed(writer.again(node, placed.node), np.arange(node.shape[0])))
        return
    if placed.view_of_one() is not None:
        placed = Placed(writer.vector(node.inputs[0], placed), np.arange(placed.where.size))
    vectors, lanes = placed.node.shape
    flat = writer.flats.get(placed.node.name)
    if flat is None:
        taken = any(other.name == node.inputs[0] for other in writer.nodes)
        name = writer.name(node.inputs[0], "flat") if taken else node.inputs[0]
        flat = writer.add(ir.Reshape(name, (placed.node.name,), (vectors * lanes,), placed.node.fmt))
        writer.flats[placed.node.name] = flat
    kernel = lane_rows(placed.where, vectors * lanes, node.kernel).astype(np.int32)
    writer.put(node, Placed(writer.again(node, flat, kernel=kernel), np.arange(node.shape[0])))


def takes_program(writer: Writer, names: frozenset[str]) -> bool:
    """Whether a program shall work off these layers: where they read whole frames, or are several without a loop."""
    first = [node for node in writer.graph.nodes if node.name in names and node.inputs[0] not in names]
    placed = [writer.placed[node.inputs[0]] for node in first if node.inputs[0] in writer.placed]
    if any(each.vectors > 1 and each.view_of_one() is None for each in placed):
        return True
    recurrent = any(isinstance(node, ir.Recurrent) for node in writer.graph.nodes)
    return not recurrent and len(names) > len(writer.graph.outputs)


def program_of(graph: Graph) -> frozenset[str]:
    """Names of dense layers, quantisers and tables between a vector and the outputs, where nothing else is there."""
    readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    found = set[str]()
    for node in reversed(graph.nodes[1:]):
        source, behind, is_output = graph[node.inputs[0]], readers[node.name], node.name in graph.outputs
        inside = bool(behind) and all(reader.name in found for reader in behind) and not is_output
        if isinstance(node, ir.Dense) and len(source.shape) == 1:
            hidden = inside and [type(reader) for reader in behind] == [ir.Quantize]
            fits = hidden or (is_output and not behind)
        elif isinstance(node, ir.Quantize | ir.Table):
            kind = ir.Dense if isinstance(node, ir.Quantize) else ir.Quantize
            tabled = isinstance(node, ir.Quantize) and [type(reader) for reader in behind] == [ir.Table]
            fits = inside and isinstance(source, kind) and len(source.shape) == 1
            fits = fits and (tabled or all(isinstance(reader, ir.Dense) for reader in behind))
        else:
            fits = False
        if fits:
            found.add(node.name)
    for node in graph.nodes[1:]:
        # What rounds, or is a function, belongs to its layer.
        if not isinstance(node, ir.Dense) and node.inputs[0] not in found:
            found.discard(node.name)
    return frozenset(found) if found.issuperset(graph.outputs) else frozenset()


def ends_with_results(graph: Graph) -> Node | None:
    """Return the global pool behind which there are its quantiser and heads alone, which are the results' work."""
    for place, node in enumerate(graph.nodes):
        if not isinstance(node, ir.GlobalAvgPool1d | ir.GlobalMaxPool1d):
            continue
        behind, vector = graph.nodes[place + 1 :], node
        if behind and isinstance(behind[0], ir.Quantize) and behind[0].inputs == (node.name,):
            vector, behind = behind[0], behind[1:]  # type: ignore[assignment]
        heads = [other.name for other in behind]
        only = all(isinstance(other, ir.Affine | ir.Dense) and other.inputs == (vector.name,) for other in behind)
        if only and set(graph.outputs) == (set(heads) or {vector.name}):
            return node
        return None
    return None


def are_heads(graph: Graph) -> bool:
    """Whether every output is a layer on one and the same vector."""
    heads = [graph[name] for name in graph.outputs]
    if not all(isinstance(head, ir.Affine | ir.Dense) for head in heads):
        return False
    return len({head.inputs for head in heads}) == 1 and len(graph[heads[0].inputs[0]].shape) == 1


def end_with_heads(writer: Writer) -> None:
    """Bring what all outputs read into one vector; they are the results' work."""
    heads = [writer.graph[name] for name in writer.graph.outputs]
    (name,) = heads[0].inputs
    vector = _pooled(writer, name, writer.vector(name, writer.placed[name]))
    for head in heads:
        writer.again(head, vector)


def end_with_logits(writer: Writer, graph: Graph) -> None:
    """Bring logits of different vectors beside each other; each output of `graph` picks its own."""
    logits = [writer.vector(name, writer.placed[name]) for name in writer.graph.outputs]
    starts = np.cumsum([0, *(vector.shape[1] for vector in logits)]).tolist()
    stream = logits[0]
    for other in logits[1:]:
        fmt = ir.common_format([stream.fmt, other.fmt])
        shape, name = (1, stream.shape[1] + other.shape[1]), writer.name(graph.name, "logits")
        stream = writer.add(ir.Concatenate(name, (stream.name, other.name), shape, fmt))
    vector = _pooled(writer, graph.name, stream)
    for name, start in zip(graph.outputs, starts, strict=False):
        count = graph[name].shape[0]
        kernel = np.zeros((vector.shape[0], count), np.int32)
        kernel[start : start + count] = np.eye(count, dtype=np.int32)
        none, fmt = np.zeros(count, np.int32), _signed(vector.fmt)
        writer.add(ir.Dense(name, (vector.name,), (count,), fmt, kernel, none, ONE, ONE))


def _signed(fmt: FixedFormat) -> FixedFormat:
    return FixedFormat(fmt.bits + (not fmt.signed), fmt.frac)


def _pooled(writer: Writer, base: str, vector: Node) -> Node:
    """The mean of one vector, behind which hardware has its heads."""
    pool = ir.GlobalAvgPool1d(writer.name(base, "end"), (vector.name,), (vector.shape[1],), vector.fmt)
    return writer.add(pool)  # type: ignore[no-any-return]
