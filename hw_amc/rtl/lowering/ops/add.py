"""Sum of two branches."""

from __future__ import annotations

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Node
from hw_amc.rtl.blocks.add import AddBlock
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.lowering.registry import Lowered, Site, lowers


@lowers(ir.Add)
def lower_add(site: Site) -> Lowered:
    """The later branch sets the time."""
    left, right = (feed.branch for feed in site.feeds)
    block = build_add(site.node, left, right)
    return Lowered(block, block.late)


def build_add(node: ir.Add, left: Branch, right: Branch) -> AddBlock:
    """Order two branches by time; errors as `in_order`."""
    return AddBlock(node, *in_order(node, left, right))


def in_order(node: Node, left: Branch, right: Branch) -> tuple[Branch, Branch]:
    """Return the earlier and the later branch.

    Raises
    ------
    UnsupportedLayer
        Neither branch is the later one throughout a frame.
    """
    early, late = sorted((left, right), key=lambda branch: (int(branch.slots.sum()), branch.lag, len(branch.blocks)))
    if (late.slots < early.slots).any():
        raise UnsupportedLayer(
            f"rtl: the branches that {node.name!r} ({node.op}) joins overtake each other within a frame; "
            "pool both at the same place"
        )
    return early, late
