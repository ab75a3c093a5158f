"""What follows from a vector's place in its frame: windows, the frame from its end, one vector many times."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.rtl.blocks.frames import ChooseBlock, RepeatBlock, ReverseBlock
from hw_amc.rtl.blocks.pool import PoolBlock
from hw_amc.rtl.blocks.taps import TapsBlock
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers
from hw_amc.rtl.lowering.streams.nodes import Choose, Repeat, SumPool, Taps


@lowers(Taps)
def lower_taps(site: Site) -> Lowered:
    """Vectors kept for each context."""
    node, (length, lanes) = site.node, site.source.shape
    count = node.shape[0]
    block = TapsBlock(node.name, length, lanes, node.fmt, node.taps, node.first, node.stride, count, node.fill)
    return Lowered(block, site.feeds[0].branch)


@lowers(ir.Reverse)
def lower_reverse(site: Site) -> Lowered:
    """Two frames of each context in a memory."""
    length, lanes = site.node.shape
    return Lowered(ReverseBlock(site.node.name, lanes, site.node.fmt, length), site.feeds[0].branch)


@lowers(Repeat)
def lower_repeat(site: Site) -> Lowered:
    """A vector of each context in a memory."""
    length, lanes = site.node.shape
    return Lowered(RepeatBlock(site.node.name, lanes, site.node.fmt, length), site.feeds[0].branch)


@lowers(Choose)
def lower_choose(site: Site) -> Lowered:
    """A multiplexer and the vector's number."""
    length, lanes = site.node.shape
    block = ChooseBlock(site.node.name, lanes, site.node.fmt, length, site.node.choices, site.source.fmt)
    return Lowered(block, site.feeds[0].branch)


@lowers(SumPool)
def lower_sum(site: Site) -> Lowered:
    """As a mean, which is a sum too."""
    return Lowered(PoolBlock(site.node, site.source.fmt), site.feeds[0].branch)
