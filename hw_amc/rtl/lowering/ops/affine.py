"""Scale and bias of each channel: a diagonal matrix at R = 1, shared multipliers at R > 1."""

from __future__ import annotations

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.affine import AffineBlock
from hw_amc.rtl.blocks.linear import Requantize
from hw_amc.rtl.lowering.ops.linear import linear_block
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Affine, fuses=True)
def lower_affine(site: Site) -> Lowered:
    """At R = 1 as a dense layer."""
    node, source, fused, branch = site.node, site.source, site.fused, site.feeds[0].branch
    cycles = site.options.cycles_of(node.name)
    if cycles == 1:
        return Lowered(linear_block(site), branch)
    product = FixedFormat(source.fmt.bits + node.kernel_fmt.bits + 1, node.acc_frac(source.fmt))
    bias = node.scaled_bias(source.fmt)
    requantize = Requantize(product, bias, node.fmt, fused.fmt if fused is not node else None)
    kernel, bits = node.kernel.astype(np.int64), node.kernel_fmt.bits + 1
    block = AffineBlock(fused.name, node.shape[-1], source.fmt, kernel, bits, requantize, cycles, node.name)
    return Lowered(block, branch)
