"""The network that is converted must be the Graph: layer by layer, formats and integers, in Keras and in the C++."""

from __future__ import annotations

from dataclasses import fields
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import Mismatch
from hw_amc.graph import Graph, Node
from hw_amc.hls.ops import find

_MEND = "rebuild the graph from weights.h5"


def require_graph(model: Any, graph: Graph) -> None:
    """Raise Mismatch, naming the first difference, unless a Keras model is the network of the Graph."""
    from hw_amc.graph.reader import build_graph

    built = build_graph(model, graph.name, graph.classes, graph.weights_digest, graph.input.fmt.frac)
    names = ([node.name for node in one.nodes] for one in (built, graph))
    for theirs, ours in zip_longest(*names, fillvalue="none"):
        if theirs != ours:
            raise Mismatch(f"the model has layer {theirs} where the graph has {ours}; {_MEND}")
    for found, wanted in zip(built.nodes, graph.nodes, strict=True):
        for item in fields(wanted):
            ours, theirs = getattr(wanted, item.name), getattr(found, item.name)
            arrays = [isinstance(each, np.ndarray) for each in (ours, theirs)]
            if all(arrays) and ours.shape == theirs.shape:
                _require_equal(wanted, item.name, theirs, ours)
            elif any(arrays) or ours != theirs:
                raise Mismatch(
                    f"layer {wanted.name}: {item.name} is {_said(theirs)} in Keras and {_said(ours)} in the graph; "
                    f"{_MEND}"
                )
    _require_weights(model, graph)


def _said(value: Any) -> Any:
    return f"{value.size} integers" if isinstance(value, np.ndarray) else value


def _require_weights(model: Any, graph: Graph) -> None:
    """Let the layers' own quantisers round the weights: not our reader's arithmetic, but the same integers."""
    layers = {layer.name: layer for layer in model.layers}
    for node in graph.nodes[1:]:
        layer = layers[node.layer_name]
        operation = find(node)
        quantizers = operation.keras.get(type(layer).__name__)
        if quantizers:
            arrays = {name: _rounded(layer, name, quantizer) for name, quantizer in quantizers.items()}
            for field, values in operation.weights(arrays).items():
                _require(node, field, values)


def _rounded(layer: Any, name: str, quantizer: str) -> NDArray[np.float64]:
    """Return one array of a layer as its quantiser rounds it."""
    (weights,) = (weight for weight in layer.weights if weight.name.rsplit("/", 1)[-1].split(":")[0] == name)
    owner = getattr(layer, "cell", layer)
    rounding = getattr(owner, f"{quantizer}_internal", None) or getattr(owner, quantizer)
    return np.asarray(rounding(weights), np.float64)


def _require(node: Node, field: str, values: NDArray[np.float64]) -> None:
    wanted = getattr(node, field)
    found = np.rint(np.ldexp(values, node.array_format(field).frac)).astype(np.int64).reshape(wanted.shape)
    _require_equal(node, field, found, wanted)


def _require_equal(node: Node, field: str, found: NDArray[Any], wanted: NDArray[Any]) -> None:
    wrong = np.argwhere(found != wanted)
    if len(wrong):
        at = tuple(map(int, wrong[0]))
        raise Mismatch(
            f"layer {node.name}: {field}{list(at)} is {found[at]} in Keras and {wanted[at]} in the graph; {_MEND}"
        )
