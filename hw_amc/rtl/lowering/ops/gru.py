"""GRU: a C-slow loop around one matrix."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.adders import integers
from hw_amc.rtl.blocks.gru import GruBlock, gru_matrix, gru_widths
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Gru)
def lower_gru(site: Site) -> Lowered:
    """Matrix of input and state, a cell for each unit."""
    node, source, options = site.node, site.source, site.options
    inputs = [integers(source.fmt)] * source.shape[-1] + [integers(node.fmt)] * node.units
    sums = options.sums(gru_matrix(node, source.fmt), inputs)
    matrix = options.matrix(node.name, sums, gru_widths(sums, node.units))
    return Lowered(GruBlock(node, source.fmt, matrix), site.feeds[0].branch)
