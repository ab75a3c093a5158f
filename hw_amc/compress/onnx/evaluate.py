"""Computing a network in ONNX: its constants and shapes, and the network as the reference of what it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.compress.onnx.execute import BIPOLAR, MOVING, QUANT, quantise, run_node
from hw_amc.compress.onnx.file import FRAME_SIZE, OnnxGraph, OnnxNode
from hw_amc.errors import DataError

Array = NDArray[Any]


def run_graph(graph: OnnxGraph, frames: Array, keep: Sequence[str]) -> dict[str, Array]:
    """Compute tensors of a network on frames (n, *input shape)."""
    values: dict[str, Array | None] = {"": None, **graph.constants, graph.input: np.asarray(frames, np.float64)}
    for node in graph.nodes:
        lacking = [name for name in node.inputs if name not in values]
        if lacking:
            raise DataError(f"{node.label} takes {lacking[0][:80]!r}, which nothing before it gives")
        values[node.outputs[0]] = run_node(node, [values[name] for name in node.inputs])
    found = {name: values.get(name) for name in keep}
    for name, value in found.items():
        if value is None:
            raise DataError(f"the network gives no {name[:80]!r}")
    return {name: value for name, value in found.items() if value is not None}


def fold(graph: OnnxGraph) -> tuple[list[OnnxNode], dict[str, Array], dict[str, Array]]:
    """Compute what does not depend on the frames, and every tensor of one frame of zeros.

    Returns
    -------
    nodes that do depend on the frames, constants by name, and tensors by name
    """
    constants: dict[str, Array] = dict(graph.constants)
    values: dict[str, Array | None] = {"": None, **constants, graph.input: np.zeros(graph.input_shape)}
    kept, left = list[OnnxNode](), FRAME_SIZE
    for node in graph.nodes:
        lacking = [name for name in node.inputs if name not in values]
        if lacking:
            raise DataError(f"{node.label} takes {lacking[0][:80]!r}, which nothing before it gives")
        value = run_node(node, [values[name] for name in node.inputs])
        values[node.outputs[0]] = value
        left -= value.size
        if left < 0:
            raise DataError(f"{node.label}: the tensors of a frame hold more than {FRAME_SIZE:,} numbers up to here")
        # A shape is no matter of the frames' numbers.
        if node.op == "Shape" or all(name in constants or not name for name in node.inputs):
            constants[node.outputs[0]] = value
        else:
            kept.append(node)
    return kept, constants, {name: value for name, value in values.items() if value is not None}


def quantised_constants(graph: OnnxGraph, values: Mapping[str, Array]) -> dict[str, tuple[Array, Array]]:
    """Integers and scales of the constants that quantisers gave, wherever they were moved to."""
    found: dict[str, tuple[Array, Array]] = {}
    for node in graph.nodes:
        first = node.inputs[0] if node.inputs else ""
        if node.op in (*QUANT, BIPOLAR) and all(name in values for name in node.inputs):
            given = [values[name] for name in node.inputs]
            if node.op == BIPOLAR:
                pair = np.where(given[0] >= 0, 1.0, -1.0), np.broadcast_to(given[1], given[0].shape)
            else:
                pair = quantise(node, *given)
            found[node.outputs[0]] = pair
        elif node.op in MOVING and first in found:
            others = [values.get(name) for name in node.inputs[1:]]
            moved = (run_node(node, [part, *others]) for part in found[first])
            found[node.outputs[0]] = next(moved), next(moved)
    return found
