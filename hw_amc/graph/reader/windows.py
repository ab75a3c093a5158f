"""Windows of Keras layers: sizes, strides and padding along the axes that the node's input has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hw_amc.graph import Node
from hw_amc.graph.ops.windows import Pads, window_pads
from hw_amc.graph.reader.base import require


@dataclass(frozen=True)
class Window:
    """What a layer reads for one output; one number an axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[Pads, ...]

    @property
    def is_whole(self) -> bool:
        """Whether windows meet without a gap, and none reaches over the edge."""
        return self.size == self.stride and not any(map(any, self.pads))


def window_of(layer: Any, source: Node, size: Any) -> Window:
    """Read the window of a layer whose kernel or pool is `size`; over an image of height 1 it is one over time."""
    require(layer, layer.padding in ("valid", "same", "causal"), f"padding {layer.padding!r} has no exact form")
    *sizes, _ = source.shape
    dilation = getattr(layer, "dilation_rate", 1)
    taps = _along(layer, size, len(sizes))
    # One place has no next: strides and dilations over a height of 1 say nothing.
    strides, dilations = (_along(layer, value, len(sizes), beyond=True) for value in (layer.strides, dilation))
    spans = [(count - 1) * step + 1 for count, step in zip(taps, dilations, strict=True)]
    pads = window_pads(sizes, spans, strides, layer.padding == "same")
    if layer.padding == "causal":
        pads = tuple((span - 1, 0) for span in spans)
    return Window(taps, strides, dilations, pads)


def margins_of(layer: Any, source: Node, margins: Any) -> tuple[Pads, ...]:
    """Read what a layer adds or leaves out before and behind, along each axis."""
    axes = len(source.shape) - 1
    pairs = [(int(before), int(behind)) for before, behind in np.reshape(margins, (-1, 2)).tolist()]
    require(layer, not any(map(any, pairs[:-axes])), "an image of height 1 keeps its height")
    return tuple(pairs[-axes:])


def _along(layer: Any, value: Any, axes: int, beyond: bool = False) -> tuple[int, ...]:
    """Take the last `axes` numbers; those in front belong to a height of 1, and are 1 unless any may be `beyond` it."""
    numbers = [int(number) for number in np.ravel(value)]
    numbers = numbers * axes if len(numbers) < axes else numbers
    fits = beyond or all(number == 1 for number in numbers[:-axes])
    require(layer, fits, "an image of height 1 needs windows of height 1")
    return tuple(numbers[-axes:])
