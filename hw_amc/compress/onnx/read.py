"""A file in ONNX as a Keras model, and the file's own numbers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.compress.onnx.evaluate import run_graph
from hw_amc.compress.onnx.exact import Exact, Seen
from hw_amc.compress.onnx.execute import BIPOLAR, QUANT
from hw_amc.compress.onnx.factors import Refitted
from hw_amc.compress.onnx.file import OnnxGraph, load_graph
from hw_amc.compress.onnx.floats import Floats
from hw_amc.errors import DataError, UnsupportedLayer

Array = NDArray[Any]

#: Most frames that are computed at once, and numbers of all their tensors.
_BATCH, _NUMBERS = 32, 1 << 24


@dataclass(frozen=True)
class OnnxModel:
    """A network in ONNX.

    Attributes
    ----------
    graph : as the file says
    model : the Keras model that it became, float or of QKeras layers
    seen : tensors of the file that layers of the model keep; none of a float one
    refitted : factors that are no powers of two
    """

    graph: OnnxGraph
    model: Any
    seen: Sequence[Seen] = ()
    refitted: Sequence[Refitted] = ()
    #: Numbers of all tensors of one frame.
    numbers: int = 1

    @property
    def is_exact(self) -> bool:
        """Whether every integer is the file's own: no factor was rounded."""
        return all(each.moved == 0 for each in self.refitted)

    @cached_property
    def _axes(self) -> tuple[int, int]:
        """Axes of time and of I and Q."""
        axes = [axis for axis, size in enumerate(self.graph.input_shape) if size > 1]
        return (axes[0], axes[1]) if self.graph.input_shape[axes[1]] == 2 else (axes[1], axes[0])

    def run(self, frames: Array, keep: Sequence[str]) -> dict[str, Array]:
        """Compute tensors of the file on frames (n, T, 2)."""
        given = frames if self._axes[0] < self._axes[1] else np.swapaxes(frames, 1, 2)
        shape = (-1, *self.graph.input_shape[1:])
        batch = max(1, min(_BATCH, _NUMBERS // self.numbers))
        starts = range(0, len(frames), batch)
        parts = [run_graph(self.graph, given[start : start + batch].reshape(shape), keep) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in keep}

    def answers(self, frames: Array) -> Array:
        """Class that every head of the file gives each frame, (n, heads)."""
        values = self.run(frames, self.graph.outputs)
        return np.stack([values[name].reshape(len(frames), -1).argmax(axis=1) for name in self.graph.outputs], axis=1)

    def kept(self, frames: Array) -> dict[str, Array]:
        """Real numbers that the layers of the model should keep on frames (n, T, 2), by layer: (n, *their shape)."""
        values = self.run(frames, tuple(dict.fromkeys(each.tensor for each in self.seen)))
        found = {}
        for each in self.seen:
            value = values[each.tensor].transpose(0, *each.kept.axes, *_left(values[each.tensor].ndim, each.kept.axes))
            flat = value.reshape(len(frames), *each.kept.sizes)
            flat = flat if each.kept.order is None else flat[:, each.kept.order]
            found[each.layer] = (flat - each.kept.offset) / each.kept.scale
        return found


def _left(rank: int, axes: Sequence[int]) -> list[int]:
    return [axis for axis in range(1, rank) if axis not in axes]


def load_onnx(path: Path) -> OnnxModel:
    """Read a network in ONNX: quantised where it has quantisers (QONNX), float otherwise.

    Raises
    ------
    DataError
        The file is missing, damaged, too large, or holds what fits no network.
    UnsupportedLayer
        An operation that has no form here, by name, with the way out.
    """
    graph = load_graph(path)
    name = path.name.removesuffix(path.suffix) or "model"
    try:
        if any(node.op in (*QUANT, BIPOLAR) for node in graph.nodes):
            walker = Exact(graph)
            model = walker.model(name)
            return OnnxModel(graph, model, walker.seen, walker.refitted, walker.numbers)
        plain = Floats(graph)
        return OnnxModel(graph, plain.model(name), numbers=plain.numbers)
    except (DataError, UnsupportedLayer) as error:
        raise type(error)(f"{path.name}: {error}") from error
