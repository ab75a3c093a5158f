"""Two-dimensional maximum of stride 1: a window over rows and columns, a tree of comparisons."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.rtl.blocks.image import MaxPool2dBlock, Window
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.MaxPool2d, images=True)
def lower_max_pool2d(site: Site) -> Lowered:
    """For all pixels of a slot at once."""
    node, source, layout = site.node, site.source, site.layout
    if layout is None:
        raise site.refuse("but on images that are made of the input's samples")
    if node.stride != (1, 1):
        raise site.refuse("on images with a stride; max_pool2d of stride 1 has")
    rows, columns = node.pool
    window = Window(node.name, rows, columns, layout, source.shape[-1], source.fmt)
    return Lowered(MaxPool2dBlock(node.name, window), site.feeds[0].branch, layout.behind(rows, columns))
