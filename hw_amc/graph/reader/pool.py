"""Means and maxima."""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.ops.windows import window_counts
from hw_amc.graph.reader.base import output_shape, reads, refuse, require
from hw_amc.graph.reader.windows import Window, window_of

_WAY_OUT = "take a QMeanPooling, which multiplies by a reciprocal in fixed point"


@reads("AveragePooling1D", "AveragePooling2D")
def read_avg_pool(layer: Any, source: Node) -> Node:
    """Read a mean over windows, whose counts are powers of two; over all samples it is a global one."""
    window, shape = window_of(layer, source, layer.pool_size), output_shape(layer)
    *sizes, channels = source.shape
    if len(sizes) == 1 and window.is_whole and sizes[0] % window.size[0] == 0:
        _require_exact(layer, window.size)
        fmt = ir.mean_format(source.fmt, window.size[0])
        if len(shape) == 1:
            return ir.GlobalAvgPool1d(layer.name, (source.name,), (channels,), fmt)
        return ir.AvgPool1d(layer.name, (source.name,), shape, fmt, window.size[0])
    _require_exact(layer, np.unique(window_counts(sizes, window.size, window.stride, window.pads)).tolist())
    return _mean(layer, source, window, shape)


@reads("GlobalAveragePooling1D", "GlobalAveragePooling2D")
def read_global_avg_pool(layer: Any, source: Node) -> Node:
    """Read a mean over all samples or pixels."""
    *sizes, channels = source.shape
    require(layer, not layer.keepdims, "keepdims must be False")
    _require_exact(layer, [prod(sizes)])
    if len(sizes) == 1:
        return ir.GlobalAvgPool1d(layer.name, (source.name,), (channels,), ir.mean_format(source.fmt, sizes[0]))
    return _mean(layer, source, _everything(sizes), (channels,))


@reads("QMeanPooling")
def read_mean_pool(layer: Any, source: Node) -> ir.MeanPool:
    """Read a mean over windows of any size: the exact sum times a reciprocal in fixed point."""
    sizes = source.shape[:-1]
    above = len(layer.pool) - len(sizes)
    require(layer, set(layer.pool[:above]) <= {1}, "an image of height 1 needs windows of height 1")
    window = Window(layer.pool[above:], layer.stride[above:], (1,) * len(sizes), layer.pads[above:])
    return _mean(layer, source, window, output_shape(layer), layer.factor_bits)


@reads("QAveragePooling2D", "QGlobalAveragePooling2D")
def refuse_qkeras_mean(layer: Any, source: Node) -> NoReturn:
    """Refuse QKeras' means: they divide by the count, multiply by it again, and floats round both."""
    refuse(layer, f"floats round its mean; {_WAY_OUT}")


@reads("MaxPooling1D", "MaxPooling2D")
def read_max_pool(layer: Any, source: Node) -> Node:
    """Read a maximum over windows; over all samples it is a global one."""
    window, shape = window_of(layer, source, layer.pool_size), output_shape(layer)
    return _maximum(layer, source, window, shape)


@reads("GlobalMaxPooling1D", "GlobalMaxPooling2D")
def read_global_max_pool(layer: Any, source: Node) -> Node:
    """Read a maximum over all samples or pixels."""
    *sizes, channels = source.shape
    require(layer, not layer.keepdims, "keepdims must be False")
    return _maximum(layer, source, _everything(sizes), (channels,))


def _everything(sizes: list[int]) -> Window:
    return Window(tuple(sizes), tuple(sizes), (1,) * len(sizes), ((0, 0),) * len(sizes))


def _require_exact(layer: Any, counts: Any) -> None:
    odd = [int(count) for count in counts if count & (count - 1)]
    require(layer, not odd, f"a mean over {', '.join(map(str, odd))} samples is not exact; {_WAY_OUT}")


def _mean(layer: Any, source: Node, window: Window, shape: tuple[int, ...], bits: int = 12) -> ir.MeanPool:
    counts = window_counts(source.shape[:-1], window.size, window.stride, window.pads)
    factor, fmt = ir.reciprocals(counts, bits)
    pads = window.pads if any(map(any, window.pads)) else ()
    node = ir.MeanPool(layer.name, (source.name,), shape, fmt, factor, fmt, window.size, window.stride, pads=pads)
    return node.narrowest(source)


def _maximum(layer: Any, source: Node, window: Window, shape: tuple[int, ...]) -> Node:
    *sizes, channels = source.shape
    if len(sizes) == 2:
        return ir.MaxPool2d(
            layer.name, (source.name,), shape, source.fmt, _pair(window.size), _pair(window.stride),
            pads=(window.pads[0], window.pads[1]),
        )  # fmt: skip
    (pool,), (stride,), (pads,) = window.size, window.stride, window.pads
    if len(shape) == 1 and pool == sizes[0]:
        return ir.GlobalMaxPool1d(layer.name, (source.name,), (channels,), source.fmt)
    whole = window.is_whole and sizes[0] % pool == 0
    options: dict[str, Any] = {} if whole else {"stride": stride, "pads": pads}
    return ir.MaxPool1d(layer.name, (source.name,), shape, source.fmt, pool, **options)


def _pair(numbers: tuple[int, ...]) -> tuple[int, int]:
    first, second = numbers
    return first, second
