"""hls4ml's view of the deployed Keras model: each QKeras layer becomes one of our layers.

The weights come through hls4ml's own reader and the layer's own quantiser, and must be the integers of the Graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from hls4ml.converters import register_keras_v2_layer_handler
from hls4ml.converters.keras_v2_to_hls import get_layer_handlers, get_weights_data
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.compress.qkeras_shims import load_qkeras
from hw_amc.errors import Mismatch
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls.layers import LAYERS
from hw_amc.hls.target import Core, Target

qkeras = load_qkeras()

#: Names in the layer's configuration of what rounds each weight array, by QKeras class: array -> quantiser.
WEIGHTS = {
    "QGRU": {"kernel": "kernel_quantizer", "recurrent_kernel": "recurrent_quantizer", "bias": "bias_quantizer"},
    "QConv1D": {"kernel": "kernel_quantizer", "bias": "bias_quantizer"},
    "QDense": {"kernel": "kernel_quantizer", "bias": "bias_quantizer"},
    "QAffine": {"scale": "scale_quantizer", "bias": "bias_quantizer"},
}
PARSED = (*WEIGHTS, "QActivation", "AveragePooling1D", "MaxPooling1D", "GlobalAveragePooling1D")

Handler = Callable[..., tuple[dict[str, Any], list[int | None]]]


@dataclass
class Reader:
    """Handler of Keras layers for one network."""

    graph: Graph
    target: Target

    def __post_init__(self) -> None:
        self.core = Core.of(self.graph)
        self.numbers = {node.name: number for number, node in enumerate(self.core.layers(self.graph))}
        #: Graph node behind each Keras layer seen so far.
        self.nodes: dict[str, Node] = {self.graph.input.name: self.graph.input}

    def parse(
        self, keras_layer: dict[str, Any], input_names: list[str], input_shapes: Any, data_reader: Any
    ) -> tuple[dict[str, Any], list[int | None]]:
        """Translate one Keras layer (hls4ml's handler interface)."""
        name = keras_layer["config"]["name"]
        source = self.nodes[input_names[0]]
        inside = name in self.numbers
        # A quantiser outside the core's list does nothing there; it carries its input's node on.
        node = self.graph[name] if inside else self._identity(keras_layer, source)
        self.nodes[name] = node
        if inside:
            self._require_weights(keras_layer, node, data_reader)
        kind = LAYERS[type(node)] if inside else LAYERS[ir.Quantize]
        layer = {
            "name": name,
            "class_name": kind.__name__,
            "inputs": input_names,
            "ir_node": node,
            "ir_source": source if inside else node,
            "layer_hls": self.target.layer(name),
            "number": self.numbers.get(name, -1),
            "identity": not inside,
        }
        return layer, [None, *node.shape]

    def _identity(self, keras_layer: dict[str, Any], source: Node) -> Node:
        """Return the node whose tensor leaves a quantiser that the core does not compute."""
        name = keras_layer["config"]["name"]
        if name == self.core.source.name:
            return self.core.source
        quantiser = qkeras.get_quantizer(keras_layer["config"].get("activation"))
        grid = source.fmt.to_value(np.arange(source.fmt.min_raw, source.fmt.max_raw + 1)).astype(np.float32)
        if quantiser is None or not np.array_equal(np.asarray(quantiser(grid)), grid):
            raise Mismatch(f"layer {name!r} is not in the graph and changes {source.name!r}; rebuild the graph")
        return source

    def _require_weights(self, keras_layer: dict[str, Any], node: Node, data_reader: Any) -> None:
        names = WEIGHTS.get(keras_layer["class_name"], {})
        arrays = {
            array: _quantised(keras_layer["config"][quantiser], get_weights_data(data_reader, node.name, array))
            for array, quantiser in names.items()
        }
        if isinstance(node, ir.Gru):
            bias = arrays["bias"]
            require_weights(node, "kernel", arrays["kernel"], node.kernel_fmt)
            require_weights(node, "recurrent", arrays["recurrent_kernel"], node.recurrent_fmt)
            require_weights(node, "bias", bias[0], node.bias_fmt)
            require_weights(node, "recurrent_bias", bias[1], node.recurrent_bias_fmt)
        elif isinstance(node, ir.Conv1d | ir.Dense | ir.Affine):
            kernel, bias = arrays.values()
            require_weights(node, "kernel", kernel, node.kernel_fmt)
            require_weights(node, "bias", bias, node.bias_fmt)


def _quantised(quantiser: Any, weights: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(qkeras.get_quantizer(quantiser)(weights), np.float64)


def require_weights(node: Node, field: str, values: NDArray[np.float64], fmt: FixedFormat) -> None:
    """Raise Mismatch unless `values` are the Graph's integers of `node.field`."""
    require_integers(node, field, np.rint(np.ldexp(values, fmt.frac)).astype(np.int64), "Keras")


def require_integers(node: Node, field: str, integers: NDArray[np.int64], where: str) -> None:
    """Raise Mismatch, naming the first, unless `integers` are the Graph's of `node.field`."""
    wanted = getattr(node, field)
    if integers.shape != wanted.shape:
        raise Mismatch(f"layer {node.name}: {field} is {integers.shape} in {where} and {wanted.shape} in the graph")
    wrong = np.argwhere(integers != wanted)
    if len(wrong):
        at = tuple(map(int, wrong[0]))
        raise Mismatch(
            f"layer {node.name}: {field}{list(at)} is {integers[at]} in {where} and {wanted[at]} in the graph; "
            "rebuild the graph from weights.h5"
        )


@contextmanager
def handlers(graph: Graph, target: Target) -> Iterator[None]:
    """Let hls4ml parse QKeras layers through a `Reader` of `graph`; its own handlers come back afterwards."""
    table = get_layer_handlers()
    before = {name: table.pop(name) for name in PARSED if name in table}
    reader = Reader(graph, target)
    try:
        for name in PARSED:
            register_keras_v2_layer_handler(name, reader.parse)
        yield
    finally:
        for name in PARSED:
            table.pop(name, None)
        table.update(before)
