"""Recurrent layers with hard gates."""

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
    require(layer, cell.reset_after, "set reset_after=True: the reset gate applies behind the product")
    kernel_fmt, recurrent_fmt, bias_fmt, state = _formats(layer)
    gate_bits = _hard_bits(cell.recurrent_activation, "quantized_sigmoid", layer)
    candidate_bits = _hard_bits(cell.activation, "quantized_tanh", layer)
    require(layer, candidate_bits == state.bits, f"quantized_tanh must have the state's {state.bits} bits")
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    return ir.Gru(
        layer.name,
        (source.name,),
        (source.shape[0], cell.units),
        state,
        integers(layer, "kernel", kernel, kernel_fmt),
        integers(layer, "recurrent_kernel", recurrent, recurrent_fmt),
        integers(layer, "bias", bias[0], bias_fmt),
        integers(layer, "recurrent bias", bias[1], bias_fmt),
        kernel_fmt,
        recurrent_fmt,
        bias_fmt,
        bias_fmt,
        FixedFormat(gate_bits, gate_bits, signed=False),
        state,
    )


@reads("QLSTM")
def read_lstm(layer: Any, source: Node) -> ir.Lstm:
    """Read an LSTM; its node includes the state quantiser behind it."""
    cell = layer.cell
    kernel_fmt, recurrent_fmt, bias_fmt, state = _formats(layer)
    gate_bits = _hard_bits(cell.recurrent_activation, "quantized_sigmoid", layer)
    candidate_bits = _hard_bits(cell.activation, "quantized_tanh", layer)
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
        FixedFormat(gate_bits, gate_bits, signed=False),
        FixedFormat(candidate_bits, candidate_bits - 1),
    )


def _formats(layer: Any) -> tuple[FixedFormat, FixedFormat, FixedFormat, FixedFormat]:
    """Formats of kernel, recurrent kernel, bias and state; the layer's form must be one that the graph has."""
    cell = layer.cell
    require(layer, layer.return_sequences, "return_sequences must be True")
    require(layer, not layer.return_state, "return_state is not supported")
    require(layer, not (layer.go_backwards or layer.stateful), "go_backwards and stateful are not supported")
    require(layer, cell.use_bias, "use_bias must be True")
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


def _hard_bits(activation: Any, kind: str, layer: Any) -> int:
    config = activation.get_config() if hasattr(activation, "get_config") else {}
    name = type(activation).__name__
    smooth = any(value is True for key, value in config.items() if key.startswith("use_real"))
    exact = name == kind and not smooth and not config.get("symmetric") and not config.get("use_stochastic_rounding")
    require(layer, exact, f"needs {kind} in its hard form, not {name}: smooth gates have no exact form")
    return int(config["bits"])
