"""Which operation becomes which block: every file of `lowering/ops` registers what it lowers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Node
from hw_amc.rtl.blocks.base import Block
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.blocks.image import Layout
from hw_amc.rtl.lowering.options import Options


@dataclass(frozen=True)
class Feed:
    """A tensor on its way into a node."""

    node: Node
    branch: Branch
    #: Where its pixels stand; None for a tensor over time.
    layout: Layout | None = None


@dataclass(frozen=True)
class Site:
    """A node to be lowered, and what stands around it."""

    node: Any
    #: The last node that goes into the block: the node itself, or the quantiser behind it.
    fused: Node
    feeds: tuple[Feed, ...]
    options: Options

    @property
    def source(self) -> Node:
        """Node of the first input."""
        return self.feeds[0].node

    @property
    def layout(self) -> Layout | None:
        """Layout of the first input."""
        return self.feeds[0].layout

    def refuse(self, reason: str) -> UnsupportedLayer:
        """Error that names the node and says why it has no hardware."""
        return UnsupportedLayer(f"rtl: {self.node.op!r} (node {self.node.name!r}) has no hardware {reason}".rstrip())


@dataclass(frozen=True)
class Lowered:
    """What a node became."""

    #: None: the tensor only looks different, or the results take it.
    block: Block | None
    #: The way to the block's input; of two, the later one.
    branch: Branch
    #: Of the output, where it is an image.
    layout: Layout | None = None


@dataclass(frozen=True)
class Lowering:
    """How nodes of one type become blocks."""

    build: Callable[[Site], Lowered]
    #: A quantiser that follows becomes part of the block.
    fuses: bool
    #: Inputs may be images.
    images: bool
    #: What follows belongs to the results.
    ends: bool
    #: Fields of the node that it knows besides those of every such node.
    options: Collection[str]


_LOWERINGS: dict[type[Node], Lowering] = {}


def lowers(
    *kinds: type[Node], fuses: bool = False, images: bool = False, ends: bool = False, options: Collection[str] = ()
) -> Callable[[Callable[[Site], Lowered]], Callable[[Site], Lowered]]:
    """Register a function that lowers nodes of these types; see `Lowering` for the options."""

    def register(build: Callable[[Site], Lowered]) -> Callable[[Site], Lowered]:
        for kind in kinds:
            if kind in _LOWERINGS:
                raise TypeError(f"{kind.__name__} is lowered twice")
            _LOWERINGS[kind] = Lowering(build, fuses, images, ends, options)
        return build

    return register


def fuses(node: Node) -> bool:
    """Whether the node's block can take in the quantiser behind it."""
    found = _LOWERINGS.get(type(node))
    return found is not None and found.fuses


def ends(node: Node) -> bool:
    """Whether what follows the node belongs to the results."""
    found = _LOWERINGS.get(type(node))
    return found is not None and found.ends


def lower_node(site: Site) -> Lowered:
    """Make a block of a node.

    Raises
    ------
    UnsupportedLayer
        The operation, or this form of it, has no hardware.
    """
    found = _LOWERINGS.get(type(site.node))
    if found is None:
        raise site.refuse("")
    if not found.images and any(feed.layout is not None for feed in site.feeds):
        raise site.refuse("on images")
    site.node.refuse_options("rtl", found.options)
    lowered = found.build(site)
    if lowered.layout is not None and len(site.fused.shape) != 3:
        raise site.refuse("where an image becomes a tensor over time")
    return lowered
