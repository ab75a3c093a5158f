"""The typed integer graph: what a deployed network computes, in raw integers and nothing else.

A `Graph` is a tuple of nodes in topological order. Every node names its inputs, its output shape (time first,
batch left out) and the `FixedFormat` of its output, and carries its weights as integers. The operations are
written up, with their equations, in docs/graph.md; `hw_amc.graph.golden` executes them.

On disk a graph is `graph.json` (structure, formats, and the SHA-256 of each array) beside `graph.npz` (the arrays).
The digest of a graph is the SHA-256 of its JSON text, and therefore covers the arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import load_json, save_npz, write_text
from hw_amc.graph.fixed import FixedFormat
from hw_amc.graph.ops import OPS, Node
from hw_amc.graph.ops.base import is_default
from hw_amc.graph.ops.input import Input
from hw_amc.graph.ops.quantize import Quantize
from hw_amc.graph.typed import field_types, is_of
from hw_amc.untrusted import load_npz

SCHEMA = 1


@dataclass(frozen=True)
class Graph:
    """A network in integers: nodes in topological order; the last of `outputs` are the logits."""

    name: str
    nodes: tuple[Node, ...]
    #: Nodes whose tensors are the heads' logits, in the order of the result words.
    outputs: tuple[str, ...]
    #: Class names of each head, in the order of its logits.
    classes: tuple[tuple[str, ...], ...]
    #: SHA-256 of the weights.h5 that this graph was built from; empty for a graph made by hand.
    weights_digest: str = ""

    def __post_init__(self) -> None:
        self.verify()

    def __getitem__(self, name: str) -> Node:
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise ConfigError(f"graph {self.name!r} has no node {name!r}; it has {known}") from None

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @property
    def input(self) -> Node:
        """The one input node."""
        return self.nodes[0]

    @property
    def frame_len(self) -> int:
        """Samples in a frame, T."""
        return self.input.shape[0]

    @property
    def input_quantizer(self) -> Node | None:
        """The quantiser that reads the input, where nothing else does: the work of the accelerator's shell."""
        readers = [node for node in self.nodes if self.input.name in node.inputs]
        return readers[0] if len(readers) == 1 and isinstance(readers[0], Quantize) else None

    @property
    def logit_frac(self) -> int:
        """Common fraction bits of all logits."""
        return self[self.outputs[0]].fmt.frac

    def sources(self, node: Node) -> list[Node]:
        """Nodes that feed `node`."""
        return [self._by_name[name] for name in node.inputs]

    def walk(self) -> Iterator[tuple[Node, list[Node]]]:
        """Each node but the input, with the nodes that feed it."""
        for node in self.nodes[1:]:
            yield node, self.sources(node)

    def replace_node(self, node: Node) -> Graph:
        """Return the graph with the node of the same name replaced; verified again."""
        return replace(self, nodes=tuple(node if old.name == node.name else old for old in self.nodes))

    def verify(self) -> None:
        """Check order, names, shapes, formats and weights.

        Raises
        ------
        DataError
            The first inconsistency, with the node's name.
        """
        if not self.nodes or not isinstance(self.nodes[0], Input):
            raise DataError(f"graph {self.name!r} must begin with an input node")
        seen: set[str] = set()
        for node in self.nodes:
            node.require(node.name not in seen, "its name is used twice")
            missing = [name for name in node.inputs if name not in seen]
            node.require(not missing, f"inputs {missing} do not come before it")
            node.require(bool(node.inputs) == (node is not self.nodes[0]), "every node but the first needs an input")
            seen.add(node.name)
            node.verify(self.sources(node))
        self._verify_outputs(seen)

    def _verify_outputs(self, seen: set[str]) -> None:
        if not self.outputs or len(self.outputs) != len(self.classes):
            raise DataError(f"graph {self.name!r} needs one list of classes for each of its outputs")
        for name, classes in zip(self.outputs, self.classes, strict=True):
            if name not in seen or self[name].shape != (len(classes),):
                raise DataError(f"output {name!r} of graph {self.name!r} does not give {len(classes)} logits")
        if len({self[name].fmt.frac for name in self.outputs}) != 1:
            raise DataError(f"the outputs of graph {self.name!r} need one common logit_frac")

    def to_json(self) -> str:
        """Canonical JSON text: structure, formats and the digests of the arrays."""
        data = {
            "schema": SCHEMA,
            "name": self.name,
            "outputs": self.outputs,
            "classes": self.classes,
            "weights_digest": self.weights_digest,
            "nodes": [_node_to_dict(node) for node in self.nodes],
        }
        return json.dumps(data, indent=1) + "\n"

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex: the identity of the network."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write graph.npz, then graph.json, each atomically, into `folder`."""
        arrays = {f"{node.name}/{key}": array for node in self.nodes for key, array in node.arrays().items()}
        save_npz(folder / "graph.npz", arrays)
        write_text(folder / "graph.json", self.to_json())

    @classmethod
    def load(cls, folder: Path) -> Graph:
        """Read a saved graph and verify it.

        Raises
        ------
        DataError
            A file is missing or damaged, or the arrays are not those that the JSON describes.
        """
        data = load_json(folder / "graph.json")
        if data.get("schema") != SCHEMA:
            raise DataError(f"{folder / 'graph.json'} has schema {data.get('schema')!r}, expected {SCHEMA}")
        try:
            arrays = load_npz(folder / "graph.npz")
            nodes = tuple(_node_from_dict(item, arrays) for item in data["nodes"])
            texts = {"name": data["name"], "weights_digest": data["weights_digest"]}
            lists = {key: _to_tuple(data[key]) for key in ("outputs", "classes")}
            _require_types(cls, "the graph", {**texts, **lists})
            return cls(nodes=nodes, **texts, **lists)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise DataError(f"{folder}/graph.json and graph.npz do not fit together: {error}") from error


def _node_to_dict(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {"op": node.op}
    for field in fields(node):
        value = getattr(node, field.name)
        # What a graph does not use is not in its file, so that an operation may gain options.
        if field.default is not MISSING and is_default(value, field.default):
            continue
        if isinstance(value, FixedFormat):
            value = {"bits": value.bits, "frac": value.frac, "signed": value.signed}
        elif isinstance(value, np.ndarray):
            value = {"shape": value.shape, "sha256": _array_digest(value)}
        data[field.name] = value
    return data


def _node_from_dict(data: dict[str, Any], arrays: Any) -> Node:
    values = dict(data)
    op = values.pop("op")
    if op not in OPS:
        raise DataError(f"graph node {data.get('name')!r} has unknown operation {op!r}; known: {', '.join(OPS)}")
    for key, value in values.items():
        if isinstance(value, dict) and "bits" in value:
            values[key] = _format_from_dict(value, f"{key} of graph node {data.get('name')!r}")
        elif isinstance(value, dict):
            array = arrays[f"{data['name']}/{key}"]
            if _array_digest(array) != value["sha256"]:
                raise DataError(f"graph node {data['name']!r}: {key} in graph.npz is not the array of graph.json")
            values[key] = array
        elif isinstance(value, list):
            values[key] = _to_tuple(value)
    _require_types(OPS[op], f"graph node {data.get('name')!r}", values)
    return OPS[op](**values)


def _format_from_dict(data: dict[str, Any], what: str) -> FixedFormat:
    _require_types(FixedFormat, what, data)
    try:
        return FixedFormat(**data)
    except ConfigError as error:
        raise DataError(f"{what}: {error}") from error


def _require_types(cls: type, what: str, values: dict[str, Any]) -> None:
    """Require that what a file gives for the fields of `cls` is of their types; DataError names the first that is not.

    Unknown and missing fields are left to `cls` itself.
    """
    declared = field_types(cls)
    for name, value in values.items():
        if name in declared and not is_of(value, declared[name]):
            raise DataError(f"{what}: {name} cannot be {repr(value)[:80]}; build the graph again")


def _to_tuple(value: Any) -> Any:
    return tuple(map(_to_tuple, value)) if isinstance(value, list) else value


def _array_digest(array: NDArray[Any]) -> str:
    little = np.ascontiguousarray(array, dtype="<i4")
    return hashlib.sha256(little.tobytes()).hexdigest()
