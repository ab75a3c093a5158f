"""Files in ONNX, written field by field: what a test needs of onnx.proto, without the package."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Node = tuple[str, Sequence[str], str, Mapping[str, Any]]

#: Types of numbers by ONNX's own.
TYPES = {"float32": 1, "float64": 11, "int64": 7, "int32": 6}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    found = bytearray()
    while True:
        found.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(found)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(name: str, array: Any) -> bytes:
    array = np.asarray(array)
    dims = b"".join(number(1, size) for size in array.shape)
    return dims + number(2, TYPES[array.dtype.name]) + part(8, name) + part(9, array.tobytes())


def setting(name: str, value: Any) -> bytes:
    head = part(1, name)
    if isinstance(value, str):
        return head + part(4, value) + number(20, 3)
    if isinstance(value, float):
        return head + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return head + number(3, value) + number(20, 2)
    if isinstance(value, np.ndarray):
        return head + part(5, tensor("", value)) + number(20, 4)
    return head + b"".join(number(8, one) for one in value) + number(20, 7)


def node(op: str, inputs: Sequence[str], output: str, settings: Mapping[str, Any]) -> bytes:
    head = b"".join(part(1, name) for name in inputs) + part(2, output) + part(3, f"n_{output}") + part(4, op)
    return head + b"".join(part(5, setting(name, value)) for name, value in settings.items())


def value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(part(1, part(2, size) if isinstance(size, str) else number(1, size)) for size in shape)
    return part(1, name) + part(2, part(1, number(1, 1) + part(2, sizes)))


def model(
    nodes: Sequence[Node],
    constants: Mapping[str, Any],
    shape: Sequence[int | str] = (1, 2, 16),
    outputs: Sequence[str] = ("y",),
    inputs: Sequence[str] = ("x",),
    opset: int = 17,
    more: bytes = b"",
) -> bytes:
    graph = b"".join(part(1, node(*each)) for each in nodes) + part(2, "g")
    graph += b"".join(part(5, tensor(name, array)) for name, array in constants.items())
    graph += b"".join(part(11, value(name, shape)) for name in inputs)
    graph += b"".join(part(12, value(name, (1, 1))) for name in outputs) + more
    return number(1, 8) + part(7, graph) + part(8, part(1, "") + number(2, opset))


def write(path: Path, *arguments: Any, **options: Any) -> Path:
    path.write_bytes(model(*arguments, **options))
    return path


class Net:
    """A network while it is made: each call adds a node and gives the name of its tensor."""

    def __init__(self, shape: Sequence[int | str] = (1, 2, 16), seed: int = 0) -> None:
        self.shape, self.rng = shape, np.random.default_rng(seed)
        self.nodes: list[Node] = []
        self.constants: dict[str, Any] = {}

    def const(self, array: Any, dtype: str = "float32") -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = np.asarray(array, dtype)
        return name

    def add(self, op: str, *inputs: str, **settings: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append((op, inputs, name, settings))
        return name

    def quant(self, x: str, scale: Any, bits: int = 8, signed: int = 1, narrow: int = 0) -> str:
        numbers = (self.const(scale), self.const(0.0), self.const(float(bits)))
        return self.add("Quant", x, *numbers, signed=signed, narrow=narrow, rounding_mode="ROUND")

    def weights(self, shape: Sequence[int], scale: Any = 2.0**-3, bits: int = 4) -> str:
        return self.quant(self.const(self.rng.normal(0, 0.5, shape)), scale, bits, narrow=1)

    def conv(self, x: str, shape: Sequence[int], bias: Any = None, scale: Any = 2.0**-3, **settings: Any) -> str:
        inputs = [x, self.weights(shape, scale)]
        if bias is not None:
            inputs.append(self.const(bias))
        return self.add("Conv", *inputs, **settings)

    def norm(self, x: str, gamma: Any) -> str:
        """A batch normalisation."""
        gamma = np.asarray(gamma)
        others = self.rng.normal(0, 0.3, (2, gamma.size)), np.abs(self.rng.normal(0.7, 0.2, gamma.size))
        arrays = (gamma, others[0][0], others[0][1], others[1])
        return self.add("BatchNormalization", x, *map(self.const, arrays), epsilon=1e-5)

    def write(self, path: Path, *outputs: str, **options: Any) -> Path:
        return write(path, self.nodes, self.constants, self.shape, outputs, **options)
