"""An accelerator behind the driver as a back end: the simulated device and a board alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from hw_amc.driver import AmcOverlay
from hw_amc.errors import ConfigError
from hw_amc.graph import Graph
from hw_amc.verify.backend import outputs_only
from hw_amc.verify.results import split_heads


class Device:
    """An open overlay.

    Parameters
    ----------
    graph : Graph
    overlay : AmcOverlay
        Whoever opened it closes it.

    Raises
    ------
    ConfigError
        The overlay was built from another graph; the message names both digests.
    """

    def __init__(self, graph: Graph, overlay: AmcOverlay) -> None:
        held, wanted = overlay.manifest.graph_digest, graph.digest()
        if held != wanted:
            raise ConfigError(
                f"the overlay holds network {held[:16]}, the model is {wanted[:16]}; build the overlay again"
            )
        self.graph = graph
        self.overlay = overlay

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the simulated device" if self.overlay.simulated else "the board"

    def run(self, frames: NDArray[Any], keep: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Execute on wire words; see `hw_amc.verify.backend.Backend.run`. Shows the outputs only."""
        names = outputs_only(self.graph, keep, self.name)
        tensors = split_heads(self.graph, self.overlay.classify(frames).logits)
        return {name: tensors[name] for name in names}
