"""Sections of the report that follow from the Graph alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hw_amc.config import BoardSettings, HlsSettings
from hw_amc.graph import Affine, Graph, Node
from hw_amc.hls import estimate

#: Weight matrices that pruning works on; biases and affines stay dense.
KERNELS = ("kernel", "recurrent")


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
    arrays = [(node, key, array) for node in graph.nodes for key, array in node.arrays().items()]
    kernels = [array for node, key, array in arrays if _is_kernel(node, key)]
    weights = sum(array.size for array in kernels)
    nonzeros = sum(int(np.count_nonzero(array)) for array in kernels)
    bits = sum(
        (int(np.count_nonzero(array)) if _is_kernel(node, key) else array.size) * getattr(node, f"{key}_fmt").bits
        for node, key, array in arrays
    )
    dense, sparse = zip(*(macs(node) for node in graph.nodes), strict=True)
    section: dict[str, Any] = {
        "name": graph.name,
        "graph_sha256": graph.digest(),
        "parameters": sum(array.size for _, _, array in arrays),
        "nonzeros": nonzeros + sum(array.size for node, key, array in arrays if not _is_kernel(node, key)),
        "kernel_weights": weights,
        "kernel_nonzeros": nonzeros,
        "weight_bits": max((getattr(node, f"{key}_fmt").bits for node, key, _ in arrays if key in KERNELS), default=0),
        "sparsity": 1 - nonzeros / weights if weights else 0.0,
        "macs_per_frame": sum(dense),
        "nonzero_macs_per_frame": sum(sparse),
        "memory_bytes": math.ceil(bits / 8),
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
        kernels = [array for key, array in node.arrays().items() if key in KERNELS]
        dense, _ = macs(node)
        counted = {
            "weights": sum(array.size for array in kernels),
            "nonzeros": sum(int(np.count_nonzero(array)) for array in kernels),
            "macs": dense,
        }
        estimated = costs[node.name].figures()
        kinds = {**dict.fromkeys(counted, "measured"), **dict.fromkeys(estimated, "estimated")}
        item = {"name": node.name, "op": node.op, "formats": formats(node, sources), **counted, **estimated}
        if node.arrays():
            item["reuse_factor"] = settings.layer(node.name).reuse_factor
        section.append({**item, "command": command or f"make hls MODEL={graph.name}", "kind": kinds})
    return section


def macs(node: Node) -> tuple[int, int]:
    """Multiply-accumulates of a node per frame: with every kernel weight, and with the nonzero ones only.

    Padding counts as samples, and affines (batch normalisations) do not count, as in the published figures.
    """
    kernels = [array for key, array in node.arrays().items() if _is_kernel(node, key)]
    steps = node.shape[0] if len(node.shape) == 2 else 1
    size = sum(array.size for array in kernels)
    nonzero = sum(int(np.count_nonzero(array)) for array in kernels)
    return steps * size, steps * nonzero


def formats(node: Node, sources: list[Node]) -> dict[str, str]:
    """Fixed-point formats of a node's input, output and weights: `s8.7` is signed, 8 bits, 7 of them fraction."""
    found = {"input": str(sources[0].fmt), "output": str(node.fmt)}
    for key in node.arrays():
        found[key] = str(getattr(node, f"{key}_fmt"))
    return found


def _is_kernel(node: Node, key: str) -> bool:
    return key in KERNELS and not isinstance(node, Affine)


def _with_accuracy(section: dict[str, Any], accuracy: dict[str, Any]) -> dict[str, Any]:
    kind = accuracy.get("kind", "measured")
    found = {"accuracy": accuracy["accuracy"]}
    for key, source in (("average_accuracy", "average"), ("accuracy_at_least_10_db", "at_least_10_db")):
        if source in accuracy:
            found[key] = accuracy[source]
    counts = [key for key in section if key not in ("name", "graph_sha256", "weights_sha256", "command", "kind")]
    kinds = {**dict.fromkeys(counts, "measured"), **dict.fromkeys(found, kind)}
    whole = {**section, **found, "kind": "measured" if set(kinds.values()) == {"measured"} else kinds}
    if accuracy.get("eval_set"):
        whole["eval_set"] = accuracy["eval_set"]
    return whole
