"""A float network in ONNX as float Keras layers, which the deploy pass takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tensorflow import keras

from hw_amc.compress.onnx.execute import axes_of, conv_of, norm_of, pool_of
from hw_amc.compress.onnx.file import OnnxNode
from hw_amc.compress.onnx.layout import Reals, Tensor, Walker, require_all_samples
from hw_amc.compress.onnx.steps import Step
from hw_amc.errors import UnsupportedLayer

K = keras.layers


class Floats(Walker):
    """The walk that makes float layers."""

    def model(self, name: str) -> Any:
        """Walk, and make the Keras model."""
        self.walk()
        heads = []
        for output in self.graph.outputs:
            tensor = self.tensors.get(output)
            if tensor is None or len(tensor.axes) != 1 or tensor.order is not None:
                raise UnsupportedLayer(f"its output {output[:80]!r} is no vector of logits that the frames decide")
            node = OnnxNode("output", f"{output}_logits", (output,), (output,))
            heads.append(self.kept_as(node, tensor, tensor.sizes).step)
        return self.steps.model(heads, name)

    def _put(
        self, node: OnnxNode, tensor: Tensor, shape: tuple[int, ...], make: Callable[[str], Any], weights: Any = ()
    ) -> Tensor:
        step: Step = self.steps.put(node.name, (tensor.step,), shape, make, weights)
        return replace(tensor, step=step.name, kept=shape)

    def _on_map(self, node: OnnxNode, tensor: Tensor) -> Tensor:
        shape = self.shape_of(node)
        axes = (*range(2, len(shape)), 1)
        return replace(tensor, shape=shape, axes=tuple(axis for axis in axes if shape[axis] > 1))

    def _constant(self, node: OnnxNode, place: int) -> Reals:
        if not self.is_constant(node, place):
            raise UnsupportedLayer(f"{node.label}: its weights depend on the frames")
        return np.asarray(self.constants[node.inputs[place]], np.float64)

    def _bias(self, node: OnnxNode, outputs: int, factor: float = 1.0) -> Reals:
        given = len(node.inputs) > 2 and node.inputs[2]
        bias = self._constant(node, 2).ravel() * factor if given else np.zeros(1)
        return np.broadcast_to(bias, (outputs,))

    def conv(self, node: OnnxNode) -> Tensor:
        """Take a convolution; Keras has groups, too."""
        tensor = self.over_map(node, self.take(node))
        kernel = self._constant(node, 1)
        axes, outputs, sizes = kernel.ndim - 2, kernel.shape[0], kernel.shape[2:]
        strides, dilations, groups = conv_of(node, axes)
        spans = [(taps - 1) * step + 1 for taps, step in zip(sizes, dilations, strict=True)]
        tensor, padding = self.padded(node, tensor, spans, strides)
        kind, shape = K.Conv1D if axes == 1 else K.Conv2D, self.shape_of(node)
        weights = [np.moveaxis(kernel, (0, 1), (-1, -2)), self._bias(node, outputs)]
        settings = {"strides": strides, "dilation_rate": dilations, "padding": padding, "groups": groups}
        made = self._put(
            node, tensor, (*shape[2:], shape[1]), lambda name: kind(outputs, sizes, **settings, name=name), weights
        )
        return self._on_map(node, made)

    def gemm(self, node: OnnxNode) -> Tensor:
        """Take a matrix behind a vector."""
        if node.number("transA", 0):
            raise UnsupportedLayer(f"{node.label}: transA=1 moves the batch, which has no form here")
        kernel = self._constant(node, 1)
        kernel = (kernel.T if node.number("transB", 0) else kernel) * node.number("alpha", 1.0)
        return self._dense(node, kernel, self._bias(node, kernel.shape[1], node.number("beta", 1.0)))

    def matmul(self, node: OnnxNode) -> Tensor:
        """Take a matrix along the last axis."""
        if self.is_constant(node, 0):
            raise UnsupportedLayer(f"{node.label}: only a matrix of weights behind a tensor has a form here")
        kernel = self._constant(node, 1)
        if kernel.ndim != 2:
            raise UnsupportedLayer(f"{node.label}: its weights are {kernel.shape}, no matrix")
        return self._dense(node, kernel, np.zeros(kernel.shape[1]))

    def _dense(self, node: OnnxNode, kernel: Reals, bias: Reals) -> Tensor:
        tensor, shape = self.take(node), self.shape_of(node)
        if tensor.order is None:
            tensor = self.arranged(node, tensor, self.matrix_axes(tensor))
        else:
            kernel = kernel[tensor.order]
        outputs = kernel.shape[1]
        made = self._put(
            node, tensor, (*tensor.kept[:-1], outputs), lambda name: K.Dense(outputs, name=name), [kernel, bias]
        )
        axes = tuple(axis for axis in range(1, len(shape)) if shape[axis] > 1)
        return replace(made, shape=shape, axes=axes, order=None)

    def norm(self, node: OnnxNode) -> Tensor:
        """Take a batch normalisation."""
        tensor = self.take(node)
        if tensor.shape[1] > 1 and tensor.axes[-1] != 1:
            tensor = self.arranged(node, tensor, (*(axis for axis in tensor.axes if axis != 1), 1))
        if tensor.order is not None:
            return self._scaled(node, tensor, *norm_of(node, [self._constant(node, place) for place in range(1, 5)]))
        weights = [self._constant(node, place) for place in range(1, 5)]
        epsilon = node.number("epsilon", 1e-5)
        return self._put(
            node, tensor, tensor.kept, lambda name: K.BatchNormalization(epsilon=epsilon, name=name), weights
        )

    def _scaled(self, node: OnnxNode, tensor: Tensor, factor: Reals, addend: Reals) -> Tensor:
        """Multiply and add, as a batch normalisation of a spread of 1."""
        tensor = self.kept_as(node, tensor, tensor.sizes)
        gamma, beta = (
            np.broadcast_to(each if tensor.order is None or np.size(each) == 1 else np.asarray(each)[tensor.order],
                            (tensor.channels,))
            for each in (factor, addend)
        )  # fmt: skip
        weights = [gamma, beta, np.zeros(tensor.channels), np.ones(tensor.channels)]
        return self._put(node, tensor, tensor.kept, lambda name: K.BatchNormalization(epsilon=0.0, name=name), weights)

    def relu(self, node: OnnxNode) -> Tensor:
        """Take a ReLU."""
        tensor = self.take(node)
        return self._put(node, tensor, tensor.kept, lambda name: K.ReLU(name=name))

    def pair(self, node: OnnxNode) -> Tensor:
        """Take a sum, a difference or a product."""
        fixed = [self.is_constant(node, place) for place in (0, 1)]
        if any(fixed):
            place = fixed.index(False)
            tensor = self.take(node, place)
            plain = replace(tensor, order=None)
            number = self.by_channel(node, plain, self.constants[node.inputs[1 - place]])
            if node.op == "Div" and place == 1:
                raise UnsupportedLayer(f"{node.label}: only a division by a constant has a form here")
            factor = {"Mul": number, "Div": 1.0 / np.where(number == 0, np.inf, number)}.get(
                node.op, np.array(-1.0 if node.op == "Sub" and place == 1 else 1.0)
            )
            sign = {"Add": 1.0, "Sub": -1.0 if place == 0 else 1.0}.get(node.op, 0.0)
            return self._scaled(node, tensor, factor, number * sign)
        if node.op == "Div":
            raise UnsupportedLayer(f"{node.label}: only a division by a constant has a form here")
        left, right = (self.take(node, place) for place in (0, 1))
        if left.shape != right.shape or left.order is not None or right.order is not None:
            raise UnsupportedLayer(f"{node.label}: branches of {left.shape} and {right.shape} do not fit together")
        left = self.kept_as(node, left, left.sizes)
        right = self.arranged(node, right, left.axes)
        kind = {"Add": K.Add, "Sub": K.Subtract, "Mul": K.Multiply}[node.op]
        step = self.steps.put(node.name, (left.step, right.step), left.kept, lambda name: kind(name=name))
        return replace(left, step=step.name)

    def concat(self, node: OnnxNode) -> Tensor:
        """Put branches side by side."""
        parts = [self.take(node, place) for place in range(len(node.inputs))]
        first, axis, shape = parts[0], int(node.number("axis", 1)) % len(parts[0].shape), self.shape_of(node)
        if (
            len({part.axes for part in parts}) > 1
            or not first.axes
            or first.axes[-1] != axis
            or first.order is not None
        ):
            raise UnsupportedLayer(f"{node.label}: branches are joined along their channels only")
        parts = [self.kept_as(node, part, part.sizes) for part in parts]
        kept = (*parts[0].kept[:-1], shape[axis])
        step = self.steps.put(node.name, [part.step for part in parts], kept, lambda name: K.Concatenate(name=name))
        return replace(first, step=step.name, kept=kept, shape=shape)

    def max_pool(self, node: OnnxNode) -> Tensor:
        """Take maxima."""
        tensor, shape = self.over_map(node, self.take(node)), self.shape_of(node)
        if node.op == "GlobalMaxPool":
            layer = getattr(K, f"GlobalMaxPooling{len(tensor.kept) - 1}D")
            return self._on_map(node, self._put(node, tensor, (tensor.kept[-1],), lambda name: layer(name=name)))
        window, strides, _ = pool_of(node, tensor.shape)
        tensor, padding = self.padded(node, tensor, window, strides, is_zero=False)
        kind = K.MaxPooling1D if len(window) == 1 else K.MaxPooling2D
        made = self._put(
            node, tensor, (*shape[2:], shape[1]), lambda name: kind(window, strides, padding=padding, name=name)
        )
        return self._on_map(node, made)

    def mean(self, node: OnnxNode) -> Tensor:
        """Take means."""
        tensor, shape = self.take(node), self.shape_of(node)
        if node.op == "ReduceMean":
            given = self.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
            require_all_samples(node, tensor.shape, axes_of(node, given, len(tensor.shape)))
        tensor = self.over_map(node, tensor)
        axes = len(tensor.kept) - 1
        if node.op != "AveragePool":
            layer = getattr(K, f"GlobalAveragePooling{axes}D")
            return self._on_map(node, self._put(node, tensor, (tensor.kept[-1],), lambda name: layer(name=name)))
        window, strides, _ = pool_of(node, tensor.shape)
        kind = getattr(K, f"AveragePooling{axes}D")
        made = self._put(node, tensor, (*shape[2:], shape[1]), lambda name: kind(window, strides, name=name))
        return self._on_map(node, made)
