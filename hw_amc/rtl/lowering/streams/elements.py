"""Operations on each element or channel, recurrent layers, and joins of branches."""

from __future__ import annotations

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.rtl.lowering.streams.placement import Placed, Places, over_time
from hw_amc.rtl.lowering.streams.registry import writes
from hw_amc.rtl.lowering.streams.writer import ONE, Writer


def whole(writer: Writer, node: Node, placed: Placed) -> Placed:
    """Return the tensor in a stream that holds nothing else, zeros included.

    Raises
    ------
    UnsupportedLayer
        It runs over no axis.
    """
    if placed.is_one_to_one:
        return placed
    view = placed.best_view(range(placed.where.ndim))
    stream = writer.stream(node.name, placed, None if view is None else view.axis)
    if view is None:
        return Placed(stream, np.arange(placed.where.size).reshape(placed.where.shape))
    return over_time(stream, placed.where.shape, view.axis)


@writes(ir.Quantize)
def write_quantize(writer: Writer, node: ir.Quantize) -> None:
    """All that the stream holds; a zero stays one."""
    placed = writer.placed[node.inputs[0]]
    stream = writer.again(node, placed.node, shape=placed.node.shape)
    writer.put(node, Placed(stream, placed.where))


@writes(ir.Table)
def write_table(writer: Writer, node: ir.Table) -> None:
    """All that the stream holds, which must not lack a zero."""
    placed = writer.placed[node.inputs[0]]
    if (placed.where < 0).any():
        placed = whole(writer, node, placed)
    stream = writer.again(node, placed.node, shape=placed.node.shape)
    writer.put(node, Placed(stream, placed.where))


@writes(ir.Affine)
def write_affine(writer: Writer, node: ir.Affine) -> None:
    """The scale of its channel for each lane."""
    placed = whole(writer, node, writer.placed[node.inputs[0]])
    channel = np.broadcast_to(np.arange(node.shape[-1]), node.shape)
    of_place = np.empty(placed.where.size, np.int64)
    of_place[placed.where.ravel()] = channel.ravel()
    lanes = of_place.reshape(placed.vectors, placed.lanes)
    channels = lanes[0]
    if (lanes != channels).any():
        raise writer.refuse(node, "where channels run over time")
    fields = {"shape": placed.node.shape, "kernel": node.kernel[channels], "bias": node.bias[channels]}
    stream = writer.again(node, placed.node, **fields)
    writer.put(node, Placed(stream, placed.where))


@writes(ir.Gru, ir.Lstm)
def write_recurrent(writer: Writer, node: ir.Gru | ir.Lstm) -> None:
    """Over time, channels in their order."""
    source = writer.stream(node.name, writer.placed[node.inputs[0]], 0)
    writer.put_over_time(node, writer.again(node, source), node.shape, 0)


def _aligned(writer: Writer, node: Node, shapes: list[tuple[int, ...]]) -> tuple[list[Node], int | None]:
    """Streams of all inputs, spread to `shapes`, over one axis; None where each is one vector."""
    inputs = [writer.placed[name] for name in node.inputs]
    spread = [placed.moved(np.broadcast_to(placed.where, shape)) for placed, shape in zip(inputs, shapes, strict=True)]
    if all(placed.view_of_one() is not None for placed in spread):
        return [writer.vector(node.name, placed) for placed in spread], None
    axes = range(len(node.shape) - isinstance(node, ir.Concatenate))
    views = [placed.best_view(axes) for placed in inputs if placed.vectors > 1]
    axis = next((view.axis for view in views if view is not None), None)
    if axis is None and any(placed.vectors > 1 for placed in spread):
        raise writer.refuse(node, "on tensors that run over no common axis")
    return [writer.stream(node.name, placed, axis) for placed in spread], axis


def _places(stream: Node, shape: tuple[int, ...], axis: int | None) -> Placed:
    if axis is None:
        return Placed(stream, np.arange(int(np.prod(shape))).reshape(shape))
    return over_time(stream, shape, axis)


@writes(ir.Add, ir.Multiply)
def write_join(writer: Writer, node: ir.Add | ir.Multiply) -> None:
    """Element by element; of a product, an axis of one element for all."""
    sources, axis = _aligned(writer, node, [node.shape] * 2)
    writer.put(node, _places(writer.again(node, *sources, shape=sources[0].shape), node.shape, axis))


@writes(ir.Subtract)
def write_subtract(writer: Writer, node: ir.Subtract) -> None:
    """Both side by side, and a matrix that subtracts."""
    (left, right), axis = _aligned(writer, node, [node.shape] * 2)
    both = _beside(writer, node, writer.name(node.name, "both"), left, right)
    one = np.eye(left.shape[1], dtype=np.int64)
    none = np.zeros(left.shape[1], np.int64)
    stream = writer.dense(node, both, np.concatenate([one, -one]), none, (ONE, ONE))
    writer.put(node, _places(stream, node.shape, axis))


@writes(ir.Concatenate)
def write_concatenate(writer: Writer, node: ir.Concatenate) -> None:
    """Two at a time; lanes stay in the order of the branches."""
    shapes = [writer.placed[name].where.shape for name in node.inputs]
    if len(shapes) == 1:
        writer.put(node, writer.placed[node.inputs[0]])
        return
    sources, axis = _aligned(writer, node, shapes)
    stream = sources[0]
    for count, source in enumerate(sources[1:], 2):
        name = node.name if count == len(sources) else writer.name(node.name, "part")
        stream = _beside(writer, node, name, stream, source)
    starts = np.cumsum([0, *(source.shape[1] for source in sources)]).tolist()
    vectors, lanes = stream.shape
    parts = []
    for shape, start in zip(shapes, starts, strict=False):
        own = int(np.prod(shape)) // vectors
        where = start + np.arange(vectors)[:, None] * lanes + np.arange(own)
        parts.append(_places(stream, shape, axis).where if own == lanes else _in_order(where, shape, axis))
    writer.put(node, Placed(stream, np.concatenate(parts, axis=-1)))


def _in_order(where: Places, shape: tuple[int, ...], axis: int | None) -> Places:
    """Places of a tensor from those of its vectors' elements."""
    if axis is None:
        return where.reshape(shape)
    others = [size for place, size in enumerate(shape) if place != axis]
    return np.moveaxis(where.reshape(shape[axis], *others), 0, axis)


def _beside(writer: Writer, node: Node, name: str, left: Node, right: Node) -> Node:
    shape = (left.shape[0], left.shape[1] + right.shape[1])
    fmt = ir.common_format([left.fmt, right.fmt])
    stream: Node = writer.add(ir.Concatenate(name, (left.name, right.name), shape, fmt, layer=node.layer))
    return stream
