"""Layers that move integers without changing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.reader.base import output_shape, reads, require
from hw_amc.graph.reader.windows import margins_of


@reads("Reshape", "Flatten")
def read_reshape(layer: Any, source: Node) -> Node:
    """Read a change of shape, which images of height 1 do not notice."""
    shape = output_shape(layer)
    return source if shape == source.shape else ir.Reshape(layer.name, (source.name,), shape, source.fmt)


@reads("Permute")
def read_permute(layer: Any, source: Node) -> Node:
    """Read a change of the axes' order; where it leaves the order of the integers it is a change of shape."""
    shape = tuple(int(size) for size in layer.input_shape[1:])
    order = tuple(axis - 1 for axis in layer.dims)
    places = np.arange(np.prod(shape)).reshape(shape)
    if (places.transpose(order).ravel() == places.ravel()).all():
        return read_reshape(layer, source)
    above = len(shape) - len(source.shape)
    order = tuple(axis - above for axis in order if axis >= above)
    moved = tuple(source.shape[axis] for axis in order)
    require(layer, moved == output_shape(layer), "an image of height 1 keeps its height")
    return ir.Permute(layer.name, (source.name,), moved, source.fmt, order)


@reads("ZeroPadding1D", "ZeroPadding2D")
def read_zero_padding(layer: Any, source: Node) -> ir.ZeroPad:
    """Read zeros around a frame or an image."""
    pads = margins_of(layer, source, layer.padding)
    return ir.ZeroPad(layer.name, (source.name,), output_shape(layer), source.fmt, pads)


@reads("Cropping1D", "Cropping2D")
def read_cropping(layer: Any, source: Node) -> ir.Crop:
    """Read what is left of a frame or an image."""
    crops = margins_of(layer, source, layer.cropping)
    return ir.Crop(layer.name, (source.name,), output_shape(layer), source.fmt, crops)
