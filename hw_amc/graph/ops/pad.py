"""Zeros around a frame or an image, and their opposite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node
from hw_amc.graph.ops.windows import Pads, require_places


@dataclass(frozen=True, eq=False)
class ZeroPad(Node):
    """Zeros before the first and behind the last sample, along each axis but the channels."""

    op: ClassVar[str] = "zero_pad"

    #: Samples before and behind, along each axis.
    pads: tuple[Pads, ...]

    def check(self, sources: Sequence[Node]) -> None:
        *sizes, channels = sources[0].shape
        _check(self, sources[0], self.pads)
        self.require_shape((*(size + sum(pads) for size, pads in zip(sizes, self.pads, strict=True)), channels))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return np.pad(tensors[0], ((0, 0), *self.pads, (0, 0)))


@dataclass(frozen=True, eq=False)
class Crop(Node):
    """What is left without the first and the last samples, along each axis but the channels.

    An output of height 1 may be a tensor over time, one of one pixel a vector: the last state of a recurrent layer.
    """

    op: ClassVar[str] = "crop"

    #: Samples left out before and behind, along each axis.
    crops: tuple[Pads, ...]

    def check(self, sources: Sequence[Node]) -> None:
        *sizes, channels = sources[0].shape
        _check(self, sources[0], self.crops)
        require_places(self, [size - sum(crop) for size, crop in zip(sizes, self.crops, strict=True)], channels)

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        *sizes, _ = sources[0].shape
        inside = (slice(before, size - behind) for size, (before, behind) in zip(sizes, self.crops, strict=True))
        return tensors[0][(slice(None), *inside)].reshape(len(tensors[0]), *self.shape)


def _check(node: Node, source: Node, margins: tuple[Pads, ...]) -> None:
    axes = len(source.shape) - 1
    fits = axes > 0 and len(margins) == axes and all(min(margin) >= 0 for margin in margins)
    node.require(fits, f"{margins} are not margins for each of {axes} axes")
    node.require_same_format(source)
