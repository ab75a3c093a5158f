"""A quantiser that no other block takes in."""

from __future__ import annotations

import numpy as np

from hw_amc import graph as ir
from hw_amc.rtl.blocks.linear import QuantizeBlock, Requantize
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Quantize, images=True)
def lower_quantize(site: Site) -> Lowered:
    """Every channel, of all pixels of a slot."""
    node, source, layout = site.node, site.source, site.layout
    channels = node.shape[-1] * (1 if layout is None else layout.phases)
    requantize = Requantize(source.fmt, np.zeros(channels, np.int64), source.fmt, node.fmt)
    return Lowered(QuantizeBlock(node.name, channels, requantize), site.feeds[0].branch, layout)
