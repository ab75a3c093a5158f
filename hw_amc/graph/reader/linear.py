"""Dense layers, convolutions and affines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node, Weights
from hw_amc.graph.fixed import MAX_BITS, FixedFormat
from hw_amc.graph.reader.base import format_of, integers, output_shape, reads, refuse, require
from hw_amc.graph.reader.windows import window_of

L = TypeVar("L", bound=ir.Linear)

#: Kernels of so many bits keep the format that their quantiser declares.
DECLARED_BITS = 8


@reads("QDense")
def read_dense(layer: Any, source: Node) -> ir.Dense:
    """Read a fully connected layer."""
    formats = _formats(layer, layer.kernel_quantizer_internal, layer.bias_quantizer_internal)
    return _narrowest(_linear(ir.Dense, layer, source, formats), source, (*source.shape[:-1], int(layer.units)))


@reads("QAffine")
def read_affine(layer: Any, source: Node) -> ir.Affine:
    """Read a scale and a bias for each channel."""
    formats = format_of(layer.scale_quantizer, layer), format_of(layer.bias_quantizer, layer)
    return _narrowest(_linear(ir.Affine, layer, source, formats), source, source.shape)


@reads("QConv1D", "QConv2D")
def read_conv(layer: Any, source: Node) -> ir.Conv1d | ir.Conv2d:
    """Read a convolution; over an image of height 1 it is one over time."""
    require(layer, layer.groups == 1, "groups must be 1; QKeras has depthwise layers only")
    return _conv(layer, source, layer.kernel_quantizer_internal, layer.kernel_size, 1)


@reads("QDepthwiseConv2D")
def read_depthwise(layer: Any, source: Node) -> ir.Conv1d | ir.Conv2d:
    """Read a convolution of each channel by itself."""
    return _conv(layer, source, layer.depthwise_quantizer_internal, layer.kernel_size, source.shape[-1])


@reads("QSeparableConv1D", "QSeparableConv2D")
def refuse_separable(layer: Any, source: Node) -> NoReturn:
    """Refuse a layer that does not round between its two convolutions."""
    refuse(layer, "take a QDepthwiseConv2D, a QActivation and a QConv2D of size 1")


def _conv(layer: Any, source: Node, kernel_quantizer: Any, size: Any, groups: int) -> ir.Conv1d | ir.Conv2d:
    formats = _formats(layer, kernel_quantizer, layer.bias_quantizer_internal)
    window, shape = window_of(layer, source, size), output_shape(layer)

    def arrange(kernel: Weights) -> Weights:
        """Kernel as (*window, C_in / groups, C_out)."""
        return kernel.reshape(*window.size, kernel.shape[-2] // groups, -1)

    if len(source.shape) == 2:
        ((stride,), (dilation,), (pads,)) = window.stride, window.dilation, window.pads
        over_time = _linear(ir.Conv1d, layer, source, formats, arrange, groups=groups, stride=stride, dilation=dilation)
        if over_time.padding != (pads,):
            over_time = replace(over_time, pads=pads)
        return _narrowest(over_time, source, shape)
    options = {"stride": window.stride, "dilation": window.dilation}
    over_image = _linear(ir.Conv2d, layer, source, formats, arrange, groups=groups, same=True, **options)
    if layer.padding != "same" or over_image.padding != window.pads:
        above, beside = window.pads
        over_image = replace(over_image, same=False, pads=(above, beside))
    return _narrowest(over_image, source, shape)


def _formats(layer: Any, kernel_quantizer: Any, bias_quantizer: Any) -> tuple[FixedFormat, FixedFormat]:
    """Formats of kernel and bias of a QKeras layer, which may have an activation of its own: here it may not."""
    plain = layer.activation is None or getattr(layer.activation, "__name__", "") == "linear"
    require(layer, plain, "put its activation into a QActivation behind it")
    require(layer, layer.use_bias, "use_bias must be True")
    return format_of(kernel_quantizer, layer), format_of(bias_quantizer, layer)


def _linear(
    kind: type[L],
    layer: Any,
    source: Node,
    formats: tuple[FixedFormat, FixedFormat],
    arrange: Callable[[Weights], Weights] = lambda kernel: kernel,
    **options: Any,
) -> L:
    """Make a node of a layer's kernel and bias; its shape and format are found behind."""
    kernel_fmt, bias_fmt = formats
    kernel, bias = (
        integers(layer, name, weights, fmt)
        for name, weights, fmt in zip(("kernel", "bias"), layer.get_weights(), formats, strict=True)
    )
    frac = source.fmt.frac + kernel_fmt.frac
    require(layer, bias_fmt.frac <= frac, f"its bias may have {frac} fraction bits, not {bias_fmt.frac}")
    wide = FixedFormat(MAX_BITS, frac)
    if kind is not ir.Affine:
        kernel_fmt = _without_unused_bits(kernel, kernel_fmt)
    return kind(layer.name, (source.name,), (), wide, arrange(kernel), bias, kernel_fmt, bias_fmt, **options)


def _without_unused_bits(kernel: Weights, declared: FixedFormat) -> FixedFormat:
    """Format of a wide kernel without the bits right of the point that no integer uses.

    QKeras knows no format that begins below the point: there, a fine kernel is a wide one of small values.
    """
    bits = int(np.abs(kernel.astype(np.int64)).max(initial=1)).bit_length() + 1
    below = declared.bits > DECLARED_BITS and declared.signed and bits <= declared.frac
    return replace(declared, bits=bits) if below else declared


def _narrowest(node: L, source: Node, shape: tuple[int, ...]) -> L:
    """Give a node its shape, and the exact accumulator as narrow as the real weights allow.

    It keeps a bit beside its fraction: of a layer whose sums are all zero, or nearly, rounding would otherwise look for
    bits that are not there, on which the C simulation's types insist.
    """
    fmt = node.narrowest_format(source.fmt)
    return replace(node, shape=shape, fmt=replace(fmt, bits=max(fmt.bits, fmt.frac + 1)))
