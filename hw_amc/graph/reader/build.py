"""The walk over a model's layers, from the input to the heads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from hw_amc import graph as ir
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.reader.base import READERS, format_of, inbound
from hw_amc.graph.reader.names import identifier

#: Wire words: 16 bit, the binary point from project.toml.
WIRE_BITS = 16


def build_graph(
    model: Any,
    name: str,
    classes: Sequence[str] | Sequence[Sequence[str]],
    weights_digest: str = "",
    wire_frac: int = 14,
) -> Graph:
    """Translate a deployed QKeras model, node by layer under the layer's name.

    A name that is no identifier becomes one, and the node remembers the layer's. A recurrent layer and the state
    quantiser behind it become one node, named after the recurrent layer: QKeras hands out the state before it is
    quantised. Layers may branch and join; every layer is used once.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential; its input is (T, 2) in real units; each output is a head.
    name : str
        The graph's name.
    classes : sequence of str, or of one such sequence for each head
        Class names in the order of the logits.
    weights_digest : str
        SHA-256 of the file that the model was loaded from.
    wire_frac : int
        Fraction bits of the wire words that feed the model.

    Raises
    ------
    UnsupportedLayer
        A layer that cannot be exact, with the reason.
    ConfigError
        `classes` does not fit the outputs.
    DataError
        A weight is no finite number.
    """
    nodes = _nodes_of(model, _input(model, wire_frac))
    heads = [nodes[output] for output in model.output_names]
    unique = tuple(dict.fromkeys(nodes.values()))
    return Graph(name, unique, tuple(node.name for node in heads), _classes_of(heads, classes), weights_digest)


def keras_tensor_of(node: Node, model: Any) -> Any:
    """Return the Keras tensor that equals `node`: its layer's output, of a recurrent one behind the state quantiser."""
    layer = model.get_layer(node.layer_name)
    if isinstance(node, ir.Recurrent):
        layer = next(other for other in model.layers if node.layer_name in inbound(other))
    if tuple(layer.output.shape[1:]) == node.shape:
        return layer.output
    # An image of height 1, or of one pixel.
    from tensorflow import keras

    return keras.layers.Reshape(node.shape)(layer.output)


def _nodes_of(model: Any, frames: Node) -> dict[str, Node]:
    """Read all layers: the layer's name -> the node that has its output."""
    nodes = {frames.layer_name: frames}
    # Recurrent nodes whose state quantiser has been seen.
    rounded: set[str] = set()
    for layer in model.layers:
        if layer.name in nodes:
            continue
        names = inbound(layer)
        sources = [nodes[source] for source in names]
        raw = [node for source, node in zip(names, sources, strict=True) if _is_raw(source, node)]
        if raw:
            _require_state_quantizer(raw[0], layer, rounded)
            rounded.add(raw[0].name)
            nodes[layer.name] = raw[0]
        else:
            nodes[layer.name] = _read(layer, sources, {node.name for node in nodes.values()})
    for output in model.output_names:
        if _is_raw(output, nodes[output]):
            _require_state_quantizer(nodes[output], None, rounded)
    return nodes


def _input(model: Any, wire_frac: int) -> Node:
    inputs = model.inputs or []
    if len(inputs) != 1:
        raise UnsupportedLayer(f"the model needs one input of frames (T, 2), and has {len(inputs)}")
    shape = tuple(inputs[0].shape[1:])
    if len(shape) != 2 or shape[1] != 2:
        raise UnsupportedLayer(
            f"the model's input must be (T, 2), a frame of I and Q, not {shape}; put a Reshape behind an input (T, 2)"
        )
    if shape[0] is None:
        raise UnsupportedLayer("the model's input needs a fixed number of samples, not (None, 2)")
    fmt = FixedFormat(WIRE_BITS, wire_frac)
    frames = ir.Input(model.input_names[0], (), (int(shape[0]), 2), fmt)
    return _named(frames, ())


def _read(layer: Any, sources: list[Node], taken: Collection[str]) -> Node:
    """Make the node of a layer; of one that does nothing it is the node in front."""
    kind = type(layer).__name__
    if kind not in READERS:
        known = ", ".join(sorted(READERS))
        raise UnsupportedLayer(f"layer {layer.name!r} ({kind}) has no exact form; known: {known}")
    try:
        node = READERS[kind](layer, *sources)
    except ConfigError as error:
        raise UnsupportedLayer(f"layer {layer.name!r} ({kind}): {error}") from error
    return node if node in sources else _named(node, taken)


def _named(node: Node, taken: Collection[str]) -> Node:
    """Give a node of a layer's name an identifier that is not `taken`; it remembers the layer's where that differs."""
    word = identifier(node.name)
    names = [word, *(f"{word}_{number}" for number in range(2, len(taken) + 3))]
    name = next(name for name in names if name not in taken)
    return node if name == node.name else replace(node, name=name, layer=node.name)


def _classes_of(heads: Sequence[Node], classes: Sequence[str] | Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Class names by head."""
    words: Sequence[Any] = [classes] if classes and isinstance(classes[0], str) else classes
    if len(words) != len(heads):
        names = ", ".join(repr(head.layer_name) for head in heads)
        raise ConfigError(
            f"the model has {len(heads)} heads ({names}), and there are {len(words)} lists of class names; "
            "give one list for each head (`classes` in project.toml)"
        )
    for head, own in zip(heads, words, strict=True):
        if head.shape != (len(own),):
            raise ConfigError(
                f"head {head.layer_name!r} gives {' x '.join(map(str, head.shape))} logits, and there are {len(own)} "
                "class names; name those of its training in the order of its logits (`classes` in project.toml)"
            )
    return tuple(tuple(own) for own in words)


def _is_raw(layer: str, node: Node) -> bool:
    """Whether a layer hands out a recurrent layer's state before it is quantised."""
    return isinstance(node, ir.Recurrent) and layer == node.layer_name


def _require_state_quantizer(node: Node, layer: Any, rounded: set[str]) -> None:
    """Require that the one layer behind a recurrent one rounds its states."""
    follows = layer is not None and type(layer).__name__ == "QActivation" and node.name not in rounded
    if not follows or format_of(layer.quantizer, layer) != node.fmt:
        raise UnsupportedLayer(f"{node.name}: put a QActivation with its state quantiser ({node.fmt}) right behind it")
