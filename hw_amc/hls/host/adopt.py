"""From hls4ml's reading of a Keras model to ours: the Graph, and one layer for each of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph, Node
from hw_amc.hls.backends import HOST_PREFIX
from hw_amc.hls.host import weights
from hw_amc.hls.ops import LayerBuild, LinearOperation, RecurrentOperation, find
from hw_amc.hls.streams import CoreStreams
from hw_amc.hls.target import Target

#: hls4ml's keys in a layer's configuration -> ours.
_SETTINGS = {
    "ReuseFactor": "reuse_factor",
    "RecurrentReuseFactor": "recurrent_reuse_factor",
    "CellsReuseFactor": "cells_reuse_factor",
    "Strategy": "strategy",
    "DspMultipliers": "dsp_multipliers",
}


@dataclass(frozen=True, eq=False)
class Given:
    """Graph and target of a caller that has them already."""

    graph: Graph
    target: Target


def adopt(network: Any) -> None:
    """Replace all layers of hls4ml's ModelGraph by ours; `network.hw_amc` is then what the writer needs.

    Raises
    ------
    UnsupportedLayer
        A layer without an exact form, or that the core lacks.
    ConfigError
        A setting that names no layer, means nothing for it, or is illegal.
    Mismatch
        The model's weights are not the Graph's.
    """
    model = network.config.get_config_value("KerasModel")
    given = network.config.get_config_value("HwAmc") or _read(network, model)
    given.target.check(given.graph)
    weights.require_graph(model, given.graph)
    core = CoreStreams.of(given.graph)
    _replace_layers(network, given, core, {node.name: _traced(network, node) for node in core.layers})
    network.hw_amc = given


def _read(network: Any, model: Any) -> Given:
    from hw_amc.graph.reader import build_graph

    config = network.config
    heads = [f"head{number}" for number in range(len(model.outputs))]
    classes = [
        [f"{head}_{index}" for index in range(int(tensor.shape[-1]))]
        for head, tensor in zip(heads, model.outputs, strict=True)
    ]
    graph = build_graph(model, config.get_project_name(), classes, wire_frac=config.get_config_value("WireFrac"))
    tool = config.backend.tool.name
    period = float(config.get_config_value("ClockPeriod"))
    return Given(graph, Target(tool, config.get_config_value("Part"), period, _layers(graph, config.config)))


def _layers(graph: Graph, config: Mapping[str, Any]) -> dict[str, LayerHls]:
    """Settings by node from hls4ml's configuration, whose names are those of the Keras layers."""
    hls = config.get("HLSConfig", {})
    by_name = hls.get("LayerName", {})
    for part in ("LayerType", "Optimizers", "SkipOptimizers"):
        if hls.get(part):
            raise ConfigError(
                f"back ends {HOST_PREFIX}...: {part} of hls_config has no meaning here; set layers by name"
            )
    wanted = int(hls.get("Model", {}).get("ReuseFactor", 1))
    found = {}
    for node in graph.nodes[1:]:
        operation = find(node)
        if isinstance(operation, LinearOperation | RecurrentOperation):
            own = by_name.get(node.layer_name, {})
            found[node.name] = _settings(graph, node, own, wanted)
    return found


def _settings(graph: Graph, node: Node, own: Mapping[str, Any], wanted: int) -> LayerHls:
    """Settings of one layer; the model's reuse factor is as large as its rules allow."""
    layer = LayerBuild.of(graph, node.name)
    operation: Any = find(layer.node)
    values = {ours: own[theirs] for theirs, ours in _SETTINGS.items() if own.get(theirs) is not None}
    if "reuse_factor" not in values:
        legal = operation.legal(layer)
        values["reuse_factor"] = max(factor for factor in legal if factor <= wanted)
    # hls4ml writes its default where nobody asked for one.
    for key in ("recurrent_reuse_factor", "cells_reuse_factor"):
        if values.get(key) == 1:
            del values[key]
    return LayerHls(**values)


def _traced(network: Any, node: Node) -> bool:
    """Whether hls4ml's `trace` asks for a layer's output: it asks for all where it traces at all."""
    config = network.config.config["HLSConfig"]
    by_name = config.get("LayerName", {}).get(node.layer_name, {})
    return bool(by_name.get("Trace", config.get("Model", {}).get("TraceOutput", True)))


def _replace_layers(network: Any, given: Given, core: CoreStreams, traced: Mapping[str, bool]) -> None:
    network.graph.clear()
    network.output_vars = {}
    network.index = 0
    network.inputs, network.outputs = [core.source.name], list(given.graph.outputs)
    numbers = {node.name: number for number, node in enumerate(core.layers)}
    streams = core.stream_names()
    for node in (core.source, *core.layers):
        inside = node.name in numbers
        build = LayerBuild.of(given.graph, node.name, given.target.layer(node.name)) if inside else None
        sources = build.sources if build else ()
        attributes = {
            "class_name": "HwAmcLayer",
            "node": given.graph[node.name],
            "build": build,
            "number": numbers.get(node.name),
            "streams": [streams[node.name, place] for place in range(len(sources))],
            "trace": inside and traced[node.name],
        }
        names = [source.name for source in sources] or ["input"]
        network.graph[node.name] = network.make_node("HwAmcLayer", node.name, attributes, names, [node.name])
        network.graph[node.name].get_output_variable().type.name = f"{node.name}_t"
