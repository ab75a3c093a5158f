"""Convolutions and pools: windows over time are taps of the stream, over other axes lanes of its vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.fixed import MAX_BITS, FixedFormat, format_for
from hw_amc.graph.ops.windows import Pads, count_windows
from hw_amc.rtl.lowering.streams.elements import whole
from hw_amc.rtl.lowering.streams.nodes import Choose, Lanes, Largest, SumPool
from hw_amc.rtl.lowering.streams.placement import Placed, Places, over_time
from hw_amc.rtl.lowering.streams.registry import writes
from hw_amc.rtl.lowering.streams.writer import ONE, Writer


@dataclass(frozen=True)
class Window:
    """A window over all axes but the channels."""

    sizes: tuple[int, ...]
    taps: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[Pads, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """Windows along each axis."""
        spans = [self.span(axis) for axis in range(len(self.sizes))]
        return tuple(map(count_windows, self.sizes, spans, self.strides, self.pads))

    def span(self, axis: int) -> int:
        """Samples from the first to the last tap along an axis."""
        return (self.taps[axis] - 1) * self.dilations[axis] + 1

    def is_tiled(self, axis: int) -> bool:
        """Whether windows lie side by side along an axis and take all of it."""
        size, taps = self.sizes[axis], self.taps[axis]
        beside = self.places[axis] == 1 or self.strides[axis] == taps
        return beside and not any(self.pads[axis]) and self.places[axis] * taps == size

    def meets(self, axis: int, place: int, tap: int) -> int | None:
        """Index that a tap of a window meets along an axis; None outside."""
        index = place * self.strides[axis] - self.pads[axis][0] + tap * self.dilations[axis]
        return index if 0 <= index < self.sizes[axis] else None


@dataclass(frozen=True)
class Windowed:
    """A stream whose vectors hold the windows over time of a tensor, one beside the other."""

    stream: Node
    window: Window
    #: Axis over time; None: all is in one vector.
    axis: int | None
    #: Windows over time, and taps of each in a vector: 1 where they are added up or compared already.
    count: int
    taps: int
    #: Lane, inside one tap's vector, of each position on the axes that do not run over time, channels last.
    lanes: Places

    @property
    def lane_count(self) -> int:
        """Lanes of one tap."""
        return self.stream.shape[1] // self.taps

    @property
    def others(self) -> list[int]:
        """Axes of the window in the lanes."""
        return [axis for axis in range(len(self.window.sizes)) if axis != self.axis]

    @property
    def places(self) -> tuple[int, ...]:
        """Windows along the axes in the lanes."""
        return tuple(self.window.places[axis] for axis in self.others)

    def tap_lanes(self, place: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Places]]:
        """Yield each tap of the window at a place in the lanes, and the lanes of its channels."""
        window = self.window
        for tap in np.ndindex(*(window.taps[axis] for axis in self.others)):
            met = [window.meets(axis, p, t) for axis, p, t in zip(self.others, place, tap, strict=True)]
            if None not in met:
                yield tap, self.lanes[tuple(met)]

    def whole_tap(self, time: int, others: tuple[int, ...]) -> tuple[int, ...]:
        """Tap over all axes."""
        tap = list(others)
        if self.axis is not None:
            tap.insert(self.axis, time)
        return tuple(tap)

    def put(self, writer: Writer, node: Node, stream: Node) -> None:
        """Say where a tensor of one value for each window and filter stands: lanes are (places, filters)."""
        filters = node.shape[-1]
        if self.axis is None:
            writer.put(node, Placed(stream, np.arange(stream.shape[1]).reshape(*self.places, filters)))
            return
        writer.put(node, over_time(stream, (*self.window.places, filters), self.axis))


def _windowed(writer: Writer, node: Node, window: Window, fill: int | None = None) -> Windowed:
    """Bring the windows over time into vectors; `fill` stands outside the frame: zeros are no part of it then."""
    placed = writer.placed[node.inputs[0]]
    if fill is not None and (placed.where < 0).any():
        placed = whole(writer, node, placed)
    view = placed.best_view(range(len(window.sizes)))
    if view is None and placed.vectors > 1:
        raise writer.refuse(node, f"on {placed.where.shape} of which no axis runs over time")
    if view is None or placed.vectors == 1:
        stream = writer.vector(node.name, placed)
        return Windowed(stream, window, None, 1, 1, np.arange(placed.where.size).reshape(placed.where.shape))
    axis = view.axis
    span, (before, _), stride = window.span(axis), window.pads[axis], window.strides[axis]
    count = window.places[axis]
    beyond = (count - 1) * stride - before + span > view.count
    if (before and view.first > 0) or (beyond and view.first + view.count < placed.vectors):
        stream = writer.stream(node.name, placed, axis)
        placed = over_time(stream, placed.where.shape, axis)
        view = placed.view(axis)
        assert view is not None
    # The window whose first tap is in front of the first vector; its newest vector comes when it has been counted.
    start = view.first - before
    first = max(start + span - 1, 0)
    taps = tuple(first - start - tap * window.dilations[axis] for tap in range(window.taps[axis]))
    stream = writer.taps(node.name, placed.node, taps, first, stride, count, fill or 0)
    return Windowed(stream, window, axis, count, len(taps), view.lanes)


def _summed(writer: Writer, node: Node, window: Window, maximum: bool) -> Windowed | None:
    """The sum, or maximum, over time of windows that lie side by side; None where they do not."""
    placed = writer.placed[node.inputs[0]]
    view = placed.best_view(range(len(window.sizes))) if placed.vectors > 1 else None
    if view is None or not window.is_tiled(view.axis) or window.taps[view.axis] == 1:
        return None
    stream = writer.stream(node.name, placed, view.axis)
    pool, (vectors, lanes) = window.taps[view.axis], stream.shape
    shape, name = (vectors // pool, lanes), writer.name(node.name, "time")
    if maximum:
        found: Node = writer.add(ir.MaxPool1d(name, (stream.name,), shape, stream.fmt, pool))
    else:
        fmt = format_for(pool * stream.fmt.min_raw, pool * stream.fmt.max_raw, stream.fmt.frac)
        found = writer.add(SumPool(name, (stream.name,), shape, fmt, pool))
    sizes = [size for axis, size in enumerate(placed.where.shape) if axis != view.axis]
    return Windowed(found, window, view.axis, shape[0], 1, np.arange(lanes).reshape(sizes))


@writes(ir.Conv1d, ir.Conv2d)
def write_conv(writer: Writer, node: ir.Conv1d | ir.Conv2d) -> None:
    """A matrix on each window; the form that hardware has, over time without options, stays."""
    placed = writer.placed[node.inputs[0]]
    if isinstance(node, ir.Conv1d) and not node.options and placed.is_plain and len(node.kernel) // 2 < node.shape[0]:
        writer.put_over_time(node, writer.again(node, placed.node), node.shape, 0)
        return
    sizes = placed.where.shape[:-1]
    window = Window(sizes, node.window, node.strides, node.dilations, node.padding)
    found = _windowed(writer, node, window)
    kernel = node.ungrouped_kernel().astype(np.int64)
    lanes, filters = found.lane_count, node.kernel.shape[-1]
    matrix = np.zeros((found.taps, lanes, *found.places, filters), np.int64)
    for place in np.ndindex(*found.places):
        for others, channels in found.tap_lanes(place):
            for time in range(found.taps):
                weights = kernel[found.whole_tap(time, others)]
                used = channels >= 0
                matrix[(time, channels[used], *place)] += weights[used]
    bias = np.tile(node.bias, int(np.prod(found.places)))
    fmts = (node.kernel_fmt, node.bias_fmt)
    stream = writer.dense(node, found.stream, matrix.reshape(found.taps * lanes, -1), bias, fmts)
    found.put(writer, node, stream)


@writes(ir.MaxPool1d)
def write_max_pool1d(writer: Writer, node: ir.MaxPool1d) -> None:
    """Windows that lie side by side are compared as they come."""
    placed = writer.placed[node.inputs[0]]
    if not node.options and placed.is_plain:
        writer.put_over_time(node, writer.again(node, placed.node), node.shape, 0)
        return
    stride = node.pool if node.stride is None else node.stride
    _write_maximum(writer, node, Window(placed.where.shape[:-1], (node.pool,), (stride,), (1,), (node.pads,)))


@writes(ir.MaxPool2d)
def write_max_pool2d(writer: Writer, node: ir.MaxPool2d) -> None:
    """Over rows and columns, of which one runs over time."""
    sizes = writer.placed[node.inputs[0]].where.shape[:-1]
    _write_maximum(writer, node, Window(sizes, node.pool, node.stride, (1, 1), node.pads))


def _write_maximum(writer: Writer, node: Any, window: Window) -> None:
    found = _summed(writer, node, window, maximum=True)
    if found is None:
        found = _windowed(writer, node, window, node.fmt.min_raw)
    candidates = []
    for place in np.ndindex(*found.places):
        channels = np.stack([lanes for _, lanes in found.tap_lanes(place)])
        every = np.concatenate([channels + time * found.lane_count for time in range(found.taps)])
        candidates += [tuple(map(int, column)) for column in every.T]
    stream = _largest(writer, node, found.stream, candidates)
    found.put(writer, node, stream)


def _largest(writer: Writer, node: Node, source: Node, candidates: Sequence[tuple[int, ...]]) -> Node:
    if max(map(len, candidates)) == 1:
        return writer.lanes(node.name, source, [lanes[0] for lanes in candidates])
    shape = (source.shape[0], len(candidates))
    stream: Node = writer.add(Largest(node.name, (source.name,), shape, source.fmt, tuple(candidates)))
    return stream


@writes(ir.AvgPool1d)
def write_avg_pool1d(writer: Writer, node: ir.AvgPool1d) -> None:
    """As it is."""
    source = writer.stream(node.name, writer.placed[node.inputs[0]], 0)
    writer.put_over_time(node, writer.again(node, source), node.shape, 0)


@writes(ir.GlobalAvgPool1d, ir.GlobalMaxPool1d)
def write_global_pool(writer: Writer, node: ir.GlobalAvgPool1d | ir.GlobalMaxPool1d) -> None:
    """A pool over the whole frame; one in front of the heads is the results' (`ends`)."""
    source = writer.stream(node.name, writer.placed[node.inputs[0]], 0)
    kind = ir.AvgPool1d if isinstance(node, ir.GlobalAvgPool1d) else ir.MaxPool1d
    pool = kind(node.name, (source.name,), (1, *node.shape), node.fmt, source.shape[0], layer=node.layer)
    writer.put(node, Placed(writer.add(pool), np.arange(node.shape[0])))


@writes(ir.MeanPool)
def write_mean(writer: Writer, node: ir.MeanPool) -> None:
    """Sums over time, then a matrix of the factors; one for each different factor over time, of which one is chosen."""
    sizes = writer.placed[node.inputs[0]].where.shape[:-1]
    axes = len(sizes)
    window = Window(sizes, node.pool, node.stride, (1,) * axes, node.pads or ((0, 0),) * axes)
    found = _summed(writer, node, window, maximum=False) or _windowed(writer, node, window)
    factors = np.broadcast_to(node.factor, window.places).astype(np.int64)
    over = factors[np.newaxis] if found.axis is None else np.moveaxis(factors, found.axis, 0)
    groups, choices = np.unique(over.reshape(len(over), -1), axis=0, return_inverse=True)
    lanes, channels = found.lane_count, node.shape[-1]
    matrix = np.zeros((found.taps, lanes, len(groups), *found.places, channels), np.int64)
    every = np.arange(channels)
    for place in np.ndindex(*found.places):
        for _, tap in found.tap_lanes(place):
            used = tap >= 0
            for group, of_group in enumerate(groups.reshape(len(groups), *found.places)):
                for time in range(found.taps):
                    matrix[(time, tap[used], group, *place, every[used])] += of_group[place]
    _write_means(writer, node, found, matrix.reshape(found.taps * lanes, len(groups), -1), tuple(choices.ravel()))


def _write_means(writer: Writer, node: ir.MeanPool, found: Windowed, matrix: Any, choices: tuple[int, ...]) -> None:
    """The matrix of each group of factors, and the choice of one at each place over time."""
    rows, groups, columns = matrix.shape
    # Of more samples than a window holds, or of larger sums than there are, products may leave the mean's format.
    product = ir.Dense(
        node.name,
        (found.stream.name,),
        (found.stream.shape[0], groups * columns),
        FixedFormat(MAX_BITS, node.fmt.frac),
        matrix.reshape(rows, -1).astype(np.int32),
        np.zeros(groups * columns, np.int32),
        FixedFormat(node.factor_fmt.bits + 1, node.factor_fmt.frac),
        ONE if node.fmt.frac >= 0 else FixedFormat(2, node.fmt.frac),
    )
    holds = node.fmt.holds_range(*product.acc_range(found.stream.fmt))
    exact = node.fmt if holds else product.narrowest_format(found.stream.fmt)
    readers = [other for other in writer.graph.nodes if node.name in other.inputs]
    narrow = groups == 1 and not holds and not all(isinstance(reader, ir.Quantize) for reader in readers)
    name = node.name if groups == 1 and not narrow else writer.name(node.name, "all")
    stream: Node = writer.add(replace(product, name=name, fmt=exact))
    shape = (stream.shape[0], columns)
    if groups > 1:
        stream = writer.add(Choose(node.name, (name,), shape, node.fmt, tuple(map(int, choices))))
    elif narrow:
        stream = writer.add(Lanes(node.name, (name,), shape, node.fmt, tuple(range(columns))))
    found.put(writer, node, stream)
