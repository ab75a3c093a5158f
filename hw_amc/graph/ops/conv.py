"""Convolutions over time and over images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node, Weights
from hw_amc.graph.ops.linear import Linear
from hw_amc.graph.ops.windows import Pads, count_windows, require_places, taps


@dataclass(frozen=True, eq=False)
class _Conv(Linear):
    """A convolution; `kernel` is (*window, C_in / groups, C_out)."""

    #: Channels are in so many groups, and an output reads one of them; C_in of them make it depthwise.
    groups: int = field(default=1, kw_only=True)

    @property
    def window(self) -> tuple[int, ...]:
        """Taps along each axis."""
        return self.kernel.shape[:-2]

    @property
    @abstractmethod
    def strides(self) -> tuple[int, ...]:
        """Samples from one output to the next, along each axis."""

    @property
    @abstractmethod
    def dilations(self) -> tuple[int, ...]:
        """Samples from one tap to the next, along each axis."""

    @property
    @abstractmethod
    def padding(self) -> tuple[Pads, ...]:
        """Zeros before and behind, along each axis."""

    def ungrouped_kernel(self) -> Weights:
        """Kernel of the same convolution in one group: (*window, C_in, C_out), zero between the groups."""
        *window, inputs, outputs = self.kernel.shape
        kernel = np.zeros((*window, self.groups, inputs, self.groups, outputs // self.groups), np.int32)
        for group, part in enumerate(np.split(self.kernel, self.groups, axis=-1)):
            kernel[..., group, :, group, :] = part
        return kernel.reshape(*window, self.groups * inputs, outputs)

    def check(self, sources: Sequence[Node]) -> None:
        *sizes, channels = sources[0].shape
        axes = len(sizes)
        self.require(self.kernel.ndim == axes + 2 and self.kernel.size > 0, f"kernel has shape {self.kernel.shape}")
        self.require(len(self.strides) == len(self.dilations) == len(self.padding) == axes, f"it has {axes} axes")
        positive = min(self.groups, *self.strides, *self.dilations) > 0 and min(map(min, self.padding)) >= 0
        self.require(positive, "strides, dilations and groups must be positive, padding not negative")
        filters = self.kernel.shape[-1]
        self.require(
            channels % self.groups == filters % self.groups == 0,
            f"{channels} channels and {filters} filters do not fall into {self.groups} groups",
        )
        self.require_arrays({"kernel": (*self.window, channels // self.groups, filters), "bias": (filters,)})
        require_places(self, self._places(sizes), filters)
        self.check_accumulator(sources[0])

    def _places(self, sizes: Sequence[int]) -> tuple[int, ...]:
        spans = [(taps - 1) * dilation + 1 for taps, dilation in zip(self.window, self.dilations, strict=True)]
        return tuple(map(count_windows, sizes, spans, self.strides, self.padding))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        padded = np.pad(tensors[0].astype(dtype, copy=False), ((0, 0), *self.padding, (0, 0)))
        kernel = self.kernel.astype(dtype)
        places = self._places(sources[0].shape[:-1])
        acc: Tensor | None = None
        for tap, samples in taps(padded, self.window, self.strides, self.dilations, places):
            product = samples @ kernel[tap] if self.groups == 1 else self._grouped(samples, kernel[tap])
            if acc is None:
                acc = product
            else:
                acc += product
        assert acc is not None  # a window has a tap
        return self.add_bias(acc, sources[0]).reshape(len(acc), *self.shape)

    def _grouped(self, samples: Tensor, weights: Tensor) -> Tensor:
        """Product of samples (..., C_in) and one tap's weights (C_in / groups, C_out), group by group."""
        inputs, outputs = weights.shape
        split = samples.reshape(*samples.shape[:-1], self.groups, 1, inputs)
        by_group = weights.reshape(inputs, self.groups, outputs // self.groups).swapaxes(0, 1)
        product: Tensor = split.swapaxes(-1, -2) * by_group if inputs == 1 else split @ by_group
        return product.reshape(*samples.shape[:-1], outputs)


@dataclass(frozen=True, eq=False)
class Conv1d(_Conv):
    """Convolution over time: y[t] = sum_k x[t stride + k dilation - before] kernel[k] + bias, zeros outside the frame.

    `kernel` is (K, C_in / groups, C_out).
    """

    op: ClassVar[str] = "conv1d"
    rank: ClassVar[int | None] = 2

    stride: int = field(default=1, kw_only=True)
    dilation: int = field(default=1, kw_only=True)
    #: Zeros before and behind the frame; None: as many as keep its length at stride 1 and dilation 1, the odd one
    #: behind.
    pads: Pads | None = field(default=None, kw_only=True)

    @property
    def strides(self) -> tuple[int, ...]:
        return (self.stride,)

    @property
    def dilations(self) -> tuple[int, ...]:
        return (self.dilation,)

    @property
    def padding(self) -> tuple[Pads, ...]:
        return (_same(len(self.kernel)) if self.pads is None else self.pads,)


@dataclass(frozen=True, eq=False)
class Conv2d(_Conv):
    """Convolution over rows and columns, as over time; an output of height 1 may be a tensor over time.

    `kernel` is (rows, columns, C_in / groups, C_out).
    """

    op: ClassVar[str] = "conv2d"
    rank: ClassVar[int | None] = 3

    #: Zeros around the image, as many as keep its size at stride 1; the odd one behind. False: those of `pads`.
    same: bool
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    #: Zeros above and below, left and right, where not `same`.
    pads: tuple[Pads, Pads] = field(default=((0, 0), (0, 0)), kw_only=True)

    @property
    def strides(self) -> tuple[int, ...]:
        return self.stride

    @property
    def dilations(self) -> tuple[int, ...]:
        return self.dilation

    @property
    def padding(self) -> tuple[Pads, ...]:
        return tuple(map(_same, self.window)) if self.same else self.pads


def _same(taps: int) -> Pads:
    return (taps - 1) // 2, taps // 2
