"""Fixed-point formats of a deployed network: bits per layer, integer bits from the ranges seen."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

from hw_amc.errors import ConfigError

#: Format of every layer. `*_bits` count the sign of signed values, `*_int` are bits left of the point without it.
Formats = dict[str, dict[str, int]]

#: Bits are the defaults of `widths`; integer bits are those of an untrained network.
DEFAULT_FORMATS: Formats = {
    "input_quant": {"bits": 8, "int": 1},
    "gru": {
        "kernel_bits": 8, "kernel_int": 0, "recurrent_bits": 8, "recurrent_int": 0, "bias_bits": 8, "bias_int": 0,
        "gate_bits": 8, "candidate_bits": 8, "state_bits": 8,
    },
    "gru_affine": {"scale_bits": 8, "scale_int": 3, "bias_int": 3},
    "gru_relu": {"bits": 8, "int": 2},
    "conv1": {"kernel_bits": 8, "kernel_int": 0, "bias_bits": 16, "bias_int": 3},
    "conv1_relu": {"bits": 8, "int": 2},
    "conv2": {"kernel_bits": 8, "kernel_int": 0, "bias_bits": 16, "bias_int": 3},
    "conv2_relu": {"bits": 8, "int": 2},
    "gap_quant": {"bits": 14, "int": 2},
    "head": {"scale_bits": 8, "scale_int": 3, "bias_int": 3},
}  # fmt: skip


def merge(changes: Mapping[str, Mapping[str, int]] | None) -> Formats:
    """Lay changes over the defaults.

    Raises
    ------
    ConfigError
        A layer or a field does not exist, or a value is out of range.
    """
    formats = copy.deepcopy(DEFAULT_FORMATS)
    for layer, fields in (changes or {}).items():
        if layer not in formats:
            raise ConfigError(f"no quantised layer is named {layer!r}; choose from {', '.join(formats)}")
        for field, value in fields.items():
            if field not in formats[layer]:
                known = ", ".join(formats[layer])
                raise ConfigError(f"layer {layer!r} has no {field!r}; its formats are {known}")
            low = 2 if field.endswith("bits") else 0
            if not low <= value <= 24:
                raise ConfigError(f"{layer}.{field} must lie in {low}..24, not {value}")
            formats[layer][field] = int(value)
    return formats


def integer_bits(largest: float, bits: int, signed: bool = True) -> int:
    """Fewest integer bits that hold `largest` after rounding to `bits` bits, at least 0.

    QKeras computes 2^int in integers, so negative counts do not exist.
    """
    for count in range(bits):
        step = 2.0 ** (count - bits + signed)
        if largest <= 2.0**count - step / 2:
            return count
    raise ConfigError(f"a magnitude of {largest:.4g} does not fit {bits} bits; give the layer more bits")


def affine_bias(layer: Mapping[str, int], input_frac: int) -> tuple[int, int]:
    """(bits, integer bits) of an affine's bias: the product's fraction bits behind `bias_int` integer bits."""
    frac = input_frac + layer["scale_bits"] - 1 - layer["scale_int"]
    return 1 + layer["bias_int"] + frac, layer["bias_int"]


def bias_integer_bits(largest: float) -> int:
    """Integer bits that never clip a bias of this magnitude, whatever its fraction bits."""
    return max(0, math.floor(math.log2(largest)) + 1) if largest > 0 else 0
