"""Layers that join branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.reader.base import reads, require

N = TypeVar("N", bound=Node)


@reads("Add")
def read_add(layer: Any, *sources: Node) -> ir.Add:
    """Read a sum of two branches."""
    return _pair(ir.Add, layer, sources, ir.sum_format)


@reads("Subtract")
def read_subtract(layer: Any, *sources: Node) -> ir.Subtract:
    """Read a difference of two branches."""
    return _pair(ir.Subtract, layer, sources, ir.difference_format)


@reads("Multiply")
def read_multiply(layer: Any, *sources: Node) -> ir.Multiply:
    """Read a product of two branches."""
    return _pair(ir.Multiply, layer, sources, ir.product_format)


@reads("Concatenate")
def read_concatenate(layer: Any, *sources: Node) -> ir.Concatenate:
    """Read branches whose channels stand beside each other."""
    channels = len(layer.output_shape) - 1
    require(layer, layer.axis in (-1, channels), f"only channels are joined: axis must be -1, not {layer.axis}")
    *places, _ = sources[0].shape
    shape = (*places, sum(source.shape[-1] for source in sources))
    fmt = ir.common_format([source.fmt for source in sources])
    return ir.Concatenate(layer.name, tuple(source.name for source in sources), shape, fmt)


def _pair(
    kind: type[N], layer: Any, sources: tuple[Node, ...], exact: Callable[[FixedFormat, FixedFormat], FixedFormat]
) -> N:
    require(layer, len(sources) == 2, f"it has {len(sources)} inputs; {layer.__class__.__name__.lower()} two at a time")
    left, right = sources
    require(layer, len(left.shape) == len(right.shape), f"shapes {left.shape} and {right.shape} do not fit together")
    shape = tuple(map(max, zip(left.shape, right.shape, strict=True)))
    return kind(layer.name, (left.name, right.name), shape, exact(left.fmt, right.fmt))
