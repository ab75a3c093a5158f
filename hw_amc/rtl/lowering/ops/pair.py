"""Two branches side by side, and their products."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.rtl.blocks.pair import ConcatenateBlock, MultiplyBlock
from hw_amc.rtl.lowering.ops.add import in_order
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Concatenate, ir.Multiply)
def lower_pair(site: Site) -> Lowered:
    """The later branch sets the time."""
    node = site.node
    if len(site.feeds) != 2 or len({feed.node.shape[0] for feed in site.feeds}) != 1:
        raise site.refuse("but of two streams of equal length")
    first, second = (feed.branch for feed in site.feeds)
    early, late = in_order(node, first, second)
    kind = ConcatenateBlock if isinstance(node, ir.Concatenate) else MultiplyBlock
    block = kind(node.name, node.shape[-1], node.fmt, early, late, late is first and late is not second)
    return Lowered(block, late)
