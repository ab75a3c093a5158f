"""From a deployed QKeras model to the integer Graph.

Only layers that fixed point represents exactly are admitted: anything else is refused by name, with the reason.
The weights become the integers that the layer's quantiser makes of them; accumulators get the narrowest format
that holds every value which the real weights can produce.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Graph, Node, Weights
from hw_amc.graph.fixed import MAX_BITS, FixedFormat, format_for

#: Wire words: 16 bit, the binary point from project.toml.
WIRE_BITS = 16

_RECURRENT = ir.Gru | ir.Lstm
L = TypeVar("L", ir.Conv1d, ir.Conv2d, ir.Dense, ir.Affine)


def build_graph(
    model: Any,
    name: str,
    classes: Sequence[str] | Sequence[Sequence[str]],
    weights_digest: str = "",
    wire_frac: int = 14,
) -> Graph:
    """Translate a deployed QKeras model, node by layer under the layer's name.

    A recurrent layer and the state quantiser behind it become one node, named after the recurrent layer: QKeras hands
    out the state before it is quantised. Layers may branch and join (Add); every layer is used once.

    Parameters
    ----------
    model : keras.Model
        Its input is (T, 2) in real units; each output is a head.
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
    """
    _, frame_len, channels = model.input_shape
    if frame_len is None:
        raise UnsupportedLayer("the model's input needs a fixed number of samples")
    first, *others = model.layers
    frames = ir.Input(first.name, (), (int(frame_len), int(channels)), FixedFormat(WIRE_BITS, wire_frac))
    # Layer's name -> the node that has its output; recurrent nodes whose state quantiser has been seen.
    nodes: dict[str, Node] = {first.name: frames}
    rounded: set[str] = set()
    for layer in others:
        names = _inbound(layer)
        sources = [nodes[name] for name in names]
        raw = [node for name, node in zip(names, sources, strict=True) if _is_raw(name, node)]
        if raw:
            _require_state_quantizer(raw[0], layer, rounded)
            rounded.add(raw[0].name)
            nodes[layer.name] = raw[0]
        else:
            nodes[layer.name] = _translate(layer, sources)
    for output in model.output_names:
        if _is_raw(output, nodes[output]):
            _require_state_quantizer(nodes[output], None, rounded)
    heads = tuple(nodes[output].name for output in model.output_names)
    words: Sequence[Any] = [classes] if classes and isinstance(classes[0], str) else classes
    unique = tuple(dict.fromkeys(nodes.values()))
    return Graph(name, unique, heads, tuple(tuple(head) for head in words), weights_digest)


def keras_tensor_of(node: Node, model: Any) -> Any:
    """Return the Keras tensor that equals `node`: its layer's output, of a recurrent one behind the state quantiser."""
    layer = model.get_layer(node.name)
    if isinstance(node, _RECURRENT):
        layer = next(other for other in model.layers if node.name in _inbound(other))
    if tuple(layer.output.shape[1:]) == node.shape:
        return layer.output
    # An image of height 1, or of one pixel.
    from tensorflow import keras

    return keras.layers.Reshape(node.shape)(layer.output)


def _is_raw(name: str, node: Node) -> bool:
    """Whether a layer hands out a recurrent layer's state before it is quantised."""
    return isinstance(node, _RECURRENT) and name == node.name


def _inbound(layer: Any) -> list[str]:
    """Names of the layers that feed a layer; none for an input."""
    if len(layer.inbound_nodes) != 1:
        raise UnsupportedLayer(f"layer {layer.name!r} is used twice; only layers that are used once are exact here")
    inbound = layer.inbound_nodes[0].inbound_layers
    return [one.name for one in (inbound if isinstance(inbound, list) else [inbound])]


def _translate(layer: Any, sources: list[Node]) -> Node:
    kind = type(layer).__name__
    if kind in _PASS:
        return sources[0]
    if kind == "Add":
        return _add(layer, sources)
    if kind not in _TRANSLATORS:
        known = ", ".join([*_TRANSLATORS, "Add", *_PASS])
        raise UnsupportedLayer(f"layer {layer.name!r} ({kind}) has no exact form; known: {known}")
    return _TRANSLATORS[kind](layer, sources[0])


def _add(layer: Any, sources: list[Node]) -> Node:
    _require(layer, len(sources) == 2, f"it has {len(sources)} inputs; add two at a time")
    left, right = sources
    return ir.Add(layer.name, (left.name, right.name), left.shape, ir.sum_format(left.fmt, right.fmt))


def _require(layer: Any, condition: bool, reason: str) -> None:
    if not condition:
        raise UnsupportedLayer(f"layer {layer.name!r} ({type(layer).__name__}): {reason}")


def _format_of(quantizer: Any, layer: Any) -> FixedFormat:
    """Return the format of a QKeras quantiser; its rounding and limits must be those of two's complement."""
    kind = type(quantizer).__name__
    _require(layer, quantizer is not None, "every tensor needs a quantiser (quantized_bits or quantized_relu)")
    config = quantizer.get_config() if hasattr(quantizer, "get_config") else {}
    _require(layer, config.get("qnoise_factor", 1.0) == 1.0, "qnoise_factor must be 1")
    _require(layer, not config.get("use_stochastic_rounding"), "stochastic rounding is not reproducible")
    if kind == "quantized_bits":
        _require(layer, config["alpha"] in (1, 1.0), f"alpha must be 1, not {config['alpha']!r}")
        signed = bool(config["keep_negative"])
        _require(layer, not (config["symmetric"] and signed), "symmetric must be 0, as in two's complement")
        return FixedFormat(int(config["bits"]), int(config["bits"] - config["integer"] - signed), signed)
    if kind == "quantized_relu":
        _require(layer, not config["negative_slope"], "a leaky ReLU is not exact")
        _require(layer, not config["use_sigmoid"] and config["relu_upper_bound"] is None, "only a plain ReLU is exact")
        return FixedFormat(int(config["bits"]), int(config["bits"] - config["integer"]), signed=False)
    raise UnsupportedLayer(f"layer {layer.name!r}: quantiser {kind} has no exact form; use quantized_bits, alpha=1")


def _integers(values: Any, fmt: FixedFormat) -> Weights:
    return fmt.to_raw(np.asarray(values)).astype(np.int32)


def _quantize(layer: Any, source: Node) -> Node:
    fmt = _format_of(layer.quantizer, layer)
    return ir.Quantize(layer.name, (source.name,), source.shape, fmt)


def _recurrent_formats(layer: Any) -> tuple[FixedFormat, FixedFormat, FixedFormat, FixedFormat]:
    """Formats of kernel, recurrent kernel, bias and state; the layer's form must be one that the graph has."""
    cell = layer.cell
    _require(layer, layer.return_sequences, "return_sequences must be True")
    _require(layer, not layer.return_state, "return_state is not supported")
    _require(layer, not (layer.go_backwards or layer.stateful), "go_backwards and stateful are not supported")
    _require(layer, cell.use_bias, "use_bias must be True")
    kernel, recurrent, bias, state = (
        _format_of(quantizer, layer)
        for quantizer in (
            cell.kernel_quantizer_internal,
            cell.recurrent_quantizer_internal,
            cell.bias_quantizer_internal,
            cell.state_quantizer_internal,
        )
    )
    return kernel, recurrent, bias, state


def _gru(layer: Any, source: Node) -> Node:
    cell = layer.cell
    _require(layer, cell.reset_after, "set reset_after=True: the reset gate applies behind the product")
    kernel_fmt, recurrent_fmt, bias_fmt, state = _recurrent_formats(layer)
    gate_bits = _hard_bits(cell.recurrent_activation, "quantized_sigmoid", layer)
    candidate_bits = _hard_bits(cell.activation, "quantized_tanh", layer)
    _require(layer, candidate_bits == state.bits, f"quantized_tanh must have the state's {state.bits} bits")
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    return ir.Gru(
        layer.name,
        (source.name,),
        (source.shape[0], cell.units),
        state,
        _integers(kernel, kernel_fmt),
        _integers(recurrent, recurrent_fmt),
        _integers(bias[0], bias_fmt),
        _integers(bias[1], bias_fmt),
        kernel_fmt,
        recurrent_fmt,
        bias_fmt,
        bias_fmt,
        FixedFormat(gate_bits, gate_bits, signed=False),
        state,
    )


def _lstm(layer: Any, source: Node) -> Node:
    cell = layer.cell
    kernel_fmt, recurrent_fmt, bias_fmt, state = _recurrent_formats(layer)
    gate_bits = _hard_bits(cell.recurrent_activation, "quantized_sigmoid", layer)
    candidate_bits = _hard_bits(cell.activation, "quantized_tanh", layer)
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    return ir.Lstm(
        layer.name,
        (source.name,),
        (source.shape[0], cell.units),
        state,
        _integers(kernel, kernel_fmt),
        _integers(recurrent, recurrent_fmt),
        _integers(bias, bias_fmt),
        kernel_fmt,
        recurrent_fmt,
        bias_fmt,
        FixedFormat(gate_bits, gate_bits, signed=False),
        FixedFormat(candidate_bits, candidate_bits - 1),
    )


def _hard_bits(activation: Any, kind: str, layer: Any) -> int:
    config = activation.get_config() if hasattr(activation, "get_config") else {}
    name = type(activation).__name__
    smooth = any(value is True for key, value in config.items() if key.startswith("use_real"))
    exact = name == kind and not smooth and not config.get("symmetric") and not config.get("use_stochastic_rounding")
    _require(layer, exact, f"needs {kind} in its hard form, not {name}: smooth gates have no exact form")
    return int(config["bits"])


def _require_state_quantizer(node: Node, layer: Any, rounded: set[str]) -> None:
    """Require that the one layer behind a recurrent one rounds its states."""
    follows = layer is not None and type(layer).__name__ == "QActivation" and node.name not in rounded
    if not follows or _format_of(layer.quantizer, layer) != node.fmt:
        raise UnsupportedLayer(f"{node.name}: put a QActivation with its state quantiser ({node.fmt}) right behind it")


def _conv1d(layer: Any, source: Node) -> Node:
    _require(layer, layer.padding == "same", "padding must be 'same'")
    _require(layer, layer.strides == (1,) and layer.dilation_rate == (1,), "strides and dilation must be 1")
    _require(layer, layer.groups == 1, "groups must be 1")
    _require(layer, _is_linear(layer), "put its activation into a QActivation behind it")
    shape = (source.shape[0], layer.filters)
    return _linear(ir.Conv1d, layer, source, shape, (layer.kernel_quantizer_internal, layer.bias_quantizer_internal))


def _conv2d(layer: Any, source: Node) -> Node:
    _require(layer, layer.padding in ("same", "valid"), f"padding {layer.padding!r} has no exact form")
    _require(layer, layer.strides == (1, 1) and layer.dilation_rate == (1, 1), "strides and dilation must be 1")
    _require(layer, layer.groups == 1, "groups must be 1")
    _require(layer, _is_linear(layer), "put its activation into a QActivation behind it")
    quantizers = (layer.kernel_quantizer_internal, layer.bias_quantizer_internal)
    shape = _shape(layer)
    if len(source.shape) == 3:
        return _linear(ir.Conv2d, layer, source, shape, quantizers, same=layer.padding == "same")
    _require(layer, layer.kernel_size[0] == 1, "an image of height 1 needs a kernel of height 1")
    _require(layer, layer.padding == "same", "padding must be 'same' over time")
    return _linear(ir.Conv1d, layer, source, shape, quantizers)


def _shape(layer: Any) -> tuple[int, ...]:
    """Shape of a layer's output without batch: an image of height 1 is a tensor over time, of one pixel a vector."""
    shape = tuple(int(size) for size in layer.output_shape[1:])
    if len(shape) == 3 and shape[0] == 1:
        return shape[2:] if shape[1] == 1 else shape[1:]
    return shape


def _reshape(layer: Any, source: Node) -> Node:
    shape = _shape(layer)
    return source if shape == source.shape else ir.Reshape(layer.name, (source.name,), shape, source.fmt)


def _dense(layer: Any, source: Node) -> Node:
    _require(layer, _is_linear(layer), "put its activation into a QActivation behind it")
    shape = (*source.shape[:-1], layer.units)
    return _linear(ir.Dense, layer, source, shape, (layer.kernel_quantizer_internal, layer.bias_quantizer_internal))


def _affine(layer: Any, source: Node) -> Node:
    return _linear(ir.Affine, layer, source, source.shape, (layer.scale_quantizer, layer.bias_quantizer))


def _is_linear(layer: Any) -> bool:
    return layer.activation is None or getattr(layer.activation, "__name__", "") == "linear"


def _linear(
    kind: type[L], layer: Any, source: Node, shape: tuple[int, ...], quantizers: tuple[Any, Any], **settings: bool
) -> L:
    """Build a node whose output is the exact accumulator, as narrow as the real weights allow."""
    weights = layer.get_weights()
    _require(layer, len(weights) == 2, "use_bias must be True")
    kernel_fmt, bias_fmt = (_format_of(quantizer, layer) for quantizer in quantizers)
    kernel, bias = _integers(weights[0], kernel_fmt), _integers(weights[1], bias_fmt)
    if kind is ir.Conv1d:
        kernel = kernel.reshape(-1, *kernel.shape[-2:])
    wide = FixedFormat(MAX_BITS, source.fmt.frac + kernel_fmt.frac)
    _require(layer, bias_fmt.frac <= wide.frac, f"its bias may have {wide.frac} fraction bits, not {bias_fmt.frac}")
    size = tuple(map(int, shape))
    node = kind(layer.name, (source.name,), size, wide, kernel, bias, kernel_fmt, bias_fmt, **settings)
    low, high = node.acc_range(source.fmt, pad=kind is ir.Conv1d or settings.get("same", False))
    return replace(node, fmt=format_for(min(low, -1), high, wide.frac))


def _mean_format(source: Node, count: int) -> FixedFormat:
    shift = count.bit_length() - 1
    return FixedFormat(source.fmt.bits + shift, source.fmt.frac + shift, source.fmt.signed)


def _avg_pool(layer: Any, source: Node) -> Node:
    pool = _pool_size(layer)
    fmt = _mean_format(source, pool)
    if len(_shape(layer)) == 1:
        return ir.GlobalAvgPool1d(layer.name, (source.name,), source.shape[1:], fmt)
    return ir.AvgPool1d(layer.name, (source.name,), (source.shape[0] // pool, source.shape[1]), fmt, pool)


def _max_pool(layer: Any, source: Node) -> Node:
    if len(source.shape) == 3:
        _require(layer, layer.padding == "valid", "padding must be 'valid'")
        (rows, columns), (down, right) = layer.pool_size, layer.strides
        return ir.MaxPool2d(layer.name, (source.name,), _shape(layer), source.fmt, (rows, columns), (down, right))
    pool_size = _pool_size(layer)
    if len(_shape(layer)) == 1:
        return ir.GlobalMaxPool1d(layer.name, (source.name,), source.shape[1:], source.fmt)
    shape = (source.shape[0] // pool_size, source.shape[1])
    return ir.MaxPool1d(layer.name, (source.name,), shape, source.fmt, pool_size)


def _pool_size(layer: Any) -> int:
    """Samples of a window over time; on an image of height 1 the columns'."""
    _require(layer, len(layer.output_shape) == 3 or layer.output_shape[1] == 1, "a mean over an image is not supported")
    rows = np.ravel(layer.pool_size)[:-1]
    pool = int(np.ravel(layer.pool_size)[-1])
    _require(layer, all(rows == 1), "an image of height 1 needs windows of height 1")
    _require(layer, int(np.ravel(layer.strides)[-1]) == pool, "strides must equal pool_size")
    return pool


def _global_avg_pool(layer: Any, source: Node) -> Node:
    _require(layer, len(source.shape) == 2, "a mean over an image is not supported")
    T, channels = source.shape
    return ir.GlobalAvgPool1d(layer.name, (source.name,), (channels,), _mean_format(source, T))


def _global_max_pool(layer: Any, source: Node) -> Node:
    _require(layer, len(source.shape) == 2, "a maximum over an image is not supported")
    return ir.GlobalMaxPool1d(layer.name, (source.name,), source.shape[1:], source.fmt)


_TRANSLATORS: dict[str, Callable[[Any, Node], Node]] = {
    "QActivation": _quantize,
    "QGRU": _gru,
    "QLSTM": _lstm,
    "QConv1D": _conv1d,
    "QConv2D": _conv2d,
    "QDense": _dense,
    "QAffine": _affine,
    "AveragePooling1D": _avg_pool,
    "AveragePooling2D": _avg_pool,
    "MaxPooling1D": _max_pool,
    "MaxPooling2D": _max_pool,
    "GlobalAveragePooling1D": _global_avg_pool,
    "GlobalAveragePooling2D": _global_avg_pool,
    "GlobalMaxPooling1D": _global_max_pool,
    "GlobalMaxPooling2D": _global_max_pool,
    "Reshape": _reshape,
    "Flatten": _reshape,
}
#: Layers that do nothing at inference.
_PASS = ("Dropout", "SpatialDropout1D", "SpatialDropout2D")
