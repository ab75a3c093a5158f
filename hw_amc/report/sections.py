"""Sections of the report that follow from the Graph alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hw_amc.config import BoardSettings, HlsSettings
from hw_amc.graph import Graph, Node
from hw_amc.graph.ops import Weights
from hw_amc.hls import estimate
from hw_amc.report.schema import figures


def model_section(graph: Graph, accuracy: dict[str, Any] | None = None, command: str = "") -> dict[str, Any]:
    """Section `model`: counts of the deployed network, and its accuracy where it was evaluated.

    `sparsity` is the fraction of zero kernel weights (GRU, convolution, dense). `nonzeros` counts the nonzero
    kernel weights and all biases and affine parameters, which stay dense; `memory_bytes` is what these take, packed.

    Parameters
    ----------
    graph : Graph
    accuracy : dict, optional
        Content of the model's accuracy.json.
    command : str
        What the user ran.
    """
    kernels = [array for node in graph.nodes for array in node.kernels().values()]
    weights, nonzeros = sum(array.size for array in kernels), sum(int(np.count_nonzero(array)) for array in kernels)
    widths = [node.array_format(key).bits for node in graph.nodes for key in _factors(node)]
    section: dict[str, Any] = {
        "name": graph.name,
        "graph_sha256": graph.digest(),
        "parameters": sum(node.parameters for node in graph.nodes),
        "nonzeros": sum(node.nonzeros for node in graph.nodes),
        "kernel_weights": weights,
        "kernel_nonzeros": nonzeros,
        "weight_bits": max(widths, default=0),
        "sparsity": 1 - nonzeros / weights if weights else 0.0,
        "macs_per_frame": sum(node.macs for node in graph.nodes),
        "nonzero_macs_per_frame": sum(node.nonzero_macs for node in graph.nodes),
        "memory_bytes": math.ceil(sum(node.memory_bits for node in graph.nodes) / 8),
        "frame_samples": graph.frame_len,
        "heads": _heads(graph, accuracy or {}),
        "command": command or f"make hls MODEL={graph.name}",
        "kind": "measured",
    }
    if graph.weights_digest:
        section["weights_sha256"] = graph.weights_digest
    return section if accuracy is None else _with_accuracy(section, accuracy)


def layers_section(
    graph: Graph, settings: HlsSettings, board: BoardSettings, command: str = ""
) -> list[dict[str, Any]]:
    """Section `layers`: per node its weights, formats and MACs, counted, and its estimated cycles and resources.

    Parameters
    ----------
    graph : Graph
    settings : HlsSettings
        Reuse factor and strategy by layer.
    board : BoardSettings
    command : str
        What the user ran.
    """
    costs = {cost.name: cost for cost in estimate.hls(graph, settings, board).layers}
    section = []
    for node, sources in graph.walk():
        factors = _factors(node).values()
        counted = {
            "weights": sum(array.size for array in factors),
            "nonzeros": sum(int(np.count_nonzero(array)) for array in factors),
            "macs": node.macs,
        }
        estimated = costs[node.name].figures()
        kinds = {**dict.fromkeys(counted, "measured"), **dict.fromkeys(estimated, "estimated")}
        item = {"name": node.name, "op": node.op, "formats": formats(node, sources), **counted, **estimated}
        if node.arrays():
            item["reuse_factor"] = settings.layer(node.name).reuse_factor
        section.append({**item, "command": command or f"make hls MODEL={graph.name}", "kind": kinds})
    return section


def formats(node: Node, sources: list[Node]) -> dict[str, str]:
    """Fixed-point formats of a node's input, output and weights: `s8.7` is signed, 8 bits, 7 of them fraction."""
    found = {"input": str(sources[0].fmt), "output": str(node.fmt)}
    for key in node.arrays():
        found[key] = str(node.array_format(key))
    return found


def _factors(node: Node) -> dict[str, Weights]:
    """Return a node's arrays but for the biases: what multiplies samples, batch normalisations included."""
    return {key: array for key, array in node.arrays().items() if not key.endswith("bias")}


def _heads(graph: Graph, accuracy: dict[str, Any]) -> list[dict[str, Any]]:
    """List the outputs with their number of classes, and the accuracy of each where there are several."""
    several = accuracy.get("heads", [])
    return [
        {"name": name, "classes": len(classes), **(_accuracy(several[at]) if at < len(several) else {})}
        for at, (name, classes) in enumerate(zip(graph.outputs, graph.classes, strict=True))
    ]


def _accuracy(found: dict[str, Any]) -> dict[str, Any]:
    """Take the accuracy by SNR and its averages out of accuracy.json, or out of one head's part of it."""
    keys = {"accuracy": "accuracy", "average_accuracy": "average", "accuracy_at_least_10_db": "at_least_10_db"}
    return {key: found[source] for key, source in keys.items() if found.get(source) is not None}


def _with_accuracy(section: dict[str, Any], accuracy: dict[str, Any]) -> dict[str, Any]:
    kind, found = accuracy.get("kind", "measured"), _accuracy(accuracy)
    kinds = {**dict.fromkeys(figures(section), "measured"), **dict.fromkeys(found, kind)}
    whole = {**section, **found, "kind": "measured" if set(kinds.values()) == {"measured"} else kinds}
    if accuracy.get("eval_set"):
        whole["eval_set"] = accuracy["eval_set"]
    return whole
