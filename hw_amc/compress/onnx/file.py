"""An ONNX file as its graph: nodes, constants, inputs and outputs. Nothing outside the file is read, nothing is run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc.compress.onnx import wire
from hw_amc.errors import DataError, UnsupportedLayer
from hw_amc.untrusted import brief, read_bytes

#: Most bytes of a file, nodes of a graph, and letters of a name.
FILE_BYTES, NODES, LETTERS = 256 << 20, 5000, 300
#: Most numbers of a tensor, and of all tensors of one frame.
SIZE, FRAME_SIZE = 1 << 25, 1 << 25
#: Most axes of a tensor.
AXES = 8
#: Newest set of operations whose meaning is known here.
OPSET = 25

#: Types of numbers by ONNX's own: their numpy form, and the field that holds them where `raw_data` does not.
_TYPES = {1: ("<f4", 4), 11: ("<f8", 10), 7: ("<i8", 7), 6: ("<i4", 5), 9: ("|b1", 5), 2: ("|u1", 5), 3: ("|i1", 5)}

Array = NDArray[Any]


@dataclass(frozen=True)
class OnnxNode:
    """One operation: what it is, what it takes and gives, and its settings."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"node {self.name[:80]!r} ({self.op[:40]})"

    def integers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A setting that is a list of integers."""
        value = self.settings.get(name, default)
        if not isinstance(value, tuple) or not all(isinstance(one, int) for one in value):
            raise DataError(f"{self.label}: {name} is no list of integers; export the network again")
        return value

    def number(self, name: str, default: float) -> float:
        """A setting that is a number."""
        value = self.settings.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"{self.label}: {name} is no number; export the network again")
        return value


@dataclass(frozen=True)
class OnnxGraph:
    """The graph of a file."""

    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    input: str
    #: With a batch of 1.
    input_shape: tuple[int, ...]
    outputs: tuple[str, ...]


def load_graph(path: Path) -> OnnxGraph:
    """Read an ONNX file.

    Raises
    ------
    DataError
        It is missing, damaged, too large, keeps weights outside itself, or holds numbers that are not finite.
    UnsupportedLayer
        Its input is of no fixed shape, or it has several.
    """
    data = read_bytes(path, FILE_BYTES)
    try:
        model = wire.fields_of(memoryview(data))
        graphs = list(wire.messages(model, 7))
        if not graphs:
            raise wire.Damaged("it holds no graph")
        _require_known(model)
        return _graph(graphs[-1])
    except wire.Damaged as error:
        raise DataError(f"{path} is not a whole ONNX file: {error}; export or fetch it again") from error
    except (DataError, UnsupportedLayer) as error:
        raise type(error)(f"{path}: {error}") from error


def _require_known(model: dict[int, list[wire.Value]]) -> None:
    versions = [wire.integer(each, 2) for each in wire.messages(model, 8) if wire.text(each, 1) in ("", "ai.onnx")]
    if max(versions, default=0) > OPSET:
        raise UnsupportedLayer(
            f"its operations are of set {max(versions)}, and {OPSET} is the newest that is known here; export with"
            f" opset_version={OPSET} or lower"
        )
    if 25 in model:
        raise UnsupportedLayer("it defines functions of its own; export it with plain operations")


def _graph(found: dict[int, list[wire.Value]]) -> OnnxGraph:
    if 15 in found:
        raise UnsupportedLayer("it holds sparse tensors; export it with dense ones")
    constants = dict(_tensor(each) for each in wire.messages(found, 5))
    nodes = tuple(_node(each) for each in wire.messages(found, 1))
    if len(nodes) > NODES:
        raise DataError(f"it has {len(nodes)} nodes; {NODES} are most")
    inputs = [each for each in wire.messages(found, 11) if wire.text(each, 1) not in constants]
    if len(inputs) != 1:
        names = ", ".join(repr(wire.text(each, 1)[:40]) for each in inputs[:8]) or "none"
        raise UnsupportedLayer(f"it has {len(inputs)} inputs ({names}); one of frames of I and Q is needed")
    outputs = tuple(wire.text(each, 1) for each in wire.messages(found, 12))
    if not outputs:
        raise UnsupportedLayer("it has no output")
    given = {*constants, wire.text(inputs[0], 1)}
    for node in nodes:
        for name in node.outputs:
            if name in given:
                raise DataError(f"tensor {name[:80]!r} is given twice; export the network again")
            given.add(name)
    return OnnxGraph(nodes, constants, wire.text(inputs[0], 1), _shape(inputs[0]), outputs)


def _shape(found: dict[int, list[wire.Value]]) -> tuple[int, ...]:
    """Shape of the input; a batch of any size counts as 1."""
    sizes: list[int | None] = []
    for kind in wire.messages(found, 2):
        for tensor in wire.messages(kind, 1):
            for shape in wire.messages(tensor, 2):
                sizes = [wire.integer(size, 1) if 1 in size else None for size in wire.messages(shape, 1)]
    if len(sizes) < 2 or sizes[0] not in (None, 0, 1) or not all(size is not None and size > 0 for size in sizes[1:]):
        said = " x ".join("?" if size is None else str(size) for size in sizes) or "nothing"
        raise UnsupportedLayer(
            f"its input {wire.text(found, 1)[:40]!r} is of shape {said}; export it with a batch of 1 and frames of a"
            " fixed number of samples, 1 x 2 x T"
        )
    known = (1, *(size for size in sizes[1:] if size is not None))
    require_size(known, "its input")
    return known


def require_size(shape: tuple[int, ...], what: str) -> None:
    """Require that a tensor is of a size that can be computed; DataError otherwise."""
    if len(shape) > AXES or math.prod(shape) > SIZE:
        raise DataError(f"{what} is of shape {' x '.join(map(str, shape))}, larger than any network here has")


def _node(found: dict[int, list[wire.Value]]) -> OnnxNode:
    inputs, outputs = (tuple(wire.texts(found, number)) for number in (1, 2))
    op, name = wire.text(found, 4), wire.text(found, 3)
    if not outputs or max(map(len, (op, name, *inputs, *outputs))) > LETTERS:
        raise DataError(f"node {name[:80]!r} has no output, or a name of more than {LETTERS} letters")
    settings = dict(_setting(each) for each in wire.messages(found, 5))
    return OnnxNode(op, name or outputs[0], inputs, outputs, settings)


def _setting(found: dict[int, list[wire.Value]]) -> tuple[str, Any]:
    name, kind = wire.text(found, 1), wire.integer(found, 20)
    if kind == 1:
        return name, (wire.floats(found, 2) or [0.0])[-1]
    if kind == 2:
        return name, wire.integer(found, 3)
    if kind == 3:
        return name, wire.text(found, 4)
    if kind == 4:
        return name, next((_tensor(each)[1] for each in wire.messages(found, 5)), None)
    if kind == 6:
        return name, tuple(wire.floats(found, 7))
    if kind == 7:
        return name, tuple(wire.integers(found, 8))
    return name, None  # graphs and texts, which no known operation takes


def _tensor(found: dict[int, list[wire.Value]]) -> tuple[str, Array]:
    name, kind = wire.text(found, 8), wire.integer(found, 2)
    what = f"tensor {name[:80]!r}"
    if 13 in found or wire.integer(found, 14):
        raise DataError(
            f"{what} lies in another file; put all into one, where that other file is:"
            " onnx.save(onnx.load('net.onnx'), 'whole.onnx')"
        )
    if kind not in _TYPES:
        raise DataError(f"{what} is of type {kind}, which no network here takes; export it in float32")
    shape = tuple(wire.integers(found, 1))
    if any(size < 0 for size in shape):
        raise DataError(f"{what} has a negative size")
    require_size(shape, what)
    dtype, place = _TYPES[kind]
    array = _numbers(found, np.dtype(dtype), place)
    if array.size != math.prod(shape):
        raise DataError(f"{what} holds {array.size} numbers, and its shape {shape} has {math.prod(shape)}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise DataError(
            f"{bad} of the {array.size} values of {what} are not finite; take the weights of another checkpoint"
        )
    return name, array.reshape(shape)


def _numbers(found: dict[int, list[wire.Value]], dtype: np.dtype[Any], place: int) -> Array:
    try:
        if 9 in found:
            return np.frombuffer(wire.raw(found, 9), dtype)
        if dtype.kind == "f":
            return np.frombuffer(wire.raw(found, place), dtype)
        return np.array(wire.integers(found, place)).astype(dtype)
    except (ValueError, OverflowError) as error:
        raise wire.Damaged(f"a tensor's numbers are cut short ({brief(error)})") from error
