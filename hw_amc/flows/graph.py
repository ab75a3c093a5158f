"""From a model's weights to its graph, as project.toml asks for it."""

from __future__ import annotations

from typing import Any

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import file_digest
from hw_amc.graph import Graph
from hw_amc.workspace import Workspace

#: Width field in project.toml -> the node's format that it sets.
WIDTH_OF = {
    "bits": "fmt",
    "kernel_bits": "kernel_fmt",
    "scale_bits": "kernel_fmt",
    "recurrent_bits": "recurrent_fmt",
    "bias_bits": "bias_fmt",
    "gate_bits": "gate_fmt",
    "candidate_bits": "candidate_fmt",
    "gate_in_bits": "gate_in_fmt",
    "candidate_in_bits": "candidate_in_fmt",
    "state_bits": "fmt",
}


def build_graph(workspace: Workspace, deployed: Any) -> Graph:
    """Build the graph of a model's weights with the settings of its project.toml.

    Raises
    ------
    UnsupportedLayer
        A layer is not exact.
    ConfigError, DataError
        See `require_widths`.
    """
    from hw_amc.graph import reader

    settings = workspace.settings()
    digest = file_digest(workspace.weights)
    graph = reader.build_graph(deployed, workspace.model, workspace.classes(), digest, settings.input.wire_frac)
    require_widths(graph, settings.quant)
    return graph


def require_widths(graph: Graph, widths: dict[str, dict[str, int]]) -> None:
    """Require the widths that project.toml names.

    Raises
    ------
    ConfigError
        project.toml names a layer or width that does not exist.
    DataError
        The weights were trained with another width.
    """
    for layer, fields in widths.items():
        node = graph[layer]
        for name, bits in fields.items():
            fmt = getattr(node, WIDTH_OF.get(name, ""), None)
            if fmt is None:
                raise ConfigError(f"project.toml: quant.{layer}.{name} is not a width of that layer")
            if fmt.bits != bits:
                raise DataError(f"project.toml says quant.{layer}.{name} = {bits}, weights.h5 has {fmt.bits} bits")
