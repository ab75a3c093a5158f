"""An image made of a frame's samples: where its pixels stand in the stream. Flat frames are `lowering.tail`'s."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.rtl.blocks.image import image_layout
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Reshape)
def lower_reshape(site: Site) -> Lowered:
    """Nothing moves."""
    branch = site.feeds[0].branch
    if branch.blocks or len(site.node.shape) != 3:
        raise site.refuse("but as an image of the input's samples, or a flat frame")
    samples, channels = site.source.shape
    return Lowered(None, branch, image_layout(site.node, samples, channels))
