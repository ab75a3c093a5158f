"""Quantisers, tables, and layers that do nothing at inference."""

from __future__ import annotations

from typing import Any

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.ops.table import MAX_TABLE_BITS
from hw_amc.graph.reader.base import format_of, integers, reads, require


@reads("QActivation")
def read_quantizer(layer: Any, source: Node) -> ir.Quantize:
    """Read the quantiser of activations."""
    return ir.Quantize(layer.name, (source.name,), source.shape, format_of(layer.quantizer, layer))


@reads("QTable")
def read_table(layer: Any, source: Node) -> ir.Table:
    """Read a function of one variable."""
    known, fmt = format_of(layer.input_quantizer, layer), format_of(layer.output_quantizer, layer)
    require(layer, known == source.fmt, f"its table is for {known}, and its input is {source.fmt}")
    widest = f"its input has {source.fmt.bits} bits; quantise it to at most {MAX_TABLE_BITS}"
    require(layer, source.fmt.bits <= MAX_TABLE_BITS, widest)
    (table,) = layer.get_weights()
    return ir.Table(layer.name, (source.name,), source.shape, fmt, integers(layer, "table", table, fmt))


@reads("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout")
def read_nothing(layer: Any, source: Node) -> Node:
    """Pass over a layer that does nothing at inference."""
    return source
