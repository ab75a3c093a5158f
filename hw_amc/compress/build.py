"""From a plan and its formats to QKeras layers, and the formats back from a deployed model's quantisers."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from tensorflow import keras

from hw_amc.compress.formats import (
    Formats,
    affine_bias,
    curve_input,
    fraction_bits,
    table_has_sign,
    table_input,
    table_values,
    values_of,
)
from hw_amc.compress.layers import QAffine, qkeras
from hw_amc.compress.means import QMeanPooling
from hw_amc.compress.plan import (
    Affine,
    Copy,
    Floats,
    Frames,
    Linear,
    Plan,
    Quantise,
    Recurrent,
    StateQuantise,
    Step,
    Tabulate,
)
from hw_amc.compress.tables import QTable, TableActivation
from hw_amc.compress.walk import walk
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat


def signed(bits: int, integer: int) -> str:
    """QKeras' name of a signed power-of-two format: range -2^integer .. 2^integer - step, half to even."""
    return f"quantized_bits({bits},{integer},0,alpha=1)"


def unsigned(bits: int, integer: int) -> str:
    """QKeras' name of a ReLU onto an unsigned format."""
    return f"quantized_relu({bits},{integer})"


def build(plan: Plan, formats: Formats) -> Any:
    """Build the deployed model, with the plan's weights, not rounded yet.

    Parameters
    ----------
    plan : with its quantisers
    formats : of every step that has one

    Returns
    -------
    keras.Model, (n, T, channels) values raw / 2^wire_frac -> logits (n, classes), a list of them for several heads.
    """
    tensors: dict[str, Any] = {}
    layers: dict[str, Any] = {}
    for name, step in plan.steps.items():
        if isinstance(step, Frames):
            tensors[name] = keras.Input(step.layer.output_shape[0][1:], name=name)
            inputs = tensors[name]
            continue
        layers[name] = make_layer(step, plan, formats)
        fed = [tensors[source] for source in step.inputs]
        tensors[name] = layers[name](fed if len(fed) > 1 else fed[0])
    outputs = [tensors[name] for name in plan.outputs]
    model = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=plan.name)
    for name, layer in layers.items():
        if weights := weights_of(plan.steps[name], plan, formats):
            layer.set_weights(weights)
    return model


def weights_of(step: Step, plan: Plan, formats: Formats) -> list[Floats]:
    """Weights of a step, in the order of its deployed layer's."""
    if isinstance(step, Tabulate):
        return [table_values(step, plan, formats)]
    if isinstance(step, Recurrent):
        return step.weights
    if isinstance(step, Linear):
        return [step.kernel, step.bias]
    return [step.scale, step.bias] if isinstance(step, Affine) else []


@singledispatch
def make_layer(step: Step, plan: Plan, formats: Formats) -> Any:
    """Make the deployed layer of a step."""
    raise UnsupportedLayer(f"layer {step.name!r} ({type(step).__name__}) has no deployed form")


@make_layer.register
def _copy(step: Copy, plan: Plan, formats: Formats) -> Any:
    if not step.is_exact_mean:
        window = () if step.kind.startswith("Global") else ("pool_size", "strides", "padding")
        return QMeanPooling(**{name: getattr(step.layer, name) for name in window}, name=step.name)
    return type(step.layer).from_config({**step.layer.get_config(), "name": step.name})


@make_layer.register
def _quantise(step: Quantise, plan: Plan, formats: Formats) -> Any:
    name = signed if step.signed else unsigned
    return qkeras.QActivation(name(formats[step.name]["bits"], formats[step.name]["int"]), name=step.name)


@make_layer.register
def _tabulate(step: Tabulate, plan: Plan, formats: Formats) -> Any:
    known, fields = table_input(step, plan, formats), formats[step.name]
    given = (signed if known.signed else unsigned)(known.bits, known.bits - known.frac - known.signed)
    name = signed if table_has_sign(step, plan, formats) else unsigned
    return QTable(given, name(fields["bits"], fields["int"]), name=step.name)


@make_layer.register
def _state_quantise(step: StateQuantise, plan: Plan, formats: Formats) -> Any:
    return qkeras.QActivation(_state(formats[step.inputs[0]]), name=step.name)


@make_layer.register
def _affine(step: Affine, plan: Plan, formats: Formats) -> Any:
    layer = formats[step.name]
    bias = affine_bias(layer, fraction_bits(plan, formats, step.inputs[0]))
    return QAffine(signed(layer["scale_bits"], layer["scale_int"]), signed(*bias), name=step.name)


@make_layer.register
def _linear(step: Linear, plan: Plan, formats: Formats) -> Any:
    layer = formats[step.name]
    settings = {
        "kernel_quantizer": signed(layer["kernel_bits"], layer["kernel_int"]),
        "bias_quantizer": signed(layer["bias_bits"], layer["bias_int"]),
        "name": step.name,
    }
    old = step.layer
    if type(old).__name__ == "Dense":
        return qkeras.QDense(old.units, **settings)
    window = {"strides": old.strides, "padding": old.padding, "dilation_rate": old.dilation_rate}
    if type(old).__name__ == "DepthwiseConv2D":
        kernel = settings.pop("kernel_quantizer")
        window["depth_multiplier"] = old.depth_multiplier
        return qkeras.QDepthwiseConv2D(old.kernel_size, depthwise_quantizer=kernel, **window, **settings)
    kind = getattr(qkeras, f"Q{type(old).__name__}")
    return kind(old.filters, old.kernel_size, **window, **settings)


def _state(layer: dict[str, int]) -> str:
    return signed(layer["state_bits"], layer.get("state_int", 0))


@make_layer.register
def _recurrent(step: Recurrent, plan: Plan, formats: Formats) -> Any:
    layer, old = formats[step.name], step.layer
    settings = {} if step.is_lstm else {"reset_after": old.reset_after}
    gate, candidate = (_curve(step, what, layer) for what in ("gate", "candidate"))
    return getattr(qkeras, "QLSTM" if step.is_lstm else "QGRU")(
        old.units,
        kernel_quantizer=signed(layer["kernel_bits"], layer["kernel_int"]),
        recurrent_quantizer=signed(layer["recurrent_bits"], layer["recurrent_int"]),
        bias_quantizer=signed(layer["bias_bits"], layer["bias_int"]),
        state_quantizer=_state(layer),
        activation=candidate or f"quantized_tanh({layer['candidate_bits']})",
        recurrent_activation=gate or f"quantized_sigmoid({layer['gate_bits']})",
        return_sequences=True,
        name=step.name,
        **settings,
    )


def _curve(step: Recurrent, what: str, layer: dict[str, int]) -> TableActivation | None:
    """Gate or candidate of a recurrent layer as a table; None for a hard one."""
    if what not in step.curves:
        return None
    has_sign = what == "candidate"
    fmt, source = (
        FixedFormat(layer[f"{what}_bits"], layer[f"{what}_bits"] - has_sign, has_sign),
        curve_input(layer, what),
    )
    table = fmt.to_raw(values_of(step.curves[what], source)).tolist()
    return TableActivation(fmt.bits, has_sign, source.bits, layer[f"{what}_in_int"], table)


def _pair(quantiser: Any, prefix: str = "") -> dict[str, int]:
    return {f"{prefix}bits": int(quantiser.bits), f"{prefix}int": int(quantiser.integer)}


def formats_of(model: Any) -> Formats:
    """Read any deployed model's formats back from its quantisers, in the order of its layers."""
    found: Formats = {}
    states: set[str] = set()
    for call in walk(model):
        layer, kind = call.layer, call.kind
        if kind in ("QGRU", "QLSTM"):
            found[layer.name] = _recurrent_formats(layer)
            states.add(layer.name)
        elif kind == "QActivation" and not states.intersection(call.inputs):  # a state's format is the layer's
            found[layer.name] = _pair(layer.quantizer)
        elif kind == "QAffine":
            scale = _pair(layer.scale_quantizer, "scale_")
            found[layer.name] = {**scale, "bias_int": int(layer.bias_quantizer.integer)}
        elif kind == "QTable":
            found[layer.name] = _pair(layer.output_quantizer)
        elif kind in ("QConv1D", "QConv2D", "QDepthwiseConv2D", "QDense"):
            name = "depthwise" if kind == "QDepthwiseConv2D" else "kernel"
            kernel, bias = getattr(layer, f"{name}_quantizer_internal"), layer.bias_quantizer_internal
            found[layer.name] = {**_pair(kernel, "kernel_"), **(_pair(bias, "bias_") if bias is not None else {})}
    return found


def input_format_of(model: Any) -> tuple[int, int]:
    """(bits, integer bits) onto which a deployed model rounds its input.

    Raises
    ------
    UnsupportedLayer
        No quantiser takes the input.
    """
    for call in walk(model):
        if call.kind == "QActivation" and call.inputs == tuple(model.input_names):
            return int(call.layer.quantizer.bits), int(call.layer.quantizer.integer)
    raise UnsupportedLayer(f"model {model.name!r} does not quantise its input first")


def _recurrent_formats(layer: Any) -> dict[str, int]:
    cell = layer.cell
    state = _pair(cell.state_quantizer_internal, "state_")
    if type(layer).__name__ == "QGRU":
        del state["state_int"]  # always 0: a GRU's state lies between -1 and 1
    return {
        **_pair(cell.kernel_quantizer_internal, "kernel_"),
        **_pair(cell.recurrent_quantizer_internal, "recurrent_"),
        **_pair(cell.bias_quantizer_internal, "bias_"),
        "gate_bits": int(cell.recurrent_activation.bits),
        "candidate_bits": int(cell.activation.bits),
        **state,
        **_input_formats("gate", cell.recurrent_activation),
        **_input_formats("candidate", cell.activation),
    }


def _input_formats(what: str, activation: Any) -> dict[str, int]:
    """Format of the sums for which a gate or a candidate has a table."""
    if not isinstance(activation, TableActivation):
        return {}
    bits = activation.source.bits
    return {f"{what}_in_bits": bits, f"{what}_in_int": bits - 1 - activation.source.frac}
