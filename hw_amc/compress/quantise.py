"""From a trained float network to its deployed form: fold, choose formats, set weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.formats import Formats, bias_integer_bits, integer_bits, merge

Floats = np.ndarray[Any, np.dtype[np.float32]]
Weights = dict[str, list[Floats]]

#: Share of the activations of a layer that its format may clip.
CLIPPED = 1e-4

#: Largest scale of the head after `equalise`: 8 bits have no more than 7 left of the point, and training moves it.
LARGEST_SCALE = 64.0


def _norm(layer: Any) -> tuple[Floats, Floats]:
    """Scale and bias per channel that a batch normalisation applies with its moving statistics."""
    gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


def fold_norms(model: Any) -> Weights:
    """Weights of the deployed layers, in floats: norms folded into convolutions or turned into affines.

    Parameters
    ----------
    model : keras.Model from `build_float`

    Returns
    -------
    layer name -> weights, in the order of the deployed layer's `get_weights`.
    """
    weights: Weights = {"gru": model.get_layer("gru").get_weights()}
    weights["gru_affine"] = list(_norm(model.get_layer("gru_norm")))
    for name in ("conv1", "conv2"):
        kernel, bias = model.get_layer(name).get_weights()
        scale, shift = _norm(model.get_layer(f"{name}_norm"))
        weights[name] = [kernel * scale, bias * scale + shift]
    weights["head"] = list(_norm(model.get_layer("head_norm")))
    return weights


def activation_tops(model: Any, frames: Floats) -> dict[str, float]:
    """Largest value that must not clip, of every activation with a format of its own.

    All but a share `CLIPPED` of the values lie below.

    Parameters
    ----------
    model : keras.Model from `build_float`
    frames : (n, T, 2) float32
    """
    names = ("gru_relu", "conv1_relu", "conv2_relu", "gap")
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    values = probe.predict(frames, batch_size=128, verbose=0)
    tops = {name: float(np.quantile(value, 1.0 - CLIPPED)) for name, value in zip(names, values, strict=True)}
    tops["gap"] = float(np.max(values[-1])) * 1.25  # a few hundred values: leave room above what was seen
    return tops


def equalise(weights: Weights, tops: dict[str, float]) -> None:
    """Scale convolutions by powers of two, in place, so that their kernels fill -1..1.

    A ReLU passes a positive factor on, so the next layer takes it back: the function stays the same. The second
    convolution stays larger where the head's scale would not fit its bits.
    """
    for name, following, index in (("conv1", "conv2", 0), ("conv2", "head", 0)):
        largest = float(np.max(np.abs(weights[name][0])))
        factor = np.float32(2.0 ** -np.ceil(np.log2(largest)))
        if following == "head":
            scale = float(np.max(np.abs(weights["head"][0])))
            factor = max(factor, np.float32(2.0 ** np.ceil(np.log2(scale / LARGEST_SCALE))))
        weights[name] = [w * factor for w in weights[name]]
        weights[following][index] = weights[following][index] / factor
        tops[f"{name}_relu"] *= float(factor)
        if name == "conv2":
            tops["gap"] *= float(factor)


def _best_integer_bits(array: Floats, bits: int, relative: bool = False) -> int:
    """Integer bits with the least square error, where a finer grid pays for clipping a few large values.

    `relative` compares errors with the values: one channel with little spread has a scale many times the others', and
    clipping it costs less than rounding all others to a coarse grid.
    """

    def error(count: int) -> float:
        step, top = 2.0 ** (count + 1 - bits), 2.0**count
        rounded = np.clip(np.rint(array / step) * step, -top, top - step)
        return float(np.sum(np.square((rounded - array) / (np.where(array == 0, 1.0, array) if relative else 1.0))))

    return min(range(bits), key=error)


def choose_formats(
    weights: Weights, tops: Mapping[str, float], widths: Mapping[str, Mapping[str, int]] | None = None
) -> Formats:
    """Choose the integer bits of every format; the bits come from `widths` or the defaults.

    Parameters
    ----------
    weights : from `fold_norms`
    tops : from `activation_tops`
    widths : layer -> field -> bits

    Raises
    ------
    ConfigError
        An unknown layer or field, or a value that does not fit its bits.
    """
    formats = copy.deepcopy(merge(widths))

    def largest(array: Floats) -> float:
        return float(np.max(np.abs(array)))

    gru = formats["gru"]
    for field, array in zip(("kernel", "recurrent", "bias"), weights["gru"], strict=True):
        gru[f"{field}_int"] = _best_integer_bits(array, gru[f"{field}_bits"])
    for name in ("gru_affine", "head"):
        scale, bias = weights[name]
        formats[name]["scale_int"] = _best_integer_bits(scale, formats[name]["scale_bits"], relative=True)
        formats[name]["bias_int"] = bias_integer_bits(largest(bias) * 1.5)
    for name in ("gru_relu", "conv1_relu", "conv2_relu"):
        formats[name]["int"] = integer_bits(tops[name], formats[name]["bits"], signed=False)
    # A mean of two samples has one fraction bit more.
    for name, source, pooled in (("conv1", "gru_relu", 0), ("conv2", "conv1_relu", 1)):
        kernel, bias = weights[name]
        layer = formats[name]
        layer["kernel_int"] = _best_integer_bits(kernel, layer["kernel_bits"])
        source_frac = formats[source]["bits"] - formats[source]["int"] + pooled
        product_frac = source_frac + layer["kernel_bits"] - 1 - layer["kernel_int"]
        # A bias finer than the products would widen the accumulator for nothing.
        least = layer["bias_bits"] - 1 - product_frac
        layer["bias_int"] = max(bias_integer_bits(largest(bias) * 1.5), least)
    formats["gap_quant"]["int"] = integer_bits(tops["gap"], formats["gap_quant"]["bits"])
    return formats


def set_weights(model: Any, weights: Weights) -> None:
    """Give a deployed network, or its fast twin, the weights of `fold_norms`."""
    for name, arrays in weights.items():
        model.get_layer(name).set_weights(arrays)
