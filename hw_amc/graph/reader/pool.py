"""Means and maxima."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.reader.base import output_shape, reads, require


@reads("AveragePooling1D", "AveragePooling2D")
def read_avg_pool(layer: Any, source: Node) -> Node:
    """Read a mean over windows; over all samples it is a global one."""
    pool = _pool_size(layer)
    fmt = ir.mean_format(source.fmt, pool)
    if len(output_shape(layer)) == 1:
        return ir.GlobalAvgPool1d(layer.name, (source.name,), source.shape[1:], fmt)
    return ir.AvgPool1d(layer.name, (source.name,), (source.shape[0] // pool, source.shape[1]), fmt, pool)


@reads("MaxPooling1D", "MaxPooling2D")
def read_max_pool(layer: Any, source: Node) -> Node:
    """Read a maximum over windows; over all samples it is a global one."""
    if len(source.shape) == 3:
        require(layer, layer.padding == "valid", "padding must be 'valid'")
        (rows, columns), (down, right) = layer.pool_size, layer.strides
        return ir.MaxPool2d(layer.name, (source.name,), output_shape(layer), source.fmt, (rows, columns), (down, right))
    pool = _pool_size(layer)
    if len(output_shape(layer)) == 1:
        return ir.GlobalMaxPool1d(layer.name, (source.name,), source.shape[1:], source.fmt)
    return ir.MaxPool1d(layer.name, (source.name,), (source.shape[0] // pool, source.shape[1]), source.fmt, pool)


@reads("GlobalAveragePooling1D", "GlobalAveragePooling2D")
def read_global_avg_pool(layer: Any, source: Node) -> ir.GlobalAvgPool1d:
    """Read a mean over all samples."""
    require(layer, len(source.shape) == 2, "a mean over an image is not supported")
    T, channels = source.shape
    return ir.GlobalAvgPool1d(layer.name, (source.name,), (channels,), ir.mean_format(source.fmt, T))


@reads("GlobalMaxPooling1D", "GlobalMaxPooling2D")
def read_global_max_pool(layer: Any, source: Node) -> ir.GlobalMaxPool1d:
    """Read a maximum over all samples."""
    require(layer, len(source.shape) == 2, "a maximum over an image is not supported")
    return ir.GlobalMaxPool1d(layer.name, (source.name,), source.shape[1:], source.fmt)


def _pool_size(layer: Any) -> int:
    """Samples of a window over time; on an image of height 1 the columns'."""
    require(layer, len(layer.output_shape) == 3 or layer.output_shape[1] == 1, "a mean over an image is not supported")
    rows = np.ravel(layer.pool_size)[:-1]
    pool = int(np.ravel(layer.pool_size)[-1])
    require(layer, all(rows == 1), "an image of height 1 needs windows of height 1")
    require(layer, int(np.ravel(layer.strides)[-1]) == pool, "strides must equal pool_size")
    return pool
