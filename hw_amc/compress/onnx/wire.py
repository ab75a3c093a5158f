"""The encoding of protocol buffers, as far as ONNX needs it: fields by number, out of a stranger's bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hw_amc.errors import DataError

#: What a field may hold: an integer, or bytes.
Value = int | memoryview

#: How a field is written.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: Most bytes of an integer.
_VARINT_BYTES = 10
#: Most fields of one message.
_FIELDS = 1_000_000


class Damaged(DataError):
    """The bytes are no message."""


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read an integer at a place; return it and the place behind it."""
    if at < len(data) and data[at] < 0x80:  # nearly all of them
        return data[at], at + 1
    value = 0
    for number in range(_VARINT_BYTES):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise Damaged("it ends in the middle of a number, or holds one that has no end")


def fields_of(data: memoryview) -> dict[int, list[Value]]:
    """Read a message: its fields by number, each with its values in their order.

    Raises
    ------
    Damaged
        The bytes are no message, or end before it does.
    """
    found: dict[int, list[Value]] = {}
    at, count = 0, 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        count += 1
        if number == 0 or count > _FIELDS:
            raise Damaged("it holds a field without a number, or too many of them")
        value: Value
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if kind == _BYTES else ({_FIXED64: 8, _FIXED32: 4}.get(kind, -1), at)
            if size < 0 or size > len(data) - at:
                raise Damaged("it ends in the middle of a field, or holds one of an unknown kind")
            value, at = data[at : at + size], at + size
        found.setdefault(number, []).append(value)
    return found


def messages(found: dict[int, list[Value]], number: int) -> Iterator[dict[int, list[Value]]]:
    """Messages inside a message."""
    for value in found.get(number, ()):
        yield fields_of(_bytes(value))


def texts(found: dict[int, list[Value]], number: int) -> list[str]:
    """Texts of a field."""
    return [bytes(_bytes(value)).decode("utf-8", "replace") for value in found.get(number, ())]


def text(found: dict[int, list[Value]], number: int) -> str:
    """The last text of a field, empty where there is none."""
    return (texts(found, number) or [""])[-1]


def integers(found: dict[int, list[Value]], number: int) -> list[int]:
    """Signed integers of a field, one by one or packed."""
    numbers: list[int] = []
    for value in found.get(number, ()):
        if isinstance(value, int):
            numbers.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            numbers.append(one)
    return [one - (1 << 64) if one >= 1 << 63 else one for one in numbers]


def integer(found: dict[int, list[Value]], number: int, default: int = 0) -> int:
    """The last integer of a field."""
    return (integers(found, number) or [default])[-1]


def raw(found: dict[int, list[Value]], number: int) -> bytes:
    """Bytes of a field, those of several one after another: packed numbers of a fixed size."""
    return b"".join(bytes(_bytes(value)) for value in found.get(number, ()))


def floats(found: dict[int, list[Value]], number: int) -> list[float]:
    """Floats of 32 bits of a field, one by one or packed."""
    data = raw(found, number)
    if len(data) % 4:
        raise Damaged("a list of floats ends in the middle of one")
    return [one for (one,) in struct.iter_unpack("<f", data)]


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise Damaged("a number stands where a text or a message belongs")
    return value
