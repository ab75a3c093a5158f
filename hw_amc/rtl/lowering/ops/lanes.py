"""What happens inside vectors: functions as tables, lanes picked, the largest of some."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.rtl.blocks.lanes import LanesBlock, LargestBlock, TableBlock
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers
from hw_amc.rtl.lowering.streams.nodes import Lanes, Largest


@lowers(ir.Table)
def lower_table(site: Site) -> Lowered:
    """A memory for each channel."""
    node, source = site.node, site.source
    return Lowered(TableBlock(node.name, node.shape[-1], source.fmt, node.fmt, node.table), site.feeds[0].branch)


@lowers(Lanes)
def lower_lanes(site: Site) -> Lowered:
    """Wires."""
    node = site.node
    return Lowered(LanesBlock(node.name, node.fmt, node.source, site.source.fmt), site.feeds[0].branch)


@lowers(Largest)
def lower_largest(site: Site) -> Lowered:
    """A tree of comparisons."""
    return Lowered(LargestBlock(site.node.name, site.node.fmt, site.node.candidates), site.feeds[0].branch)
