"""Dense layers, convolutions and affines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.fixed import MAX_BITS, FixedFormat
from hw_amc.graph.reader.base import format_of, integers, output_shape, reads, require

L = TypeVar("L", bound=ir.Linear)


@reads("QDense")
def read_dense(layer: Any, source: Node) -> ir.Dense:
    """Read a fully connected layer."""
    return _linear(ir.Dense, layer, source, (*source.shape[:-1], layer.units))


@reads("QAffine")
def read_affine(layer: Any, source: Node) -> ir.Affine:
    """Read a scale and a bias for each channel."""
    return linear(ir.Affine, layer, source, source.shape, (layer.scale_quantizer, layer.bias_quantizer))


@reads("QConv1D")
def read_conv1d(layer: Any, source: Node) -> ir.Conv1d:
    """Read a convolution over time."""
    require(layer, layer.padding == "same", "padding must be 'same'")
    require(layer, layer.strides == (1,) and layer.dilation_rate == (1,), "strides and dilation must be 1")
    require(layer, layer.groups == 1, "groups must be 1")
    return _linear(ir.Conv1d, layer, source, (source.shape[0], layer.filters))


@reads("QConv2D")
def read_conv2d(layer: Any, source: Node) -> ir.Conv1d | ir.Conv2d:
    """Read a convolution over an image; over one of height 1 it is a convolution over time."""
    require(layer, layer.padding in ("same", "valid"), f"padding {layer.padding!r} has no exact form")
    require(layer, layer.strides == (1, 1) and layer.dilation_rate == (1, 1), "strides and dilation must be 1")
    require(layer, layer.groups == 1, "groups must be 1")
    shape = output_shape(layer)
    if len(source.shape) == 3:
        return _linear(ir.Conv2d, layer, source, shape, same=layer.padding == "same")
    require(layer, layer.kernel_size[0] == 1, "an image of height 1 needs a kernel of height 1")
    require(layer, layer.padding == "same", "padding must be 'same' over time")
    return _linear(ir.Conv1d, layer, source, shape)


def _linear(kind: type[L], layer: Any, source: Node, shape: tuple[int, ...], **settings: Any) -> L:
    """Read a QKeras layer, which may have an activation of its own: here it may not."""
    plain = layer.activation is None or getattr(layer.activation, "__name__", "") == "linear"
    require(layer, plain, "put its activation into a QActivation behind it")
    quantizers = (layer.kernel_quantizer_internal, layer.bias_quantizer_internal)
    return linear(kind, layer, source, shape, quantizers, **settings)


def linear(
    kind: type[L], layer: Any, source: Node, shape: tuple[int, ...], quantizers: tuple[Any, Any], **settings: Any
) -> L:
    """Build a node whose output is the exact accumulator, as narrow as the real weights allow."""
    weights = layer.get_weights()
    require(layer, len(weights) == 2, "use_bias must be True")
    kernel_fmt, bias_fmt = (format_of(quantizer, layer) for quantizer in quantizers)
    kernel, bias = integers(layer, "kernel", weights[0], kernel_fmt), integers(layer, "bias", weights[1], bias_fmt)
    if kind is ir.Conv1d:
        kernel = kernel.reshape(-1, *kernel.shape[-2:])
    frac = source.fmt.frac + kernel_fmt.frac
    require(layer, bias_fmt.frac <= frac, f"its bias may have {frac} fraction bits, not {bias_fmt.frac}")
    size, wide = tuple(map(int, shape)), FixedFormat(MAX_BITS, frac)
    node = kind(layer.name, (source.name,), size, wide, kernel, bias, kernel_fmt, bias_fmt, **settings)
    return replace(node, fmt=node.narrowest_format(source.fmt))
