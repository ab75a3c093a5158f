"""Tensors of ONNX, whose channels come first, as Keras keeps them: channels last, and axes of one number left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from tensorflow import keras

from hw_amc.compress.onnx.evaluate import fold
from hw_amc.compress.onnx.execute import MOVING, pads_of
from hw_amc.compress.onnx.file import OnnxGraph, OnnxNode
from hw_amc.compress.onnx.steps import FRAMES, LinearStep, Steps
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.ops.windows import window_pads

K = keras.layers
Reals = NDArray[np.float64]
ONE, ZERO = np.ones(()), np.zeros(())


@dataclass(frozen=True)
class Tensor:
    """A tensor of the network and the layer's output that stands for it.

    The number that ONNX means is `scale * kept + offset`, of a ReLU still to come the larger of it and zero.

    Attributes
    ----------
    step : layer whose output is kept
    kept : its shape
    shape : of the tensor in ONNX, with a batch of 1
    axes : axes of ONNX with more than one number, in the order in which they are kept
    order : of a vector that was flattened: place in ONNX of each number that is kept
    scale, offset : () or (C,), along the last axis kept
    frac, low, high : format of the integers kept, and their range
    has_relu : whether a ReLU is still to come
    linear : layer with weights that gave it, which may still take a bias; None where others take its output, too
    """

    step: str
    kept: tuple[int, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    order: Any = None
    scale: Reals = field(default_factory=lambda: ONE)
    offset: Reals = field(default_factory=lambda: ZERO)
    frac: int = 0
    low: int = 0
    high: int = 0
    has_relu: bool = False
    linear: LinearStep | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the axes that are kept."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def channels(self) -> int:
        """Size of the last axis that is kept."""
        return self.sizes[-1] if self.axes else 1

    @property
    def factor(self) -> float:
        """The factor, of a tensor that has one."""
        return float(np.ravel(self.scale)[0])

    @property
    def is_uniform(self) -> bool:
        """Whether it is a single factor times what is kept, without an offset."""
        return np.unique(self.scale).size == 1 and not np.any(self.offset)


class Walker:
    """A walk over the nodes that depend on the frames; what each becomes is said by those who inherit."""

    #: Operation -> name of the method that takes a node and gives its tensor.
    methods: ClassVar[dict[str, str]] = {
        **dict.fromkeys(MOVING, "move"), "Conv": "conv", "Gemm": "gemm", "MatMul": "matmul",
        "BatchNormalization": "norm", "Relu": "relu", **dict.fromkeys(("Add", "Sub", "Mul", "Div"), "pair"),
        **dict.fromkeys(("MaxPool", "GlobalMaxPool"), "max_pool"), "Concat": "concat",
        **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean"), "mean"),
        **dict.fromkeys(("Quant", "IntQuant"), "quant"), "BipolarQuant": "bipolar",
        **dict.fromkeys(("Softmax", "LogSoftmax"), "softmax"),
    }  # fmt: skip

    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.nodes, self.constants, self.values = fold(graph)
        self.uses = Counter(name for node in self.nodes for name in node.inputs)
        self.uses.update(graph.outputs)
        shape = graph.input_shape
        axes = [axis for axis, size in enumerate(shape) if size > 1]
        sizes = [shape[axis] for axis in axes]
        if len(axes) != 2 or 2 not in sizes:
            raise UnsupportedLayer(
                f"the input {graph.input!r} is {shape}, and must be a frame of I and Q: 1 x 2 x T, 1 x T x 2, or"
                " the same as an image"
            )
        if sizes[1] != 2:
            axes = axes[::-1]
        self.steps = Steps((shape[axes[0]], 2))
        frames = Tensor(FRAMES, self.steps.frames, shape, tuple(axes))
        self.tensors: dict[str, Tensor] = {graph.input: self.first(frames)}
        self.ended: dict[str, str] = {}

    @property
    def numbers(self) -> int:
        """Numbers of all tensors of one frame."""
        return sum(value.size for value in self.values.values())

    def first(self, frames: Tensor) -> Tensor:
        """What is known of the frames."""
        return frames

    def walk(self) -> None:
        """Turn every node into layers."""
        for node in self.nodes:
            if node.op not in self.methods:
                raise UnsupportedLayer(f"{node.label} of the frames has no form here")
            self.tensors[node.outputs[0]] = getattr(self, self.methods[node.op])(node)

    def take(self, node: OnnxNode, place: int = 0) -> Tensor:
        """Return the tensor that a node takes."""
        name = node.inputs[place]
        if name in self.ended:
            raise UnsupportedLayer(f"{node.label}: a softmax is exact nowhere but at the end of the network")
        tensor = self.tensors[name]
        return tensor if self.uses[name] == 1 else replace(tensor, linear=None)

    def is_constant(self, node: OnnxNode, place: int) -> bool:
        """Whether a node's input does not depend on the frames."""
        return node.inputs[place] in self.constants

    def shape_of(self, node: OnnxNode) -> tuple[int, ...]:
        """Shape of what a node gives."""
        return tuple(self.values[node.outputs[0]].shape)

    def softmax(self, node: OnnxNode) -> Tensor:
        """Leave a softmax to the host; nothing may follow."""
        tensor = self.take(node)
        self.ended[node.outputs[0]] = node.inputs[0]
        return tensor

    # -- shapes ----------------------------------------------------------------------------------------------

    def move(self, node: OnnxNode) -> Tensor:
        """Only numbers' places change."""
        tensor, shape = self.take(node), self.shape_of(node)
        if node.op in ("Identity", "Dropout"):
            return tensor
        if node.op == "Transpose":
            order = node.integers("perm", tuple(range(len(shape)))[::-1])
            if order[0] != 0:
                raise UnsupportedLayer(f"{node.label} moves the batch, which has no form here")
            return replace(tensor, shape=shape, axes=tuple(order.index(axis) for axis in tensor.axes))
        before = [axis for axis, size in enumerate(tensor.shape) if size > 1]
        after = [axis for axis, size in enumerate(shape) if size > 1]
        if [tensor.shape[axis] for axis in before] == [shape[axis] for axis in after]:
            return replace(tensor, shape=shape, axes=tuple(after[before.index(axis)] for axis in tensor.axes))
        return self._flattened(node, tensor, shape) if len(after) == 1 else self._reshaped(node, tensor, shape, after)

    def _flattened(self, node: OnnxNode, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Keep the numbers in the order in which they are kept, and remember it."""
        inner = sorted(tensor.axes)
        places = np.arange(int(np.prod(tensor.sizes))).reshape([tensor.shape[axis] for axis in inner])
        order = places.transpose([inner.index(axis) for axis in tensor.axes]).ravel()
        count = int(order.size)
        step = self.steps.put(node.name, (tensor.step,), (count,), lambda name: K.Reshape((count,), name=name))
        times = count // tensor.channels
        scale, offset = (np.tile(each, times) if each.ndim else each for each in (tensor.scale, tensor.offset))
        (axis,) = (axis for axis, size in enumerate(shape) if size > 1)
        moved = None if (order == np.arange(count)).all() else order
        return replace(tensor, step=step.name, kept=(count,), shape=shape, axes=(axis,), order=moved, scale=scale,
                       offset=offset, linear=None)  # fmt: skip

    def _reshaped(self, node: OnnxNode, tensor: Tensor, shape: tuple[int, ...], after: list[int]) -> Tensor:
        tensor = self.arranged(node, self.settled(node, tensor), sorted(tensor.axes))
        kept = tuple(shape[axis] for axis in after)
        step = self.steps.put(node.name, (tensor.step,), kept, lambda name: K.Reshape(kept, name=name))
        return replace(tensor, step=step.name, kept=kept, shape=shape, axes=tuple(after), linear=None)

    def settled(self, node: OnnxNode, tensor: Tensor) -> Tensor:
        """Make what is kept a tensor's numbers times one factor."""
        return tensor

    def arranged(self, node: OnnxNode, tensor: Tensor, wanted: Sequence[int]) -> Tensor:
        """Keep a tensor's axes in this order, those of one number too; it is settled where the last one changes."""
        inner = tuple(axis for axis in wanted if tensor.shape[axis] > 1)
        if tensor.order is not None:
            raise UnsupportedLayer(f"{node.label}: what was flattened can only be multiplied by a matrix here")
        if inner != tensor.axes:
            tensor = self.kept_as(node, tensor, tensor.sizes)
            dims, sizes = tuple(tensor.axes.index(axis) + 1 for axis in inner), tuple(tensor.shape[a] for a in inner)
            step = self.steps.put(
                f"{node.name}_permute", (tensor.step,), sizes, lambda name: K.Permute(dims, name=name)
            )
            tensor = replace(tensor, step=step.name, kept=sizes, axes=inner, linear=None)
        return self.kept_as(node, tensor, tuple(tensor.shape[axis] for axis in wanted))

    def kept_as(self, node: OnnxNode, tensor: Tensor, kept: tuple[int, ...]) -> Tensor:
        """Keep a tensor in a shape with more or fewer axes of one number."""
        kept = kept or (1,)
        if kept == tensor.kept:
            return tensor
        step = self.steps.put(f"{node.name}_reshape", (tensor.step,), kept, lambda name: K.Reshape(kept, name=name))
        return replace(tensor, step=step.name, kept=kept)

    # -- windows ---------------------------------------------------------------------------------------------

    def over_map(self, node: OnnxNode, tensor: Tensor) -> Tensor:
        """Arrange a tensor as a frame or an image, channels last."""
        rank = len(tensor.shape)
        if rank not in (3, 4):
            raise UnsupportedLayer(f"{node.label} works along {rank - 2} axes; 1 and 2 have a form here")
        return self.arranged(node, tensor, (*range(2, rank), 1))

    def padded(
        self, node: OnnxNode, tensor: Tensor, spans: Sequence[int], strides: Sequence[int], is_zero: bool = True
    ) -> tuple[Tensor, str]:
        """Add what stands around a tensor where Keras has no word for it; return it and the word that is left.

        Parameters
        ----------
        is_zero : whether zeros may stand there
        """
        sizes = tensor.kept[:-1]
        pads = [tuple(pad) for pad in pads_of(node, sizes, spans, strides)]
        if not any(map(any, pads)):
            return tensor, "valid"
        if pads == [tuple(pad) for pad in window_pads(sizes, list(spans), list(strides), True)]:
            return tensor, "same"
        if not is_zero:
            raise UnsupportedLayer(f"{node.label}: its pads {pads} have no form here; put its Relu or Quant before it")
        shape = (*(size + sum(pad) for size, pad in zip(sizes, pads, strict=True)), tensor.kept[-1])
        layer: Callable[[str], Any]
        if len(pads) == 1:
            layer = lambda name: K.ZeroPadding1D(pads[0], name=name)  # noqa: E731
        else:
            layer = lambda name: K.ZeroPadding2D(tuple(pads), name=name)  # noqa: E731
        step = self.steps.put(f"{node.name}_pad", (tensor.step,), shape, layer)
        return replace(tensor, step=step.name, kept=shape, linear=None), "valid"

    def by_channel(self, node: OnnxNode, tensor: Tensor, array: Any) -> Reals:
        """Read a constant beside a tensor: one number, or one for each channel that is kept last; () or (C,)."""
        wide = np.asarray(array, np.float64)
        wide = wide.reshape((1,) * (len(tensor.shape) - wide.ndim) + wide.shape) if wide.size > 1 else wide.reshape(())
        axes = [axis for axis, size in enumerate(wide.shape) if size > 1]
        if not axes:
            return wide.reshape(())
        if len(axes) > 1 or not tensor.axes or axes[0] != tensor.axes[-1] or wide.size != tensor.channels:
            raise UnsupportedLayer(
                f"{node.label}: its constant of shape {np.shape(array)} is neither one number nor one for each channel"
            )
        flat = wide.ravel()
        return flat if tensor.order is None else flat[tensor.order]

    def matrix_axes(self, tensor: Tensor) -> list[int]:
        """Axes of a tensor that a matrix multiplies along its last one."""
        last = len(tensor.shape) - 1
        return [axis for axis in range(1, last + 1) if axis == last or tensor.shape[axis] > 1]


def require_all_samples(node: OnnxNode, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """Require that a mean goes over all samples, and over no channel."""
    moved = [axis for axis in range(2, len(shape)) if shape[axis] > 1]
    if not axes or 0 in axes or 1 in axes or any(axis not in axes for axis in moved):
        raise UnsupportedLayer(f"{node.label}: only a mean over all samples has a form here, not over {axes}")
