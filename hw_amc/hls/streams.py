"""What the core looks like from outside, and which of the graph's nodes it computes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.hls import ops
from hw_amc.hls.maps import streamed


@dataclass(frozen=True)
class CoreStreams:
    """The core's two streams: packed samples in the network's input format in, int32 logits out."""

    #: The node whose tensor enters the core: the input quantiser belongs to the shell.
    source: Node
    #: The heads, in the order of their logits.
    heads: tuple[Node, ...]
    #: Nodes computed inside the core, in order; their position is the layer's number in the C++.
    layers: tuple[Node, ...]

    @classmethod
    def of(cls, graph: Graph) -> CoreStreams:
        """Find the core's ends.

        Raises
        ------
        UnsupportedLayer
            An operation that the core lacks, an input that is not I/Q, a format that exceeds the words, or a layer
            whose output nobody reads.
        """
        graph = streamed(graph)
        source = graph.input_quantizer or graph.input
        names = [node.name for node in graph.nodes]
        core = cls(
            source, tuple(graph[name] for name in graph.outputs), graph.nodes[names.index(source.name) + 1 :]
        )  # fmt: skip
        for node in core.layers:
            ops.find(node).require_form(ops.LayerBuild.of(graph, node.name))
        core._check(graph)
        return core

    def _check(self, graph: Graph) -> None:
        source = self.source
        if len(source.shape) != 2 or source.shape[1] != 2 or source.fmt.bits > 16:
            raise UnsupportedLayer(f"{source.name}: the core takes I and Q of up to 16 bits, not {source.shape[1]} "
                                   f"channels of {source.fmt.bits}")  # fmt: skip
        for head in self.heads:
            if head.fmt.bits > 32:
                raise UnsupportedLayer(f"{head.name}: logits need {head.fmt.bits} bits, result words have 32")
        read = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
        for node in self.layers:
            if node.name not in read:
                raise UnsupportedLayer(f"{node.name}: nothing reads this layer; take it out of the model")

    def readers(self) -> dict[str, list[tuple[str, int]]]:
        """Who reads each stream: (layer, which of its inputs); what leaves the core is read by ''."""
        found: dict[str, list[tuple[str, int]]] = {node.name: [] for node in (self.source, *self.layers)}
        for node in self.layers:
            for place, source in enumerate(node.inputs):
                found[source].append((node.name, place))
        for number, head in enumerate(self.heads):
            found[head.name].append(("", number))
        return found

    def stream_names(self) -> dict[tuple[str, int], str]:
        """C++ name of the stream that each of them reads; a stream with several readers is copied for each."""
        names = {}
        for source, readers in self.readers().items():
            for number, reader in enumerate(readers):
                names[reader] = f"{source}_out" if len(readers) == 1 else f"{source}_copy{number}"
        return names

    @property
    def field_bits(self) -> int:
        """Bits from I to Q in a sample word: whole bytes."""
        return -(-self.source.fmt.bits // 8) * 8

    @property
    def logits(self) -> int:
        """Logits of a frame, of all heads."""
        return sum(head.shape[0] for head in self.heads)


def network_name(graph: Graph) -> str:
    """C++ name of the network's function."""
    return re.sub(r"\W", "_", graph.name) + "_net"
