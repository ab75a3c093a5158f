"""Recurrent layers, with hard gates or gates that are tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.reader.base import format_of, integers, reads, require


@reads("QGRU")
def read_gru(layer: Any, source: Node) -> ir.Gru:
    """Read a GRU; its node includes the state quantiser behind it."""
    cell = layer.cell
    kernel_fmt, recurrent_fmt, bias_fmt, state = _formats(layer)
    gate, candidate, tables = _curves(layer)
    require(layer, candidate.bits == state.bits, f"quantized_tanh must have the state's {state.bits} bits")
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    own, after = bias if cell.reset_after else (bias, np.zeros_like(bias))
    return ir.Gru(
        layer.name,
        (source.name,),
        (source.shape[0], cell.units),
        state,
        integers(layer, "kernel", kernel, kernel_fmt),
        integers(layer, "recurrent_kernel", recurrent, recurrent_fmt),
        integers(layer, "bias", own, bias_fmt),
        integers(layer, "recurrent bias", after, bias_fmt),
        kernel_fmt,
        recurrent_fmt,
        bias_fmt,
        bias_fmt,
        gate,
        state,
        reset_after=bool(cell.reset_after),
        **tables,
    )


@reads("QLSTM")
def read_lstm(layer: Any, source: Node) -> ir.Lstm:
    """Read an LSTM; its node includes the state quantiser behind it."""
    cell = layer.cell
    kernel_fmt, recurrent_fmt, bias_fmt, state = _formats(layer)
    gate, candidate, tables = _curves(layer)
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    return ir.Lstm(
        layer.name,
        (source.name,),
        (source.shape[0], cell.units),
        state,
        integers(layer, "kernel", kernel, kernel_fmt),
        integers(layer, "recurrent_kernel", recurrent, recurrent_fmt),
        integers(layer, "bias", bias, bias_fmt),
        kernel_fmt,
        recurrent_fmt,
        bias_fmt,
        gate,
        candidate,
        **tables,
    )


@reads("ReverseTime")
def read_reverse(layer: Any, source: Node) -> ir.Reverse:
    """Read a frame that is turned around."""
    return ir.Reverse(layer.name, (source.name,), source.shape, source.fmt)


_ADDS = "; hw-amc init makes this form of a model file"


def _formats(layer: Any) -> tuple[FixedFormat, FixedFormat, FixedFormat, FixedFormat]:
    """Formats of kernel, recurrent kernel, bias and state; the layer's form must be one that the graph has."""
    cell = layer.cell
    require(layer, layer.return_sequences, f"return_sequences must be True, with a Cropping1D behind{_ADDS}")
    require(layer, not layer.return_state, "return_state is not supported")
    require(layer, not layer.stateful, "stateful layers are not supported: a state begins at zero in every frame")
    require(layer, not layer.go_backwards, f"go_backwards must be False, with a ReverseTime in front{_ADDS}")
    require(layer, cell.use_bias, f"use_bias must be True, with zeros{_ADDS}")
    kernel, recurrent, bias, state = (
        format_of(quantizer, layer)
        for quantizer in (
            cell.kernel_quantizer_internal,
            cell.recurrent_quantizer_internal,
            cell.bias_quantizer_internal,
            cell.state_quantizer_internal,
        )
    )
    return kernel, recurrent, bias, state


def _curves(layer: Any) -> tuple[FixedFormat, FixedFormat, dict[str, Any]]:
    """Formats of gates and candidate, and the node's fields of those that are tables."""
    tables: dict[str, Any] = {}
    formats = []
    for what, kind, activation in (
        ("gate", "quantized_sigmoid", layer.cell.recurrent_activation),
        ("candidate", "quantized_tanh", layer.cell.activation),
    ):
        signed = what == "candidate"
        if type(activation).__name__ == "TableActivation":
            require(layer, activation.fmt.signed == signed, f"the table of its {what} has the wrong sign")
            tables |= {f"{what}_table": activation.table.astype(np.int32), f"{what}_in_fmt": activation.source}
            formats.append(activation.fmt)
        else:
            bits = _hard_bits(activation, kind, layer)
            formats.append(FixedFormat(bits, bits - signed, signed))
    gate, candidate = formats
    return gate, candidate, tables


def _hard_bits(activation: Any, kind: str, layer: Any) -> int:
    config = activation.get_config() if hasattr(activation, "get_config") else {}
    name = type(activation).__name__
    smooth = any(value is True for key, value in config.items() if key.startswith("use_real"))
    exact = name == kind and not smooth and not config.get("symmetric") and not config.get("use_stochastic_rounding")
    way_out = "a smooth gate is exact as a table (hw_amc.compress.TableActivation) only"
    require(layer, exact, f"needs {kind} in its hard form, not {name}: {way_out}")
    return int(config["bits"])
