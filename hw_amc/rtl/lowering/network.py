"""From a Graph to blocks in their order: each node by its operation's lowering, then the results."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.rtl.blocks.base import Block, Wires, naming
from hw_amc.rtl.blocks.branch import Branch
from hw_amc.rtl.blocks.dense import DenseProgram
from hw_amc.rtl.blocks.results import PooledResults
from hw_amc.rtl.lowering import ops, registry
from hw_amc.rtl.lowering.heads import build_results
from hw_amc.rtl.lowering.options import Options
from hw_amc.rtl.lowering.registry import Feed, Site, lower_node
from hw_amc.rtl.lowering.streams.rewrite import as_streams
from hw_amc.rtl.lowering.tail import dense_tail, tail_of
from hw_amc.rtl.lowering.walk import walk

__all__ = ["Chain", "Link", "lower", "ops"]


@dataclass(frozen=True)
class Link:
    """A block in its place."""

    block: Block
    #: The way to its input; of two, to the later one.
    branch: Branch


@dataclass(frozen=True)
class Chain:
    """The network as blocks, from the quantised input to the logits."""

    #: The core's input: output of the input quantiser.
    entry: Node
    #: In the order in which they depend on each other.
    links: tuple[Link, ...]
    #: The way to the results.
    branch: Branch
    results: PooledResults | DenseProgram

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks without their places."""
        return tuple(link.block for link in self.links)


def lower(graph: Graph, options: Options) -> Chain:
    """Translate every node.

    Raises
    ------
    UnsupportedLayer
        A node, or the way nodes are connected, has no hardware.
    """
    for name in (graph.name, *(node.name for node in graph.nodes)):
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise UnsupportedLayer(f"rtl: the name {name!r} is no Verilog identifier; rename the layer")
    entry = graph.input_quantizer
    if entry is None or graph.input.shape[1:] != (2,):
        raise UnsupportedLayer(f"rtl: {graph.name!r} must begin with frames of I and Q and their quantiser")
    return _lower_behind(as_streams(graph), entry, options)


def _lower_behind(graph: Graph, entry: Node, options: Options) -> Chain:
    """Make blocks of the nodes behind the entry, up to the results."""
    feeds = {entry.name: Feed(entry, Branch(Wires("entry_flags", "entry_data", 2, entry.fmt), graph.frame_len))}
    links = list[Link]()
    tail = tail_of(graph)
    for node, fused in walk(graph, entry, registry.fuses):
        if node.name in tail:
            continue
        for name in node.inputs:
            if name not in feeds or name in graph.outputs:
                raise UnsupportedLayer(f"rtl: node {node.name!r} ({node.op}) cannot follow {name!r}")
        site = Site(node, fused, tuple(feeds[name] for name in node.inputs), options)
        with naming(node.name):
            lowered = lower_node(site)
        branch = lowered.branch
        if lowered.block is not None:
            links.append(Link(lowered.block, branch))
            branch = branch.then(lowered.block)
        feeds[fused.name] = Feed(fused, branch, lowered.layout)
        if registry.ends(node):
            return Chain(entry, tuple(links), branch, build_results(graph, node))
    if not tail:
        raise UnsupportedLayer(
            f"rtl: {graph.name!r} has no global pool in front of its outputs, nor dense layers on a frame"
        )
    join, dense = dense_tail(graph, feeds, options)
    links.append(Link(join, join.feeds[0]))
    return Chain(entry, tuple(links), join.feeds[0].then(join), dense)
