"""What the core looks like from outside, and the target that a project is written for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hw_amc import graph as ir
from hw_amc.config import BoardSettings, HlsSettings, LayerHls, suggest
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import terms


@dataclass(frozen=True)
class Target:
    """Tool, device and clock of an HLS project, and how each layer is built."""

    #: hls4ml's name of the tool: Vivado (Vivado HLS, to 2020.1) or Vitis (Vitis HLS).
    backend: str
    part: str
    clock_ns: float
    layers: dict[str, LayerHls] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: HlsSettings, board: BoardSettings) -> Target:
        """Target of project.toml's `[hls]` table on `board`, whose clock is the default."""
        return cls(settings.backend, board.part, settings.clock_ns or 1000 / board.clock_mhz, dict(settings.layers))

    def layer(self, name: str) -> LayerHls:
        """Return the settings of one layer, defaults where the project is silent."""
        return self.layers.get(name, LayerHls())

    def check(self, graph: Graph) -> None:
        """Raise ConfigError unless every layer named exists and its reuse factor is legal."""
        known = [node.name for node in graph.nodes]
        for name, layer in self.layers.items():
            if name not in known:
                raise ConfigError(f"[hls.layers.{name}]: the network has no such layer{suggest(name, known)}")
            terms.require_legal(graph[name], layer.reuse_factor)


#: Operations that hw_amc/hls/firmware computes; `layers.LAYERS` says how.
KERNELS = (
    ir.Quantize,
    ir.Gru,
    ir.Conv1d,
    ir.Dense,
    ir.Affine,
    ir.AvgPool1d,
    ir.GlobalAvgPool1d,
    ir.MaxPool1d,
)


@dataclass(frozen=True)
class Core:
    """The core's two streams: packed samples in the network's input format in, int32 logits out."""

    #: The node whose tensor enters the core: the input quantiser belongs to the shell.
    source: Node
    result: Node

    @classmethod
    def of(cls, graph: Graph) -> Core:
        """Find the core's ends in a chain of nodes.

        Raises
        ------
        UnsupportedLayer
            The graph is not a chain with one output, its input is not I/Q, or a format exceeds the words.
        """
        follows = [node.inputs for node in graph.nodes]
        chain = [(), *((node.name,) for node in graph.nodes[:-1])]
        if follows != chain or len(graph.outputs) != 1:
            raise UnsupportedLayer("the HLS road builds chains of layers with one output; use the RTL road")
        for node in graph.nodes[1:]:
            if not isinstance(node, KERNELS):
                raise UnsupportedLayer(
                    f"the HLS road has no kernel for {node.op!r} (node {node.name!r}); use the RTL road"
                )
            node.refuse_options("the HLS road")
        source = graph.nodes[1] if isinstance(graph.nodes[1], ir.Quantize) else graph.nodes[0]
        core = cls(source, graph.nodes[-1])
        if source.shape[1] != 2 or source.fmt.bits > 16:
            raise UnsupportedLayer(f"{source.name}: the core takes I and Q of up to 16 bits, not {source.shape[1]} "
                                   f"channels of {source.fmt.bits}")  # fmt: skip
        if core.result.fmt.bits > 32:
            raise UnsupportedLayer(f"{core.result.name}: logits need {core.result.fmt.bits} bits, result words have 32")
        return core

    @property
    def field_bits(self) -> int:
        """Bits from I to Q in a sample word: whole bytes."""
        return -(-self.source.fmt.bits // 8) * 8

    def layers(self, graph: Graph) -> tuple[Node, ...]:
        """Nodes computed inside the core, in order; their position is the layer's number in the C++."""
        names = [node.name for node in graph.nodes]
        return graph.nodes[names.index(self.source.name) + 1 :]


def network_name(graph: Graph) -> str:
    """C++ name of the function that hls4ml writes."""
    return re.sub(r"\W", "_", graph.name) + "_net"


def cpp_type(fmt: FixedFormat, rounding: bool = True) -> str:
    """`fmt` in the tools' words; with `rounding` a value entering it is rounded half to even and saturated."""
    modes = ",AP_RND_CONV,AP_SAT" if rounding else ""
    return f"ap_{'' if fmt.signed else 'u'}fixed<{fmt.bits},{fmt.integer_bits}{modes}>"


def raw_type(fmt: FixedFormat) -> str:
    """C++ type of raw integers of `fmt`."""
    return f"hw_amc::integer<{fmt.bits}, {str(fmt.signed).lower()}>::type"
