"""GRU: a C-slow loop around one matrix, or two where the reset gate comes before the candidate's product."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.adders import integers
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.gru import GruBlock, gru_matrix, gru_widths
from hw_amc.rtl.blocks.gru_before import GruBeforeBlock, before_matrices
from hw_amc.rtl.blocks.matrix import signed_width
from hw_amc.rtl.blocks.recurrent import TABLES
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Gru, options=(*TABLES, "reset_after"))
def lower_gru(site: Site) -> Lowered:
    """Matrix of input and state, a cell for each unit."""
    node, source, options = site.node, site.source, site.options
    if not node.reset_after:
        return Lowered(_reset_before(site), site.feeds[0].branch)
    inputs = [integers(source.fmt)] * source.shape[-1] + [integers(node.fmt)] * node.units
    sums = options.sums(gru_matrix(node, source.fmt), inputs)
    matrix = options.matrix(node.name, sums, gru_widths(sums, node.units))
    return Lowered(GruBlock(node, source.fmt, matrix), site.feeds[0].branch)


def _reset_before(site: Site) -> GruBeforeBlock:
    """Matrix of input and state for the gates, matrix of what the reset gate left of the state."""
    node, source, options, H = site.node, site.source, site.options, site.node.units
    first, second = before_matrices(node, source.fmt)
    sums = options.sums(first, [integers(source.fmt)] * source.shape[-1] + [integers(node.fmt)] * H)
    widths = (signed_width(sums, range(2 * H)),) * (2 * H) + (signed_width(sums, range(2 * H, 3 * H)),) * H
    product = FixedFormat(node.fmt.bits + node.gate_fmt.bits, 0)
    candidate = options.sums(second, [product] * H)
    return GruBeforeBlock(
        node,
        source.fmt,
        options.matrix(node.name, sums, widths),
        options.matrix(node.name, candidate, (signed_width(candidate, range(H)),) * H, "candidate"),
    )
