"""Pools over time: means and maxima of windows; those over the whole frame end what runs over time."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.rtl.blocks.pool import PoolBlock
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.AvgPool1d, ir.MaxPool1d)
def lower_pool(site: Site) -> Lowered:
    """One sample out for `pool` samples in."""
    return Lowered(PoolBlock(site.node, site.source.fmt), site.feeds[0].branch)


@lowers(ir.GlobalAvgPool1d, ends=True)
def lower_global_mean(site: Site) -> Lowered:
    """The results add up over the frame."""
    return Lowered(None, site.feeds[0].branch)


@lowers(ir.GlobalMaxPool1d, ends=True)
def lower_global_maximum(site: Site) -> Lowered:
    """A pool over the whole frame; the results add up its one sample."""
    node, source = site.node, site.source
    whole = ir.MaxPool1d(node.name, node.inputs, (1, *node.shape), node.fmt, source.shape[0])
    return Lowered(PoolBlock(whole, source.fmt), site.feeds[0].branch)
