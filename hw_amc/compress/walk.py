"""The layers of a Keras model in the order in which they compute, each with those that feed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hw_amc.errors import UnsupportedLayer


@dataclass(frozen=True)
class Call:
    """A layer and the names of the layers whose outputs it takes; an input takes none."""

    layer: Any
    inputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.layer.name)

    @property
    def kind(self) -> str:
        """The name of the layer's class."""
        return type(self.layer).__name__


def walk(model: Any) -> list[Call]:
    """List the layers of a Sequential or functional model.

    Parameters
    ----------
    model : keras.Model
        Built, with one input.

    Raises
    ------
    UnsupportedLayer
        The model is not a graph of layers, has several inputs, uses a layer twice, or has channels first.
    """
    if not getattr(model, "_nodes_by_depth", None):
        raise UnsupportedLayer(
            f"model {model.name!r} is not a graph of layers: build it as Sequential with an Input, or functional"
        )
    if len(model.inputs) != 1:
        raise UnsupportedLayer(f"model {model.name!r} has {len(model.inputs)} inputs; one of (samples, 2) is needed")
    calls = list(_calls(model))
    seen: set[str] = set()
    for call in calls:
        if call.name in seen:
            raise UnsupportedLayer(f"layer {call.name!r} is used twice; only layers that are used once are exact here")
        seen.add(call.name)
        if getattr(call.layer, "data_format", None) == "channels_first":
            raise UnsupportedLayer(
                f"layer {call.name!r} ({call.kind}) has its channels first; build the network with"
                " data_format='channels_last', behind a Permute where frames come in rows: kernels keep their shapes"
            )
    return calls


def _calls(model: Any) -> Iterator[Call]:
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            yield Call(node.layer, () if node.is_input else tuple(parent.layer.name for parent in node.parent_nodes))


def consumers(calls: list[Call]) -> dict[str, list[Call]]:
    """For every layer, the layers that take its output."""
    found: dict[str, list[Call]] = {call.name: [] for call in calls}
    for call in calls:
        for name in call.inputs:
            found[name].append(call)
    return found
