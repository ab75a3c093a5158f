"""A quantised network in ONNX as QKeras layers: integers stay, and scales go with them until a quantiser comes.

Every tensor that is kept is a power-of-two format times a factor (`layout.Tensor.scale`). Weights are the integers of
their quantisers. Where the factor before a quantiser is a power of two times its scale, the quantiser alone is exact;
where it is not - a free scale, one for each channel, a batch normalisation - an affine comes before it, with the fewest
bits that change no integer (`refit`). A bias that is no multiple of the accumulator's step is exact at half a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.build import signed, unsigned
from hw_amc.compress.layers import qkeras
from hw_amc.compress.means import QMeanPooling
from hw_amc.compress.onnx.evaluate import quantised_constants
from hw_amc.compress.onnx.execute import axes_of, conv_of, limits, pool_of, width_of
from hw_amc.compress.onnx.factors import Factors, exponent_of, with_range
from hw_amc.compress.onnx.file import OnnxGraph, OnnxNode
from hw_amc.compress.onnx.layout import ZERO, Reals, Tensor, require_all_samples
from hw_amc.compress.onnx.refit import Rounding, bits_of
from hw_amc.compress.onnx.steps import WEIGHT_BITS
from hw_amc.compress.tables import QTable
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import reciprocals
from hw_amc.graph.ops.table import MAX_TABLE_BITS

K = keras.layers

#: Fraction bits of the wire words.
WIRE_FRAC = 14
#: Most bits by which the channels' scales, powers of two times each other, may differ to be shifts of the kernel.
_SHIFTS = 8


@dataclass(frozen=True)
class Seen:
    """A tensor of ONNX and the layer that keeps it."""

    tensor: str
    layer: str
    kept: Tensor


class Exact(Factors):
    """The walk that makes QKeras layers."""

    def __init__(self, graph: OnnxGraph) -> None:
        super().__init__(graph)
        self.integers = quantised_constants(graph, self.constants)
        self.seen: list[Seen] = []

    def first(self, frames: Tensor) -> Tensor:
        return replace(frames, frac=WIRE_FRAC, low=-(1 << 15), high=(1 << 15) - 1)

    def model(self, name: str) -> Any:
        """Walk, and make the Keras model."""
        self.walk()
        heads = []
        for output in self.graph.outputs:
            if output not in self.tensors:
                raise UnsupportedLayer(f"its output {output[:80]!r} does not depend on the frames")
            node = OnnxNode("output", f"{output}_logits", (output,), (output,))
            tensor = self.settled(node, self.tensors[output])
            if len(tensor.axes) != 1 or tensor.order is not None:
                raise UnsupportedLayer(f"its output {output[:80]!r} is {tensor.shape}; a head is a vector of logits")
            tensor = self.kept_as(node, tensor, tensor.sizes)
            self.seen.append(Seen(self.ended.get(output, output), tensor.step, tensor))
            heads.append(tensor.step)
        return self.steps.model(heads, name)

    # -- products --------------------------------------------------------------------------------------------

    def conv(self, node: OnnxNode) -> Tensor:
        """Take a convolution; groups become zeros of one kernel."""
        tensor = self.over_map(node, self.settled(node, self.take(node)))
        axes = len(tensor.shape) - 2
        strides, dilations, groups = conv_of(node, axes)
        raw, scale = self._weights(node, 1)
        raw, scale = (np.moveaxis(_ungrouped(each, groups, fill), (0, 1), (-1, -2))
                      for each, fill in ((raw, 0.0), (scale, np.nan)))  # fmt: skip
        spans = [(taps - 1) * step + 1 for taps, step in zip(raw.shape[:axes], dilations, strict=True)]
        tensor, padding = self.padded(node, tensor, spans, strides)
        settings = {"strides": strides, "dilation_rate": dilations, "padding": padding}
        shape = self.shape_of(node)
        kept = (*shape[2:], shape[1])
        found = self._linear(node, tensor, raw, scale, kept, settings)
        axes_kept = tuple(axis for axis in (*range(2, len(shape)), 1) if shape[axis] > 1)
        return self._biased(node, replace(found, shape=shape, axes=axes_kept), 2)

    def gemm(self, node: OnnxNode) -> Tensor:
        """Take a matrix behind a vector."""
        if node.number("transA", 0):
            raise UnsupportedLayer(f"{node.label}: transA=1 moves the batch, which has no form here")
        raw, scale = self._weights(node, 1)
        raw, scale = (raw.T, scale.T) if node.number("transB", 0) else (raw, scale)
        tensor = self._matrix(node, raw, scale)
        alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
        if alpha <= 0:
            raise UnsupportedLayer(f"{node.label}: alpha must be above 0")
        return self._biased(node, replace(tensor, scale=tensor.scale * alpha), 2, beta)

    def matmul(self, node: OnnxNode) -> Tensor:
        """Take a matrix along the last axis."""
        if self.is_constant(node, 0) or not self.is_constant(node, 1):
            raise UnsupportedLayer(f"{node.label}: only a matrix of weights behind a tensor has a form here")
        return self._matrix(node, *self._weights(node, 1))

    def _matrix(self, node: OnnxNode, raw: Reals, scale: Reals) -> Tensor:
        tensor = self.settled(node, self.take(node))
        if raw.ndim != 2:
            raise UnsupportedLayer(f"{node.label}: its weights are {raw.shape}, no matrix")
        if tensor.order is None:
            tensor = self.arranged(node, tensor, self.matrix_axes(tensor))
        else:
            raw, scale = raw[tensor.order], scale[tensor.order]
        shape = self.shape_of(node)
        kept = (*tensor.kept[:-1], raw.shape[1])
        found = self._linear(node, tensor, raw, scale, kept, {})
        axes = tuple(axis for axis in range(1, len(shape)) if shape[axis] > 1)
        return replace(found, shape=shape, axes=axes, order=None)

    def _weights(self, node: OnnxNode, place: int) -> tuple[Reals, Reals]:
        """Integers and scales of the weights that a node takes."""
        name = node.inputs[place]
        if name not in self.integers:
            kind = "are not quantised" if name in self.constants else "depend on the frames"
            raise UnsupportedLayer(
                f"{node.label}: its weights {name[:60]!r} {kind}; give them a quantiser (Quant, BipolarQuant)"
            )
        return self.integers[name]

    def _linear(
        self, node: OnnxNode, tensor: Tensor, raw: Reals, scale: Reals, kept: tuple[int, ...], settings: Any
    ) -> Tensor:
        integers, factor = _by_output(node, raw, scale)
        exponent = exponent_of(float(factor[0])) if np.unique(factor).size == 1 else None
        bits = max(bits_of(integers), 2)
        # A power of two goes into the format; any other factor stays beside it.
        frac = -exponent if exponent is not None and 0 <= -exponent < WEIGHT_BITS else bits - 1
        if max(bits, frac + 1) > WEIGHT_BITS:
            raise UnsupportedLayer(f"{node.label}: its weights have {bits} bits, and {WEIGHT_BITS} are most")
        step = self.steps.put_linear(node.name, tensor.step, kept, (integers, frac, tensor.frac), settings)
        rest = np.ldexp(factor, frac) * tensor.factor
        rest = rest[0].reshape(()) if np.unique(rest).size == 1 else rest
        found = replace(
            tensor, step=step.name, kept=kept, scale=rest, offset=ZERO, frac=tensor.frac + frac, order=None,
            linear=step if self.uses[node.outputs[0]] == 1 else None,
        )  # fmt: skip
        return with_range(found, *_product_range(integers, tensor))

    def _biased(self, node: OnnxNode, tensor: Tensor, place: int, factor: float = 1.0) -> Tensor:
        if len(node.inputs) <= place or not node.inputs[place]:
            return tensor
        if not self.is_constant(node, place):
            raise UnsupportedLayer(f"{node.label}: its bias depends on the frames")
        bias = np.asarray(self.constants[node.inputs[place]], np.float64).ravel() * factor
        return replace(tensor, offset=np.broadcast_to(bias, (tensor.kept[-1],)) if bias.size > 1 else bias.reshape(()))

    # -- pools -----------------------------------------------------------------------------------------------

    def max_pool(self, node: OnnxNode) -> Tensor:
        """Take maxima, which factors above 0, offsets and a ReLU do not change."""
        tensor, shape = self.over_map(node, self.take(node)), self.shape_of(node)
        if node.op == "GlobalMaxPool":
            return self._global(node, tensor, shape, "GlobalMaxPooling")
        window, strides, _ = pool_of(node, tensor.shape)
        is_zero = tensor.low >= 0 or (tensor.has_relu and not np.any(tensor.offset))
        tensor, padding = self.padded(node, tensor, window, strides, is_zero)
        kind = K.MaxPooling1D if len(window) == 1 else K.MaxPooling2D
        kept = (*shape[2:], shape[1])
        step = self.steps.put(
            node.name, (tensor.step,), kept, lambda name: kind(window, strides, padding=padding, name=name)
        )
        return _on_map(replace(tensor, step=step.name, kept=kept), shape)

    def _global(self, node: OnnxNode, tensor: Tensor, shape: tuple[int, ...], kind: str) -> Tensor:
        layer, kept = getattr(K, f"{kind}{len(tensor.kept) - 1}D"), (tensor.kept[-1],)
        step = self.steps.put(node.name, (tensor.step,), kept, lambda name: layer(name=name))
        return _on_map(replace(tensor, step=step.name, kept=kept), shape)

    def mean(self, node: OnnxNode) -> Tensor:
        """Take means: of a power of two of numbers a shift, of another a factor."""
        tensor, shape = self._without_relu(node, self.take(node)), self.shape_of(node)
        rank = len(tensor.shape)
        if node.op == "ReduceMean":
            axes = axes_of(node, self.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None, rank)
            require_all_samples(node, tensor.shape, axes)
        tensor = replace(self.over_map(node, tensor), linear=None)
        sizes = tensor.kept[:-1]
        if node.op == "AveragePool":
            window, strides, pads = pool_of(node, tensor.shape)
            if any(map(any, pads)):
                raise UnsupportedLayer(f"{node.label}: a mean over windows that reach over the edge has no form here")
        else:
            window, strides = sizes, sizes
        count = math.prod(window)
        kept = (*shape[2:], shape[1]) if node.op == "AveragePool" else (tensor.kept[-1],)
        layer, bits, factor = _mean_layer(window, strides, count, kept)
        step = self.steps.put(node.name, (tensor.step,), kept, layer)
        made = replace(tensor, step=step.name, kept=kept, frac=tensor.frac + bits, scale=tensor.scale * factor)
        times = count if count & (count - 1) == 0 else int(reciprocals(np.array([count]), 12)[0].max()) * count
        return with_range(_on_map(made, shape), tensor.low * times, tensor.high * times)

    # -- quantisers ------------------------------------------------------------------------------------------

    def bipolar(self, node: OnnxNode) -> Tensor:
        """Refuse a sign of the frames' numbers."""
        raise UnsupportedLayer(f"{node.label}: the sign of a tensor has no form here; quantise it to 2 bits or more")

    def quant(self, node: OnnxNode) -> Tensor:
        """Take a quantiser of activations."""
        if not all(self.is_constant(node, place) for place in (1, 2, 3)):
            raise UnsupportedLayer(f"{node.label}: its scale must be a constant")
        scales, zeros, widths = (self.constants[name] for name in node.inputs[1:4])
        if np.unique(scales).size != 1 or np.any(zeros):
            raise UnsupportedLayer(f"{node.label}: a tensor needs one scale, and a zero point of 0")
        bits, scale = width_of(node, widths), float(np.ravel(scales)[0])
        low, high = limits(node, bits)
        if low < 0 and bits == 1:
            return self.bipolar(node)
        tensor = self.take(node)
        if tensor.has_relu:
            low, bits = 0, bits - (low < 0)
        is_signed = low < 0
        tensor, frac = self.brought(node, tensor, scale, Rounding(bits - is_signed, low, high))
        name = (signed if is_signed else unsigned)(bits, bits - is_signed - frac)
        step = self.steps.put(
            node.name, (tensor.step,), tensor.kept, lambda layer: qkeras.QActivation(name, name=layer)
        )
        found = replace(tensor, step=step.name, scale=np.array(scale * 2.0**frac), offset=ZERO, frac=frac,
                        has_relu=False, linear=None, low=low, high=high)  # fmt: skip
        whole = (-(1 << (bits - 1)) if is_signed else 0), (1 << (bits - is_signed)) - 1
        if (low, high) != whole:
            found = self._narrowed(node, found, name, whole)
        self.seen.append(Seen(node.outputs[0], found.step, found))
        return found

    def _narrowed(self, node: OnnxNode, tensor: Tensor, name: str, whole: tuple[int, int]) -> Tensor:
        """Leave out the integers that a narrow range does not have, by a table."""
        numbers = np.arange(whole[0], whole[1] + 1)
        if numbers.size > 1 << MAX_TABLE_BITS:
            raise UnsupportedLayer(f"{node.label}: narrow=1 has no exact form at more than {MAX_TABLE_BITS} bits")
        table = np.ldexp(np.clip(numbers, tensor.low, tensor.high).astype(float), -tensor.frac)
        step = self.steps.put(
            f"{node.name}_narrow", (tensor.step,), tensor.kept, lambda layer: QTable(name, name, name=layer), [table]
        )
        return replace(tensor, step=step.name)


def _on_map(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    axes = (*range(2, len(shape)), 1)
    return replace(tensor, shape=shape, axes=tuple(axis for axis in axes if shape[axis] > 1))


def _ungrouped(kernel: Reals, groups: int, fill: float) -> Reals:
    """A kernel (outputs, inputs of a group, ...) over all inputs, `fill` where a group has none."""
    if groups == 1:
        return kernel
    outputs, inputs = kernel.shape[0] // groups, kernel.shape[1]
    wide = np.full((kernel.shape[0], inputs * groups, *kernel.shape[2:]), fill)
    for group in range(groups):
        rows, columns = slice(group * outputs, (group + 1) * outputs), slice(group * inputs, (group + 1) * inputs)
        wide[rows, columns] = kernel[rows]
    return wide


def _by_output(node: OnnxNode, raw: Reals, scale: Reals) -> tuple[Any, Reals]:
    """Integers of a kernel (..., inputs, outputs), and one scale for each output.

    Scales that are powers of two times each other become shifts of the integers.
    """
    flat = scale.reshape(-1, scale.shape[-1])
    least = np.nanmin(flat)
    with np.errstate(invalid="ignore"):
        ratio = scale / least
        shifts = np.rint(np.log2(ratio))
        are_shifts = bool(np.nanmax(np.abs(np.exp2(shifts) - ratio)) == 0 and np.nanmax(shifts) <= _SHIFTS)
    if are_shifts:
        times = np.where(np.isnan(shifts), 0, shifts)
        return (raw * np.exp2(times)).astype(np.int64), np.full(raw.shape[-1], least)
    factor = np.nanmin(flat, axis=0)
    if np.nanmax(flat, axis=0).tolist() != factor.tolist():
        raise UnsupportedLayer(f"{node.label}: its weights need one scale, or one for each output")
    return raw.astype(np.int64), factor


def _product_range(integers: Any, tensor: Tensor) -> tuple[int, int]:
    matrix = integers.reshape(-1, integers.shape[-1])
    positive, negative = np.maximum(matrix, 0).sum(axis=0), np.minimum(matrix, 0).sum(axis=0)
    low, high = min(tensor.low, 0), max(tensor.high, 0)  # pads are zeros
    return int((positive * low + negative * high).min()), int((positive * high + negative * low).max())


def _mean_layer(window: Any, strides: Any, count: int, kept: tuple[int, ...]) -> tuple[Any, int, float]:
    """What makes a mean, the fraction bits that it adds, and what its result lacks to the mean."""
    axes, is_global = len(window), len(kept) == 1
    if count & (count - 1) == 0:
        kind = getattr(K, f"{'Global' if is_global else ''}AveragePooling{axes}D")
        arguments: dict[str, Any] = {} if is_global else {"pool_size": window, "strides": strides}
        return (lambda name: kind(**arguments, name=name)), count.bit_length() - 1, 1.0
    raw, fmt = reciprocals(np.array([count]), 12)
    factor = 1.0 / (count * float(raw.max()) * 2.0**-fmt.frac)
    arguments = {} if is_global else {"pool_size": window, "strides": strides}
    return (lambda name: QMeanPooling(**arguments, name=name)), fmt.frac, factor
