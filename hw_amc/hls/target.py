"""The target that a project is written for: tool, device, clock, and how each layer is built."""

from __future__ import annotations

from dataclasses import dataclass, field

from hw_amc.config import BoardSettings, HlsSettings, LayerHls, suggest
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.hls import backends, ops


@dataclass(frozen=True)
class Target:
    """Tool, device and clock of an HLS project, and how each layer is built."""

    #: hls4ml's name of the tool.
    backend: str
    part: str
    clock_ns: float
    layers: dict[str, LayerHls] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: HlsSettings, board: BoardSettings) -> Target:
        """Target of project.toml's `[hls]` table on `board`, whose clock is the default."""
        return cls(settings.backend, board.part, settings.clock_ns or 1000 / board.clock_mhz, dict(settings.layers))

    @property
    def tool(self) -> backends.HlsTool:
        """What is known of the tool."""
        return backends.find(self.backend)

    def layer(self, name: str) -> LayerHls:
        """Return the settings of one layer, defaults where the project is silent."""
        return self.layers.get(name, LayerHls())

    def check(self, graph: Graph) -> None:
        """Require a known tool, and of every layer named that it exists and can be built as its settings say.

        Raises
        ------
        ConfigError
            Something is wrong; the message names the setting.
        """
        backends.find(self.backend)
        check_layers(graph, self.layers)


def check_layers(graph: Graph, layers: dict[str, LayerHls]) -> None:
    """Require that every layer named exists and can be built as its settings say.

    Raises
    ------
    ConfigError
        Something is wrong; the message names the setting.
    """
    known = [node.name for node in graph.nodes[1:]]
    for name, settings in layers.items():
        if name not in known:
            raise ConfigError(f"[hls.layers.{name}]: the network has no such layer{suggest(name, known)}")
        layer = ops.LayerBuild.of(graph, name, settings)
        ops.find(layer.node).check(layer)
