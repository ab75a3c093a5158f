"""Two-dimensional convolution without padding: a window over rows and columns, a matrix on it."""

from __future__ import annotations

import numpy as np

from hw_amc import graph as ir
from hw_amc.adders import integers
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.image import Conv2dBlock, Window, conv2d_matrix
from hw_amc.rtl.blocks.linear import LinearBlock, Requantize
from hw_amc.rtl.blocks.matrix import signed_width
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Conv2d, fuses=True, images=True)
def lower_conv2d(site: Site) -> Lowered:
    """For all pixels of a slot at once."""
    node, source, fused, layout = site.node, site.source, site.fused, site.layout
    if layout is None:
        raise site.refuse("but on images that are made of the input's samples")
    if node.same:
        raise site.refuse("on images with padding; conv2d without has")
    rows, columns, depth, _ = node.kernel.shape
    window = Window(fused.name, rows, columns, layout, depth, source.fmt)
    sums = site.options.sums(conv2d_matrix(node, window), [integers(source.fmt)] * window.values)
    channels = layout.phases * node.shape[-1]
    bits = signed_width(sums, range(channels))
    total = FixedFormat(bits, node.acc_frac(source.fmt))
    bias = np.tile(node.scaled_bias(source.fmt), layout.phases)
    # In front of the image a window holds more than zeros, but nobody reads what comes of it.
    requantize = Requantize(total, bias, node.fmt, fused.fmt if fused is not node else None)
    matrix = site.options.matrix(node.name, sums, (bits,) * channels)
    linear = LinearBlock(fused.name, channels, 1, matrix, total, requantize, node.name)
    return Lowered(Conv2dBlock(window, linear), site.feeds[0].branch, layout.behind(rows, columns))
