"""Factors and offsets that go with the integers of a network in ONNX, until a quantiser takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.build import signed, unsigned
from hw_amc.compress.layers import QAffine, qkeras
from hw_amc.compress.onnx import refit
from hw_amc.compress.onnx.execute import norm_of
from hw_amc.compress.onnx.file import OnnxGraph, OnnxNode
from hw_amc.compress.onnx.layout import ONE, ZERO, Reals, Tensor, Walker
from hw_amc.compress.onnx.refit import Rounding, bits_of
from hw_amc.compress.onnx.steps import WEIGHT_BITS, weight_format
from hw_amc.errors import UnsupportedLayer

K = keras.layers

#: Fraction bits behind the accumulator's for an offset that no quantiser follows, and thresholds looked at then.
_GUARD, _FINE = 4, 1 << 12


@dataclass(frozen=True)
class Refitted:
    """A factor that is no power of two, in integers.

    Attributes
    ----------
    layer : that holds it
    bits : of its factors
    moved : integers before the quantiser, over all channels and thresholds, whose answer changed; None where no
        quantiser follows, and every number is rounded a little
    sums : integers that may come there, over all channels
    """

    layer: str
    bits: int
    moved: int | None
    sums: int = 0


def exponent_of(number: float) -> int | None:
    """Exponent of a power of two, None of another number."""
    mantissa, exponent = math.frexp(number)
    return exponent - 1 if mantissa == 0.5 else None


def with_range(tensor: Tensor, low: int, high: int) -> Tensor:
    """Say between which integers a tensor lies."""
    return replace(tensor, low=low, high=high)


def _shifted(tensor: Tensor, frac: int, most: int) -> tuple[Tensor, int]:
    """Count the sums of a layer by another power of two, so that the quantiser behind has 0 to `most` fraction bits."""
    step, wanted = tensor.linear, min(max(frac, 0), most)
    shift = frac - wanted
    if not shift or step is None or not 0 <= step.frac - shift < WEIGHT_BITS or np.any(step.bias):
        return tensor, frac
    step.frac -= shift
    return replace(tensor, frac=tensor.frac - shift, scale=np.ldexp(tensor.scale, -shift)), wanted


class Factors(Walker):
    """The part of the walk that keeps factors and offsets beside the integers."""

    def __init__(self, graph: OnnxGraph) -> None:
        super().__init__(graph)
        self.refitted: list[Refitted] = []

    # -- operations ------------------------------------------------------------------------------------------

    def norm(self, node: OnnxNode) -> Tensor:
        """Take a batch normalisation into a tensor's factor and offset."""
        tensor = self._without_relu(node, self.take(node))
        if tensor.shape[1] > 1 and tensor.axes[-1] != 1:
            others = [axis for axis in tensor.axes if axis != 1]
            tensor = self.arranged(node, self.settled(node, tensor), (*others, 1))
        inputs = [self.constants[name] for name in node.inputs[1:5]]
        factor, addend = norm_of(node, inputs)
        if tensor.order is not None:
            factor, addend = factor[tensor.order], addend[tensor.order]
        return self._scaled(node, tensor, factor, addend)

    def _scaled(self, node: OnnxNode, tensor: Tensor, factor: Reals, addend: Reals) -> Tensor:
        """Multiply and add; factors stay above 0."""
        scale, offset = tensor.scale * factor, tensor.offset * factor + addend
        negative = scale < 0
        if np.any(negative):
            if tensor.linear is None or tensor.linear.shape[-1] != tensor.channels:
                tensor = self._affine(node, tensor, np.where(factor < 0, -1.0, 1.0), ZERO)
            else:
                tensor.linear.flip(np.broadcast_to(negative, (tensor.channels,)))
                tensor = replace(tensor, low=min(tensor.low, -tensor.high), high=max(tensor.high, -tensor.low))
            scale = np.abs(scale)
        if np.any(scale == 0):  # a channel that says nothing: what is kept of it does not matter
            scale = np.where(scale == 0, np.max(scale) or 1.0, scale)
            tensor = self._silenced(node, tensor, np.asarray(factor == 0))
        scale, offset = (each.reshape(-1)[0].reshape(()) if np.unique(each).size == 1 else each
                         for each in (scale, offset))  # fmt: skip
        return replace(tensor, scale=scale, offset=offset)

    def _silenced(self, node: OnnxNode, tensor: Tensor, dead: Any) -> Tensor:
        """Make channels zero."""
        if tensor.linear is not None and tensor.linear.shape[-1] == tensor.channels:
            live = np.where(np.broadcast_to(dead, (tensor.channels,)), 0, 1)
            tensor.linear.kernel, tensor.linear.bias = tensor.linear.kernel * live, tensor.linear.bias * live
            return tensor
        return self._affine(node, tensor, np.where(dead, 0.0, 1.0), ZERO)

    def relu(self, node: OnnxNode) -> Tensor:
        """Leave a ReLU to the quantiser behind it."""
        return replace(self.take(node), has_relu=True)

    def pair(self, node: OnnxNode) -> Tensor:
        """Take a sum, a difference, a product or a quotient."""
        fixed = [self.is_constant(node, place) for place in (0, 1)]
        if any(fixed):
            place = fixed.index(False)
            tensor = self._without_relu(node, self.take(node, place))
            number = self.by_channel(node, tensor, self.constants[node.inputs[1 - place]])
            if node.op in ("Mul", "Div"):
                if node.op == "Div" and (place == 1 or np.any(number == 0)):
                    raise UnsupportedLayer(f"{node.label}: only a division by a constant has a form here")
                return self._scaled(node, tensor, number if node.op == "Mul" else 1.0 / number, ZERO)
            if node.op == "Sub" and place == 1:
                return self._scaled(node, tensor, -ONE, number)
            return replace(tensor, offset=tensor.offset + (number if node.op == "Add" else -number))
        return self._joined(node)

    def _joined(self, node: OnnxNode) -> Tensor:
        """Take two branches."""
        if node.op == "Div":
            raise UnsupportedLayer(f"{node.label}: only a division by a constant has a form here")
        left, right = (self.settled(node, self.take(node, place)) for place in (0, 1))
        if left.shape != right.shape or left.order is not None or right.order is not None:
            raise UnsupportedLayer(f"{node.label}: branches of {left.shape} and {right.shape} do not fit together")
        left = self.kept_as(node, left, left.sizes)
        right = self.arranged(node, right, left.axes)
        if node.op != "Mul" and left.factor != right.factor:
            right = self._affine(node, right, np.array(right.factor / left.factor), ZERO, left.scale)
        kind = {"Add": K.Add, "Sub": K.Subtract, "Mul": K.Multiply}[node.op]
        step = self.steps.put(node.name, (left.step, right.step), left.kept, lambda name: kind(name=name))
        if node.op == "Mul":
            ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            made = replace(left, step=step.name, scale=left.scale * right.scale, frac=left.frac + right.frac)
            return with_range(replace(made, linear=None), min(ends), max(ends))
        frac = max(left.frac, right.frac)
        (a, b), (c, d) = ((each.low << (frac - each.frac), each.high << (frac - each.frac)) for each in (left, right))
        ends = [a + c, b + d] if node.op == "Add" else [a - d, b - c]
        return with_range(replace(left, step=step.name, frac=frac, linear=None), *ends)

    def concat(self, node: OnnxNode) -> Tensor:
        """Put branches side by side, each with its own factors."""
        parts = [replace(self.take(node, place), linear=None) for place in range(len(node.inputs))]
        first, axis = parts[0], int(node.number("axis", 1)) % len(parts[0].shape)
        shape, same = self.shape_of(node), {(part.axes, part.frac, part.has_relu, part.order is None) for part in parts}
        if len(same) > 1 or first.order is not None or not first.axes or first.axes[-1] != axis:
            raise UnsupportedLayer(f"{node.label}: only branches of one format are joined, along their channels")
        parts = [self.kept_as(node, part, part.sizes) for part in parts]
        kept = (*parts[0].kept[:-1], shape[axis])
        step = self.steps.put(node.name, [part.step for part in parts], kept, lambda name: K.Concatenate(name=name))
        scale, offset = (
            np.concatenate([np.broadcast_to(getattr(part, name), (part.channels,)) for part in parts])
            for name in ("scale", "offset")
        )
        scale = scale[0].reshape(()) if np.unique(scale).size == 1 else scale
        found = replace(first, step=step.name, kept=kept, shape=shape, scale=scale, offset=offset)
        return with_range(found, min(part.low for part in parts), max(part.high for part in parts))

    # -- layers of their own ----------------------------------------------------------------------------------

    def brought(self, node: OnnxNode, tensor: Tensor, scale: float, to: Rounding) -> tuple[Tensor, int]:
        """Bring a tensor to where a quantiser of a scale is a plain one; return it and the fraction bits of that.

        `to.frac` are the most that it may have.
        """
        if np.unique(tensor.scale).size == 1:
            frac = exponent_of(tensor.factor / scale)
            if frac is not None:
                tensor, frac = _shifted(tensor, frac, to.frac)
            if frac is not None and 0 <= frac <= to.frac:
                if not np.any(tensor.offset):
                    return tensor, frac
                if tensor.linear is not None and self._take_bias(tensor, frac + 1):
                    return replace(tensor, frac=tensor.linear.acc_frac), frac
        top = float(np.max(np.abs(tensor.scale))) / scale
        frac = min(max(math.floor(math.log2(top)), 0), to.frac)
        unit = scale * 2.0**frac
        return self._affine(node, tensor, tensor.scale / unit, tensor.offset / unit, unit, replace(to, frac=frac)), frac

    def _take_bias(self, tensor: Tensor, frac: int) -> bool:
        """Put an offset into the bias of the layer that gave a tensor, exact for thresholds of `frac` fraction bits.

        Between two steps of a grid that holds the accumulator and the thresholds every offset does the same, so that
        one that is not on the grid may lie in the middle.
        """
        step = tensor.linear
        assert step is not None
        real = np.broadcast_to(tensor.offset / tensor.scale, (step.kernel.shape[-1],))
        grid = max(tensor.frac, frac)
        scaled = np.ldexp(real, grid)
        is_on = bool((scaled == np.rint(scaled)).all())
        raw = scaled.astype(np.int64) if is_on else np.where(scaled == np.rint(scaled), 2 * np.rint(scaled),
                                                             2 * np.floor(scaled) + 1).astype(np.int64)  # fmt: skip
        grid += not is_on
        while grid > 0 and not np.any(raw & 1):
            raw, grid = raw >> 1, grid - 1
        wider = max(grid - tensor.frac, 0)
        kernel = weight_format(step.kernel << wider, step.frac + wider)[0]
        if max(kernel, weight_format(raw, grid)[0]) > WEIGHT_BITS or np.any(step.bias):
            return False
        step.widen(wider)
        step.bias, step.bias_frac = raw, grid
        return True

    def _affine(
        self, node: OnnxNode, tensor: Tensor, factor: Reals, addend: Reals, unit: Any = ONE, to: Rounding | None = None
    ) -> Tensor:
        """Multiply and add by a layer of its own; what it gives counts in units of `unit`."""
        tensor = self.kept_as(node, tensor, tensor.sizes)
        wide = (np.broadcast_to(each, (tensor.channels,)).astype(np.float64) for each in (factor, addend))
        factors, addends = wide
        source = Rounding(tensor.frac, tensor.low, tensor.high)
        found = refit.fit(factors, addends, source, to or Rounding(tensor.frac + _GUARD, -_FINE, _FINE))
        pairs = (found.factor, found.frac), (found.addend, found.addend_frac)
        weights = [np.ldexp(raw.astype(np.float64), -frac) for raw, frac in pairs]
        formats = [signed(*weight_format(raw, frac)) for raw, frac in pairs]
        step = self.steps.put(
            f"{node.name}_affine", (tensor.step,), tensor.kept, lambda name: QAffine(*formats, name=name), weights
        )
        is_exact = bool((weights[0] == factors).all() and (weights[1] == addends).all())
        if not is_exact:
            sums = (tensor.high - tensor.low + 1) * tensor.channels
            self.refitted.append(Refitted(step.name, bits_of(found.factor), found.moved if to else None, sums))
        frac = tensor.frac + found.frac
        ends = [
            int(number) * int(end) + (int(shift) << (frac - found.addend_frac))
            for number, shift in zip(found.factor, found.addend, strict=True)
            for end in (tensor.low, tensor.high)
        ]
        made = replace(tensor, step=step.name, scale=np.asarray(unit, np.float64), offset=ZERO, frac=frac)
        return with_range(replace(made, linear=None), min(ends), max(ends))

    def settled(self, node: OnnxNode, tensor: Tensor) -> Tensor:
        if not tensor.is_uniform:
            even = np.unique(tensor.scale).size == 1
            if even and tensor.linear is not None and self._take_bias(tensor, tensor.frac + _GUARD):
                exact = np.ldexp(tensor.linear.bias.astype(float), -tensor.linear.bias_frac) * tensor.scale
                if not np.array_equal(exact, np.broadcast_to(tensor.offset, exact.shape)):
                    self.refitted.append(Refitted(tensor.linear.name, bits_of(tensor.linear.bias), None))
                frac = tensor.linear.acc_frac
                reach = int(np.abs(tensor.linear.bias).max(initial=0)) << max(frac - tensor.linear.bias_frac, 0)
                shift = frac - tensor.frac
                low, high = (tensor.low << shift) - reach, (tensor.high << shift) + reach
                tensor = replace(tensor, offset=ZERO, frac=frac, low=low, high=high)
            else:
                unit = float(np.max(tensor.scale))
                tensor = self._affine(node, tensor, tensor.scale / unit, tensor.offset / unit, unit)
        return self._without_relu(node, tensor)

    def _without_relu(self, node: OnnxNode, tensor: Tensor) -> Tensor:
        """Compute a ReLU that is still to come, in a format that rounds nothing."""
        if not tensor.has_relu:
            return tensor
        if not tensor.is_uniform:
            tensor = self.settled(node, replace(tensor, has_relu=False))
        bits = max(max(tensor.high, 1).bit_length(), tensor.frac, 1)
        name = unsigned(bits, bits - tensor.frac)
        step = self.steps.put(
            f"{node.name}_relu", (tensor.step,), tensor.kept, lambda layer: qkeras.QActivation(name, name=layer)
        )
        return replace(tensor, step=step.name, low=0, high=max(tensor.high, 1), has_relu=False, linear=None)
