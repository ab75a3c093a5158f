"""What every reader of a layer needs: the table of layers, formats of quantisers, integers of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.graph import Node, Weights
from hw_amc.graph.fixed import FixedFormat

#: (layer, *nodes that feed it) -> its node, or the one that feeds it where the layer does nothing at inference.
Reader = Callable[..., Node]

#: Name of a Keras layer class -> what reads it.
READERS: dict[str, Reader] = {}


def reads(*classes: str) -> Callable[[Reader], Reader]:
    """Register a function as the reader of layers of these Keras classes."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(classes, reader))
        return reader

    return register


def refuse(layer: Any, reason: str) -> NoReturn:
    """Raise UnsupportedLayer with the layer's name."""
    raise UnsupportedLayer(f"layer {layer.name!r} ({type(layer).__name__}): {reason}")


def require(layer: Any, condition: bool, reason: str) -> None:
    """Raise UnsupportedLayer with the layer's name unless `condition`."""
    if not condition:
        refuse(layer, reason)


def inbound(layer: Any) -> list[str]:
    """Names of the layers that feed a layer; none for an input.

    Raises
    ------
    UnsupportedLayer
        It is used more than once.
    """
    if len(layer.inbound_nodes) != 1:
        raise UnsupportedLayer(f"layer {layer.name!r} is used twice; only layers that are used once are exact here")
    found = layer.inbound_nodes[0].inbound_layers
    return [one.name for one in (found if isinstance(found, list) else [found])]


def output_shape(layer: Any) -> tuple[int, ...]:
    """Shape of a layer's output without batch: an image of height 1 is a tensor over time, of one pixel a vector."""
    shape = tuple(int(size) for size in layer.output_shape[1:])
    if len(shape) == 3 and shape[0] == 1:
        return shape[2:] if shape[1] == 1 else shape[1:]
    return shape


def format_of(quantizer: Any, layer: Any) -> FixedFormat:
    """Return the format of a QKeras quantiser; its rounding and limits must be those of two's complement."""
    kind = type(quantizer).__name__
    require(layer, quantizer is not None, "every tensor needs a quantiser (quantized_bits or quantized_relu)")
    config = quantizer.get_config() if hasattr(quantizer, "get_config") else {}
    require(layer, config.get("qnoise_factor", 1.0) == 1.0, "qnoise_factor must be 1")
    require(layer, not config.get("use_stochastic_rounding"), "stochastic rounding is not reproducible")
    if kind == "quantized_bits":
        require(layer, config["alpha"] in (1, 1.0), f"alpha must be 1, not {config['alpha']!r}")
        signed = bool(config["keep_negative"])
        require(layer, not (config["symmetric"] and signed), "symmetric must be 0, as in two's complement")
        return FixedFormat(int(config["bits"]), int(config["bits"] - config["integer"] - signed), signed)
    if kind == "quantized_relu":
        require(layer, not config["negative_slope"], "a leaky ReLU is not exact")
        require(layer, not config["use_sigmoid"] and config["relu_upper_bound"] is None, "only a plain ReLU is exact")
        return FixedFormat(int(config["bits"]), int(config["bits"] - config["integer"]), signed=False)
    raise UnsupportedLayer(f"layer {layer.name!r}: quantiser {kind} has no exact form; use quantized_bits, alpha=1")


def integers(layer: Any, array: str, values: Any, fmt: FixedFormat) -> Weights:
    """Return the integers that the quantiser of format `fmt` makes of a weight array.

    Raises
    ------
    UnsupportedLayer
        They do not fit 32 bits.
    DataError
        The array holds something else than real, finite numbers.
    """
    found = np.asarray(values)
    bad = found.size if np.iscomplexobj(found) else int(np.count_nonzero(~np.isfinite(found)))
    if bad:
        raise DataError(
            f"layer {layer.name!r}: {bad} of the {found.size} values of {array} are not finite real numbers; "
            "take the weights of another checkpoint, or train again"
        )
    require(layer, FixedFormat(32, 0).holds_range(fmt.min_raw, fmt.max_raw), f"{array} may have 32 bits, not {fmt}")
    return fmt.to_raw(found).astype(np.int32)
