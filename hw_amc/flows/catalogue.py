"""The networks that are known by name: what each is, what was published of it, and what is measured here."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hw_amc.errors import DataError, HwAmcError
from hw_amc.flows.reach import Reach
from hw_amc.graph import Graph
from hw_amc.models import MODELS, NetworkSpec, find
from hw_amc.report import load_accuracy
from hw_amc.workspace import Workspace

#: Bits of kernels and of what else is trained, in the deployed form where nothing asks for others.
KERNEL_BITS, OTHER_BITS = 8, 16

#: Weights are here; were trained and are made again by `hw-amc train`; a recipe is here; nothing is.
State = Literal["trained", "measured", "recipe", ""]


@dataclass(frozen=True)
class Entry:
    """One network.

    Attributes
    ----------
    spec : the network
    state : what of its training is here
    memory_bytes : weights of the deployed form, packed
    is_counted : whether these are counted in the graph; else they follow from the formula and the usual widths
    accuracy : content of its accuracy.json, where it belongs to the weights or stands for them
    reach : how far it goes, where that was asked
    """

    spec: NetworkSpec
    state: State
    memory_bytes: int
    is_counted: bool
    accuracy: dict[str, Any] | None
    reach: Reach | None = None

    def facts(self) -> dict[str, Any]:
        """Everything as JSON types; what is not known is left out."""
        spec, figures = self.spec, self.spec.published
        found: dict[str, Any] = {
            "model": spec.name, "network": spec.summary, "source": spec.source, "frame": list(spec.frame),
            "classes": list(spec.outputs), "sparsity": spec.sparsity, "parameters": spec.parameters,
            "nonzeros": spec.nonzeros, "macs": spec.macs, "memory_bytes": self.memory_bytes,
            "trained": self.state == "trained", "state": self.state,
            "kind": {"memory_bytes": "measured" if self.is_counted else "estimated"},
        }  # fmt: skip
        if self.accuracy is not None:
            told = {key: self.accuracy[key] for key in ("average", "at_least_10_db", "weights_sha256", "date")
                    if key in self.accuracy}  # fmt: skip
            found["accuracy"] = {**told, "kind": "measured"}
        if figures is not None:
            given = {key: value for key, value in vars(figures).items() if value not in (None, "", {})}
            found["published"] = {**given, "kind": "published"}
        found["differs"] = spec.differs
        if self.reach is not None:
            found["reach"] = {**vars(self.reach), "kind": "estimated"}
        return found


def list_networks(names: Sequence[str], trained: Collection[str]) -> list[Entry]:
    """Look up networks, all of them where no name is given; quick, and without TensorFlow.

    Raises
    ------
    ConfigError
        No network has a name; the nearest is named.
    """
    return [_entry(find(name), name in trained) for name in names or MODELS]


def _entry(spec: NetworkSpec, is_trained: bool) -> Entry:
    workspace = Workspace.open(spec.name)
    try:
        accuracy = load_accuracy(workspace.folder)[0]
    except DataError:  # `hw-amc report` says what is wrong with it
        accuracy = None
    counted = _counted_bytes(workspace) if is_trained else None
    state: State = "trained" if is_trained else "measured" if accuracy is not None else ""
    if not state and (workspace.folder / "train.toml").is_file():
        state = "recipe"
    memory = _usual_bytes(spec) if counted is None else counted
    return Entry(spec, state, memory, counted is not None, accuracy)


def _counted_bytes(workspace: Workspace) -> int | None:
    try:
        graph = Graph.load(workspace.folder)
    except HwAmcError:  # the flows say what is wrong with it
        return None
    return math.ceil(sum(node.memory_bits for node in graph.nodes) / 8)


def _usual_bytes(spec: NetworkSpec) -> int:
    others = spec.parameters - spec.kernel_weights
    return math.ceil((KERNEL_BITS * spec.kernel_nonzeros + OTHER_BITS * others) / 8)
