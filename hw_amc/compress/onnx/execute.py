"""What every operation of ONNX that is known here computes, in float64, as the file says; channels come first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hw_amc.compress.onnx.file import OnnxNode, require_size
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.untrusted import brief

Array = NDArray[Any]

#: Computes a node from its inputs; an input that is left out is None.
Operation = Callable[..., Array]

OPERATIONS: dict[str, Operation] = {}

#: Operations that only move numbers, so that what is known of each number goes with it.
MOVING = ("Identity", "Dropout", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")
#: The quantisers' names.
QUANT, BIPOLAR = ("Quant", "IntQuant"), "BipolarQuant"


def computes(*names: str) -> Callable[[Operation], Operation]:
    """Register what computes an operation."""

    def register(function: Operation) -> Operation:
        OPERATIONS.update(dict.fromkeys(names, function))
        return function

    return register


def run_node(node: OnnxNode, inputs: Sequence[Array | None]) -> Array:
    """Compute a node.

    Raises
    ------
    UnsupportedLayer
        It is no operation that is known here.
    DataError
        Its inputs do not fit it.
    """
    if node.op not in OPERATIONS:
        known = ", ".join(sorted(OPERATIONS))
        raise UnsupportedLayer(f"{node.label} is no operation that is known here; known: {known}")
    try:
        with np.errstate(all="ignore"):
            return np.asarray(OPERATIONS[node.op](node, *inputs))
    except (UnsupportedLayer, DataError):
        raise
    except (ValueError, IndexError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
        raise DataError(f"{node.label} does not fit its inputs ({brief(error)}); export the network again") from error


# -- quantisers ----------------------------------------------------------------------------------------------


def limits(node: OnnxNode, bits: int) -> tuple[int, int]:
    """Least and largest integer of a quantiser."""
    signed, narrow = (bool(node.number(name, 1)) for name in ("signed", "narrow"))
    if not signed:
        return 0, (1 << bits) - 1 - narrow
    return narrow - (1 << (bits - 1)), (1 << (bits - 1)) - 1


def width_of(node: OnnxNode, bits: Array | None) -> int:
    """Bits of a quantiser, one number for all values."""
    numbers = np.unique(np.asarray(bits))
    if numbers.size != 1 or not 1 <= numbers[0] <= 32 or numbers[0] != int(numbers[0]):
        raise UnsupportedLayer(f"{node.label}: its bit width must be one whole number of 1 to 32, not {bits}")
    return int(numbers[0])


def quantise(node: OnnxNode, x: Array, scale: Array, zero: Array, bits: Array) -> tuple[Array, Array]:
    """Integers of a quantiser, without its zero point, and the scale of each."""
    rounding = str(node.settings.get("rounding_mode") or "ROUND").upper()
    if rounding not in ("ROUND", "HALF_EVEN"):
        raise UnsupportedLayer(f"{node.label}: rounding_mode {rounding[:40]} has no exact form; export with ROUND")
    if not (np.asarray(scale) > 0).all():
        raise UnsupportedLayer(f"{node.label}: its scale must be above 0")
    width = width_of(node, bits)
    # Weights are divided in their own precision, as where the file was made.
    real = x / np.asarray(scale, x.dtype) + np.asarray(zero, x.dtype)
    if width == 1 and node.number("signed", 1):
        return np.where(real >= 0, 1.0, -1.0), np.broadcast_to(scale, x.shape)
    low, high = limits(node, width)
    return np.rint(np.clip(real, low, high)) - zero, np.broadcast_to(scale, x.shape)


@computes(*QUANT)
def _quant(node: OnnxNode, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    integers, scales = quantise(node, x, scale, zero, bits)
    return integers.astype(np.float64) * scales


@computes(BIPOLAR)
def _bipolar(node: OnnxNode, x: Array, scale: Array) -> Array:
    return np.where(x >= 0, 1.0, -1.0) * scale


# -- products ------------------------------------------------------------------------------------------------


def pads_of(node: OnnxNode, sizes: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> list[list[int]]:
    """What stands before and behind the numbers of each axis, for windows of these sizes with their dilation."""
    axes, automatic = len(sizes), node.settings.get("auto_pad") or "NOTSET"
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        found = []
        for size, span, stride in zip(sizes, window, strides, strict=True):
            whole = max((-(-size // stride) - 1) * stride + span - size, 0)
            small, large = whole // 2, whole - whole // 2
            found.append([small, large] if automatic == "SAME_UPPER" else [large, small])
        return found
    pads = node.integers("pads", (0,) * 2 * axes) if automatic == "NOTSET" else (0,) * 2 * axes
    if len(pads) != 2 * axes or min(pads) < 0 or max(pads) > 1 << 16:
        raise DataError(f"{node.label}: pads {list(pads)[:8]} are none; export the network again")
    return [[pads[axis], pads[axis + axes]] for axis in range(axes)]


def _slide(x: Array, window: Sequence[int]) -> Array:
    """Every window along the axes behind the channels."""
    slide: Any = sliding_window_view  # whose types know one axis only
    return np.asarray(slide(x, tuple(window), axis=tuple(range(2, x.ndim))))


def conv_of(node: OnnxNode, axes: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Strides and dilations of a convolution along its axes, and its groups."""
    strides, dilations = (node.integers(name, (1,) * axes) for name in ("strides", "dilations"))
    groups = int(node.number("group", 1))
    if {len(strides), len(dilations)} != {axes} or min((*strides, *dilations, groups)) < 1:
        raise DataError(
            f"{node.label}: strides {list(strides)[:8]}, dilations {list(dilations)[:8]} and {groups} groups fit no"
            f" {axes} axes; export the network again"
        )
    return strides, dilations, groups


@computes("Conv")
def _conv(node: OnnxNode, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    axes = x.ndim - 2
    strides, dilations, groups = conv_of(node, axes)
    spans = [(taps - 1) * step + 1 for taps, step in zip(kernel.shape[2:], dilations, strict=True)]
    pads = pads_of(node, x.shape[2:], spans, strides)
    sizes = [size + sum(pad) for size, pad in zip(x.shape[2:], pads, strict=True)]
    require_size((*x.shape[:2], *sizes), node.label)
    windows = _slide(np.pad(x, [[0, 0], [0, 0], *pads]), spans)
    every = [slice(None, None, stride) for stride in strides]
    taps = [slice(None, None, step) for step in dilations]
    windows = windows[(slice(None), slice(None), *every, *taps)]
    require_size(windows.shape[1:], node.label)
    inputs, outputs = kernel.shape[1], kernel.shape[0] // groups
    if x.shape[1] != inputs * groups or kernel.shape[0] % groups:
        raise ValueError(f"{x.shape[1]} channels in {groups} groups, a kernel of {kernel.shape}")
    parts = []
    for group in range(groups):
        part = windows[:, group * inputs : (group + 1) * inputs]
        own = kernel[group * outputs : (group + 1) * outputs].astype(np.float64)
        summed = [1, *range(2 + axes, 2 + 2 * axes)]
        parts.append(np.tensordot(part, own, (summed, list(range(1, 2 + axes)))))
    y = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    return y if bias is None else y + bias.reshape(-1, *(1,) * axes)


@computes("Gemm")
def _gemm(node: OnnxNode, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    x = x.T if node.number("transA", 0) else x
    y = node.number("alpha", 1.0) * (x @ (kernel.T if node.number("transB", 0) else kernel).astype(np.float64))
    return y if bias is None else y + node.number("beta", 1.0) * bias


@computes("MatMul")
def _matmul(node: OnnxNode, x: Array, kernel: Array) -> Array:
    require_size((*x.shape[:-1], kernel.shape[-1]), node.label)
    return np.asarray(x @ kernel.astype(np.float64))


def norm_of(node: OnnxNode, inputs: Sequence[Array]) -> tuple[Array, Array]:
    """Factor and addend of a batch normalisation, one a channel."""
    gamma, beta, mean, variance = (np.asarray(each, np.float64) for each in inputs)
    if (variance < 0).any() or not len({each.shape for each in (gamma, beta, mean, variance)}) == 1:
        raise DataError(f"{node.label}: its statistics are none; export the network again")
    factor = gamma / np.sqrt(variance + node.number("epsilon", 1e-5))
    return factor, beta - mean * factor


@computes("BatchNormalization")
def _norm(node: OnnxNode, x: Array, *inputs: Array) -> Array:
    factor, addend = (each.reshape(-1, *(1,) * (x.ndim - 2)) for each in norm_of(node, inputs))
    return np.asarray(x * factor + addend)


# -- functions of one or two numbers -------------------------------------------------------------------------


@computes("Relu")
def _relu(node: OnnxNode, x: Array) -> Array:
    return np.maximum(x, 0)


def _pair(function: Callable[[Array, Array], Array]) -> Operation:
    def run(node: OnnxNode, x: Array, y: Array) -> Array:
        require_size(np.broadcast_shapes(x.shape, y.shape), node.label)
        return function(x, y)

    return run


OPERATIONS |= {"Add": _pair(np.add), "Sub": _pair(np.subtract), "Mul": _pair(np.multiply), "Div": _pair(np.divide)}


@computes("Softmax", "LogSoftmax")
def _softmax(node: OnnxNode, x: Array) -> Array:
    axis = int(node.number("axis", -1))
    shifted = x - x.max(axis=axis, keepdims=True)
    log = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return np.asarray(log if node.op == "LogSoftmax" else np.exp(log))


# -- pools ---------------------------------------------------------------------------------------------------


def pool_of(node: OnnxNode, x: Array | tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], list[list[int]]]:
    """Window, strides and pads of a pool; UnsupportedLayer for what changes its meaning further."""
    sizes = (x if isinstance(x, tuple) else x.shape)[2:]
    window = node.integers("kernel_shape")
    strides = node.integers("strides", (1,) * len(window))
    if len(window) != len(sizes) or len(strides) != len(sizes) or min((*window, *strides), default=0) < 1:
        raise DataError(f"{node.label}: a window of {window} by steps of {strides} fits no {sizes}")
    if set(node.integers("dilations", (1,))) != {1}:
        raise UnsupportedLayer(f"{node.label}: a dilated window has no form here")
    pads = pads_of(node, sizes, window, strides)
    for size, taps, stride, pad in zip(sizes, window, strides, pads, strict=True):
        if node.number("ceil_mode", 0) and (size + sum(pad) - taps) % stride:
            raise UnsupportedLayer(
                f"{node.label}: ceil_mode=1 where windows do not fit has no form here; export with 0"
            )
    return window, strides, pads


def _windows(node: OnnxNode, x: Array, fill: float) -> tuple[Array, tuple[int, ...]]:
    window, strides, pads = pool_of(node, x)
    sizes = [size + sum(pad) for size, pad in zip(x.shape[2:], pads, strict=True)]
    require_size((*x.shape[:2], *sizes), node.label)
    padded = np.pad(x, [[0, 0], [0, 0], *pads], constant_values=fill)
    axes = tuple(range(2, x.ndim))
    every = [slice(None, None, stride) for stride in strides]
    return _slide(padded, window)[(slice(None), slice(None), *every)], axes


@computes("MaxPool")
def _max_pool(node: OnnxNode, x: Array) -> Array:
    windows, axes = _windows(node, x, -np.inf)
    return np.asarray(windows.max(axis=tuple(axis + len(axes) for axis in axes)))


@computes("AveragePool")
def _average_pool(node: OnnxNode, x: Array) -> Array:
    if any(map(any, pool_of(node, x)[2])):
        raise UnsupportedLayer(f"{node.label}: a mean over windows that reach over the edge has no form here")
    windows, axes = _windows(node, x, 0.0)
    return np.asarray(windows.mean(axis=tuple(axis + len(axes) for axis in axes)))


@computes("GlobalAveragePool")
def _global_average(node: OnnxNode, x: Array) -> Array:
    return np.asarray(x.mean(axis=tuple(range(2, x.ndim)), keepdims=True))


@computes("GlobalMaxPool")
def _global_max(node: OnnxNode, x: Array) -> Array:
    return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


def axes_of(node: OnnxNode, given: Array | None, rank: int) -> tuple[int, ...]:
    """Axes that an operation names, by a setting or by an input; all but the first where it names none."""
    axes = node.integers("axes") if given is None else tuple(int(axis) for axis in np.ravel(given))
    found = tuple(sorted(axis % rank if -rank <= axis < rank else rank for axis in axes))
    if found and found[-1] >= rank:
        raise DataError(f"{node.label}: there are no axes {axes[:8]} among {rank}")
    return found


@computes("ReduceMean")
def _reduce_mean(node: OnnxNode, x: Array, axes: Array | None = None) -> Array:
    return np.asarray(x.mean(axis=axes_of(node, axes, x.ndim), keepdims=bool(node.number("keepdims", 1))))


# -- shapes --------------------------------------------------------------------------------------------------


@computes("Identity", "Dropout")
def _identity(node: OnnxNode, x: Array, *others: Array | None) -> Array:
    return x


@computes("Constant")
def _constant(node: OnnxNode) -> Array:
    for name, kind in (("value", None), ("value_float", np.float32), ("value_int", np.int64),
                       ("value_floats", np.float32), ("value_ints", np.int64)):  # fmt: skip
        if node.settings.get(name) is not None:
            return np.asarray(node.settings[name], kind)
    raise UnsupportedLayer(f"{node.label} holds no numbers")


@computes("Reshape")
def _reshape(node: OnnxNode, x: Array, shape: Array) -> Array:
    sizes = [int(size) for size in np.ravel(shape)]
    if not node.number("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    # The batch is of any size here, and 1 in the file.
    if x.shape[0] != 1 and sizes and sizes[0] == 1:
        sizes[0] = x.shape[0]
    return x.reshape(sizes)


@computes("Flatten")
def _flatten(node: OnnxNode, x: Array) -> Array:
    axis = int(node.number("axis", 1))
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


@computes("Transpose")
def _transpose(node: OnnxNode, x: Array) -> Array:
    return x.transpose(node.integers("perm", tuple(range(x.ndim))[::-1]))


@computes("Squeeze")
def _squeeze(node: OnnxNode, x: Array, axes: Array | None = None) -> Array:
    chosen = axes_of(node, axes, x.ndim) or tuple(axis for axis, size in enumerate(x.shape) if axis and size == 1)
    return x.squeeze(chosen)


@computes("Unsqueeze")
def _unsqueeze(node: OnnxNode, x: Array, axes: Array | None = None) -> Array:
    count = len(node.integers("axes") if axes is None else np.ravel(axes))
    return np.expand_dims(x, axes_of(node, axes, x.ndim + count))


@computes("Shape")
def _shape(node: OnnxNode, x: Array) -> Array:
    return np.array([1, *x.shape[1:]], np.int64)


@computes("Gather")
def _gather(node: OnnxNode, x: Array, places: Array) -> Array:
    return np.take(x, places, axis=int(node.number("axis", 0)))


@computes("Concat")
def _concat(node: OnnxNode, *parts: Array) -> Array:
    return np.concatenate(parts, axis=int(node.number("axis", 0)))


@computes("Cast")
def _cast(node: OnnxNode, x: Array) -> Array:
    return x.astype(np.int64) if node.number("to", 1) in (6, 7) else x
