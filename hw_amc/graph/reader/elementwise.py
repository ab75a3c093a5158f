"""Quantisers, sums of branches, and layers that change the shape or nothing at all."""

from __future__ import annotations

from typing import Any

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.reader.base import format_of, output_shape, reads, require


@reads("QActivation")
def read_quantizer(layer: Any, source: Node) -> ir.Quantize:
    """Read the quantiser of activations."""
    return ir.Quantize(layer.name, (source.name,), source.shape, format_of(layer.quantizer, layer))


@reads("Add")
def read_add(layer: Any, *sources: Node) -> ir.Add:
    """Read a sum of two branches."""
    require(layer, len(sources) == 2, f"it has {len(sources)} inputs; add two at a time")
    left, right = sources
    return ir.Add(layer.name, (left.name, right.name), left.shape, ir.sum_format(left.fmt, right.fmt))


@reads("Reshape", "Flatten")
def read_reshape(layer: Any, source: Node) -> Node:
    """Read a change of shape, which images of height 1 do not notice."""
    shape = output_shape(layer)
    return source if shape == source.shape else ir.Reshape(layer.name, (source.name,), shape, source.fmt)


@reads("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout")
def read_nothing(layer: Any, source: Node) -> Node:
    """Pass over a layer that does nothing at inference."""
    return source
