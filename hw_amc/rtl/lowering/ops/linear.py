"""Dense and one-dimensional convolution: a matrix that multiplies one sample by all taps, sums over time."""

from __future__ import annotations

import numpy as np

from hw_amc import graph as ir
from hw_amc.adders import integers
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.rtl.blocks.linear import LinearBlock, Requantize, linear_matrix
from hw_amc.rtl.blocks.matrix import signed_width
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Dense, ir.Conv1d, fuses=True)
def lower_linear(site: Site) -> Lowered:
    """A matrix, the partial sums of open outputs, bias and requantisation."""
    return Lowered(linear_block(site), site.feeds[0].branch)


def linear_block(site: Site) -> LinearBlock:
    """Block of a dense, affine or convolution node, with the quantiser behind it where there is one."""
    node, source, fused = site.node, site.source, site.fused
    channels = node.shape[-1]
    taps = node.kernel.shape[0] if isinstance(node, ir.Conv1d) else 1
    inputs = [integers(source.fmt)] * source.shape[-1]
    sums = site.options.sums(linear_matrix(node), inputs)
    bits = signed_width(sums, range(channels * taps))
    frac = node.acc_frac(source.fmt)
    # Without the bias, and with any subset of the taps: between the least and the largest sum, zero included.
    low, high = ir.linear_range(node.matrix(), np.zeros(channels, np.int64), source.fmt)
    total = format_for(min(int(low.min()), -1), max(int(high.max()), 0), frac)
    total = FixedFormat(max(total.bits, bits + 1), frac) if taps > 1 else FixedFormat(bits, frac)
    requantize = Requantize(total, node.scaled_bias(source.fmt), node.fmt, fused.fmt if fused is not node else None)
    matrix = site.options.matrix(node.name, sums, (bits,) * (channels * taps))
    return LinearBlock(fused.name, channels, taps, matrix, FixedFormat(bits, frac), requantize, node.name)
