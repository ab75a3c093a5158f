"""Fixed-point formats of a deployed network: their fields, and the integer bits that the weights and values need.

A layer's formats go by field: `*_bits` count the sign of signed values, `*_int` are bits left of the point without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from hw_amc.compress.plan import (
    ACTIVATION_BITS,
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
from hw_amc.errors import ConfigError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.ops.table import MAX_TABLE_BITS
from hw_amc.graph.reader import DECLARED_BITS

#: Formats of every quantised layer, by layer and field.
Formats = dict[str, dict[str, int]]
#: Changes to them.
Changes = Mapping[str, Mapping[str, int]]

#: Fields and bits of each kind of layer, with the integer bits of an untrained network.
_GRU = {
    "kernel_bits": 8, "kernel_int": 0, "recurrent_bits": 8, "recurrent_int": 0, "bias_bits": 8, "bias_int": 0,
    "gate_bits": 8, "candidate_bits": 8, "state_bits": 8,
}  # fmt: skip
_LSTM = {**_GRU, "state_int": 1}
#: Of a table in a recurrent cell: of the sum that it takes.
_CURVE = {"in_bits": 10, "in_int": 3}
_LINEAR = {"kernel_bits": 8, "kernel_int": 0, "bias_bits": 16, "bias_int": 3}
_AFFINE = {"scale_bits": 8, "scale_int": 3, "bias_int": 3}

#: Integer bits of an activation of an untrained network.
UNTRAINED = 2
#: Room above the largest bias: training moves it.
BIAS_MARGIN = 1.5
#: Largest sum of a recurrent cell at which the range of a table is judged.
_FAR = 16.0
#: Widths that a field may have.
LEAST_BITS, MOST_BITS = 2, 24


def fields_of(step: Step) -> dict[str, int]:
    """Formats of a step by field, for an untrained network; none for a step that has no format of its own."""
    if isinstance(step, Recurrent):
        tables = {f"{what}_{field}": value for what in sorted(step.curves) for field, value in _CURVE.items()}
        return {**(_LSTM if step.is_lstm else _GRU), **tables}
    if isinstance(step, Linear):
        return dict(_LINEAR)
    if isinstance(step, Affine):
        return dict(_AFFINE)
    if isinstance(step, Tabulate):
        return {"bits": ACTIVATION_BITS, "int": 0}
    if isinstance(step, Quantise):
        return {"bits": step.bits, "int": UNTRAINED if step.integer is None else step.integer}
    return {}


def default_formats(plan: Plan, changes: Changes | None = None) -> Formats:
    """Formats of an untrained network, with changes laid over them.

    Raises
    ------
    ConfigError
        A layer or a field does not exist, or a value is out of range.
    """
    formats = {name: fields for name, step in plan.steps.items() if (fields := fields_of(step))}
    for layer, asked in (changes or {}).items():
        if layer not in formats:
            raise ConfigError(f"no quantised layer is named {layer!r}; choose from {', '.join(formats)}")
        for field, value in asked.items():
            if field not in formats[layer]:
                known = ", ".join(formats[layer])
                raise ConfigError(f"layer {layer!r} has no {field!r}; its formats are {known}")
            low = LEAST_BITS if field.endswith("bits") else 0
            if not low <= value <= MOST_BITS:
                raise ConfigError(f"{layer}.{field} must lie in {low}..{MOST_BITS}, not {value}")
            formats[layer][field] = int(value)
    return formats


def integer_bits(largest: float, bits: int, signed: bool = True) -> int:
    """Fewest integer bits that hold `largest` after rounding to `bits` bits, at least 0; above `bits` a step exceeds 1.

    QKeras computes 2^int in integers, so negative counts do not exist.
    """
    for count in range(MOST_BITS + 1):
        step = 2.0 ** (count - bits + signed)
        if largest <= 2.0**count - step / 2:
            return count
    raise ConfigError(f"a magnitude of {largest:.4g} is above 2^{MOST_BITS}; scale the layers before down")


def bias_integer_bits(largest: float) -> int:
    """Integer bits that never clip a bias of this magnitude, whatever its fraction bits."""
    return max(0, math.floor(math.log2(largest)) + 1) if largest > 0 else 0


def bits_below_point(array: Floats, bits: int) -> int:
    """Bits right of the point that no value of a kernel reaches; 0 where one does, or all are zero."""
    largest, most = _largest(array), MOST_BITS - bits
    holds = [count for count in range(1, most + 1) if largest < 2.0**-count - 2.0 ** (-count - bits)]
    return max(holds, default=0) if largest else 0


def declare_below_point(bits: int, finer: int) -> tuple[int, int]:
    """(bits, integer bits) under which QKeras, that knows no negative count, holds a format from below the point on.

    The leading bits stay unused, and the reader of the graph drops them where there are more than `DECLARED_BITS`.
    """
    declared = max(bits + finer, DECLARED_BITS + 1)
    return declared, declared - bits - finer


def best_integer_bits(array: Floats, bits: int, relative: bool = False, signed: bool = True) -> int:
    """Integer bits with the least square error, where a finer grid pays for clipping a few large values.

    `relative` compares errors with the values: one channel with little spread has a scale many times the others', and
    clipping it costs less than rounding all others to a coarse grid.
    """

    def error(count: int) -> float:
        step, top = 2.0 ** (count + signed - bits), 2.0**count
        rounded = np.clip(np.rint(array / step) * step, -top if signed else 0.0, top - step)
        return float(np.sum(np.square((rounded - array) / (np.where(array == 0, 1.0, array) if relative else 1.0))))

    return min(range(MOST_BITS + 1), key=error)


def affine_bias(layer: Mapping[str, int], input_frac: int) -> tuple[int, int]:
    """(bits, integer bits) of an affine's bias: the product's fraction bits behind `bias_int` integer bits."""
    frac = input_frac + layer["scale_bits"] - 1 - layer["scale_int"]
    return 1 + layer["bias_int"] + frac, layer["bias_int"]


def fraction_bits(plan: Plan, formats: Formats, name: str) -> int:
    """Fraction bits of a step's output, where it has a format of its own or keeps that of its input."""
    step = plan.steps[name]
    if isinstance(step, Quantise):
        return formats[name]["bits"] - step.signed - formats[name]["int"]
    if isinstance(step, StateQuantise):
        state = formats[step.inputs[0]]
        return state["state_bits"] - 1 - state.get("state_int", 0)
    if isinstance(step, Tabulate):
        return formats[name]["bits"] - table_has_sign(step, plan, formats) - formats[name]["int"]
    if isinstance(step, Copy) and not (step.computes or step.needs_quantiser):
        mean = int(step.means.max(initial=1))
        return max(fraction_bits(plan, formats, source) for source in step.inputs) + mean.bit_length() - 1
    raise ConfigError(f"the output of {name!r} has no format yet")  # requantise leaves none


def table_input(step: Tabulate, plan: Plan, formats: Formats) -> FixedFormat:
    """Format of the numbers for which a table has entries."""
    quantiser = plan.steps[step.inputs[0]]
    fields = formats[quantiser.name]
    is_signed = isinstance(quantiser, Quantise) and quantiser.signed
    return FixedFormat(fields["bits"], fields["bits"] - is_signed - fields["int"], is_signed)


def table_values(step: Tabulate, plan: Plan, formats: Formats) -> Floats:
    """Value of a table's function for every number of its input, from the least on."""
    return values_of(step.function, table_input(step, plan, formats))


def values_of(function: Any, source: FixedFormat) -> Floats:
    """Value of a function of float32 tensors for every number of a format, from the least on."""
    x = source.to_value(np.arange(source.min_raw, source.max_raw + 1)).astype(np.float32)
    return np.asarray(function(tf.constant(x)), np.float32)


def curve_input(layer: Mapping[str, int], what: str) -> FixedFormat:
    """Format of the sums for which a recurrent layer's table has entries; `what` is `gate` or `candidate`."""
    bits = layer[f"{what}_in_bits"]
    if bits > MAX_TABLE_BITS:
        raise ConfigError(f"{what}_in_bits must be at most {MAX_TABLE_BITS}, not {bits}: a table has 2^bits entries")
    return FixedFormat(bits, bits - 1 - layer[f"{what}_in_int"])


def _curve_integer_bits(function: Any, bits: int) -> int:
    """Integer bits of a table's input with the least error: rounding a sum, and leaving out what is far from zero."""
    x = np.linspace(-_FAR, _FAR, 4097).astype(np.float32)
    exact = np.asarray(function(tf.constant(x)))

    def error(integer: int) -> float:
        fmt = FixedFormat(bits, bits - 1 - integer)
        rounded = fmt.to_value(fmt.to_raw(x)).astype(np.float32)
        return float(np.max(np.abs(np.asarray(function(tf.constant(rounded))) - exact)))

    return min(range(min(bits, 5)), key=error)


def table_has_sign(step: Tabulate, plan: Plan, formats: Formats) -> bool:
    """Whether a table has negative entries."""
    return bool((table_values(step, plan, formats) < 0).any())


@dataclass
class _Choice:
    """The formats of a plan while they are chosen; fields that are fixed stay as they are."""

    plan: Plan
    formats: Formats
    fixed: Changes
    tops: Mapping[str, float]

    def set(self, step: Step, field: str, value: int) -> None:
        """Choose a field, unless it is fixed."""
        if field not in self.fixed.get(step.name, {}):
            self.formats[step.name][field] = value

    def choose(self, step: Step) -> None:
        """Choose a step's integer bits; those of the steps before it are chosen."""
        if isinstance(step, Recurrent):
            self._recurrent(step)
        elif isinstance(step, Linear):
            self._linear(step)
        elif isinstance(step, Affine):
            bits = self.formats[step.name]["scale_bits"]
            self.set(step, "scale_int", best_integer_bits(step.scale, bits, relative=True))
            self.set(step, "bias_int", bias_integer_bits(_largest(step.bias) * BIAS_MARGIN))
        elif isinstance(step, Tabulate):
            values = table_values(step, self.plan, self.formats)
            bits, has_sign = self.formats[step.name]["bits"], bool((values < 0).any())
            self.set(step, "int", best_integer_bits(values, bits, signed=has_sign))
        elif isinstance(step, Quantise) and step.integer is None:
            self.set(step, "int", self._fitting(step, self.formats[step.name]["bits"], step.signed))

    def _fitting(self, step: Step, bits: int, signed: bool = True) -> int:
        try:
            return integer_bits(self.tops[step.name], bits, signed)
        except ConfigError as error:
            raise ConfigError(f"{step.name}: {error}") from None

    def _recurrent(self, step: Recurrent) -> None:
        layer = self.formats[step.name]
        for field, array in zip(("kernel", "recurrent", "bias"), step.weights, strict=True):
            self.set(step, f"{field}_int", best_integer_bits(array, layer[f"{field}_bits"]))
        if step.is_lstm:
            self.set(step, "state_int", self._fitting(step, layer["state_bits"]))
            # One format has the cell, which grows with the frame, and the output below 1, of which 8 bits are to stay.
            self.set(step, "state_bits", min(layer["state_bits"] + layer["state_int"], MOST_BITS))
        for what, function in step.curves.items():
            self.set(step, f"{what}_in_int", _curve_integer_bits(function, layer[f"{what}_in_bits"]))

    def _linear(self, step: Linear) -> None:
        layer = self.formats[step.name]
        is_fixed = "kernel_int" in self.fixed.get(step.name, {})
        finer = 0 if is_fixed else bits_below_point(step.kernel, layer["kernel_bits"])
        if finer:
            layer["kernel_bits"], layer["kernel_int"] = declare_below_point(layer["kernel_bits"], finer)
        else:
            self.set(step, "kernel_int", best_integer_bits(step.kernel, layer["kernel_bits"]))
        # A bias finer than the products would widen the accumulator for nothing.
        least = layer["bias_bits"] - 1 - _product_frac(self.plan, self.formats, step)
        self.set(step, "bias_int", max(bias_integer_bits(_largest(step.bias) * BIAS_MARGIN), least))


def _largest(array: Floats) -> float:
    return float(np.max(np.abs(array)))


def choose_formats(plan: Plan, tops: Mapping[str, float], widths: Changes | None = None) -> Formats:
    """Choose the integer bits of every format; the bits come from `widths` or the defaults.

    Parameters
    ----------
    plan : with its quantisers and the weights that will be set
    tops : largest magnitude that must not clip, by step, from `find_tops`
    widths : layer -> field -> bits; integer bits given here are not chosen

    Raises
    ------
    ConfigError
        An unknown layer or field, or a value that does not fit its bits.
    """
    choice = _Choice(plan, default_formats(plan, widths), widths or {}, tops)
    for step in plan.steps.values():
        choice.choose(step)
    align_heads(plan, choice.formats)
    return choice.formats


def align_heads(plan: Plan, formats: Formats) -> None:
    """Give the logits of all heads the same fraction bits, in place: the weights of the finer ones lose some."""
    heads = [step for name in plan.outputs if isinstance(step := plan.steps[name], Linear | Affine)]
    fracs = [_product_frac(plan, formats, step) for step in heads]
    for step, frac in zip(heads, fracs, strict=True):
        layer = formats[step.name]
        layer["kernel_int" if isinstance(step, Linear) else "scale_int"] += frac - min(fracs)
        if isinstance(step, Linear) and frac > min(fracs):
            layer["bias_int"] = max(layer["bias_int"], layer["bias_bits"] - 1 - min(fracs))


def _product_frac(plan: Plan, formats: Formats, step: Linear | Affine) -> int:
    """Fraction bits of a layer's products with its input, which are those of its output."""
    layer, prefix = formats[step.name], "kernel" if isinstance(step, Linear) else "scale"
    own = layer[f"{prefix}_bits"] - 1 - layer[f"{prefix}_int"]
    return fraction_bits(plan, formats, step.inputs[0]) + own


def input_format(plan: Plan, widths: Changes | None = None) -> tuple[int, int]:
    """(bits, integer bits) onto which the network's input is rounded."""
    formats = default_formats(plan, widths)
    (frames,) = plan.of(Frames)
    (quantiser,) = plan.consumers(frames.name)
    return formats[quantiser.name]["bits"], formats[quantiser.name]["int"]
