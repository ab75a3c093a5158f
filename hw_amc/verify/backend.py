"""One protocol for everything that computes a network, and golden as the first that follows it.

Keras (`hw_amc.verify.keras`), golden, the C simulation (`hw_amc.hls.csim`), the simulated Verilog
(`hw_amc.cosim.backend`), the simulated device and a board (`hw_amc.bench.backend`) all take wire words and give the
integers of the tensors asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.graph import Graph, golden
from hw_amc.graph.fixed import FixedFormat
from hw_amc.verify.equality import require_equal


class Backend(Protocol):
    """One way to compute a network: raw wire words in, raw integers out."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def run(self, frames: NDArray[Any], keep: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Execute on wire words (n, T, 2) and return the integers (n, *shape) of the nodes `keep`.

        The outputs are returned by default; a back end that does not show a node that `keep` names refuses it with
        ConfigError.
        """


@dataclass(frozen=True)
class Golden:
    """The golden interpreter.

    Attributes
    ----------
    graph : Graph
    input_shift : int
        Of the accelerator's register: the same words with so many fraction bits less.
    workers : int
        Processes that share the frames.
    """

    graph: Graph
    input_shift: int = 0
    workers: int = 1

    @property
    def name(self) -> str:
        """What messages call it."""
        return "golden"

    def run(self, frames: NDArray[Any], keep: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Execute on wire words; see `Backend.run`."""
        graph = self.graph
        if self.input_shift:
            wire = graph.input.fmt
            graph = graph.replace_node(replace(graph.input, fmt=FixedFormat(wire.bits, wire.frac - self.input_shift)))
        return golden.run(graph, frames, keep, self.workers)


def outputs_only(graph: Graph, keep: Iterable[str] | None, name: str) -> tuple[str, ...]:
    """Return the outputs that `keep` names, all by default, of a back end that shows nothing else.

    Raises
    ------
    ConfigError
        `keep` names another node.
    """
    names = tuple(graph.outputs if keep is None else keep)
    for node in names:
        if node not in graph.outputs:
            raise ConfigError(f"{name} shows the outputs of a network only ({', '.join(graph.outputs)}), not {node!r}")
    return names


def prove(
    graph: Graph,
    backends: tuple[Backend, Backend],
    frames: NDArray[Any],
    keep: Iterable[str] | None = None,
    first_frame: int = 0,
) -> int:
    """Run two back ends on the same frames, require the same integers, and return how many were compared.

    Parameters
    ----------
    graph : Graph
    backends : pair of Backend
        The reference first.
    frames : integer array (n, T, 2)
        Wire words.
    keep : iterable of node names, optional
        What to compare; the outputs by default.
    first_frame : int
        Number of the first frame, for the message.

    Raises
    ------
    Mismatch
        At least one integer differs; the message names the first.
    """
    names = tuple(graph.outputs if keep is None else keep)
    left, right = (backend.run(frames, names) for backend in backends)
    return require_equal(graph, (backends[0].name, backends[1].name), left, right, first_frame)
