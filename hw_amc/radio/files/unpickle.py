"""A pickle of a dict (modulation, SNR) -> array, read without Python's unpickler.

A pickle is a program: it may name any function and have it called, and even one that names none may take all memory
or never end. Here the few operations are done that dicts of numpy arrays need, on values that are plain data; the names
that numpy's arrays need stand for nothing but themselves, and nothing is imported. Tuples hold plain values and at most
one level of tuples, there is one dict, and the memo is a dict, so that time and memory are those of the file.
"""

from __future__ import annotations

import codecs
import mmap
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.files.pickled_values import (
    CALLS,
    LEAVES,
    NAMES,
    ORDERS,
    SHORT,
    Array,
    Damaged,
    Dtype,
    Mark,
    Name,
    PickleRefused,
    Table,
    letters,
)
from hw_amc.untrusted import brief

#: Most values on the stack, remembered, and in a tuple.
_STACK, _MEMO, _TUPLE = 100_000, 100_000, 64


#: What one opcode does.
Operation = Callable[["_Machine"], Any]


class _Machine:
    """Stack, memo and place in the file."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.view = memoryview(data)
        self.place = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Do one operation after another, and return what is left when the pickle says that it is done."""
        while True:
            code = self.take(1)[0]
            if code == ord("."):
                return self.pop()
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise PickleRefused(f"it does what a dict of arrays does not need (opcode {bytes([code])!r})")
            operation(self)
            if len(self.stack) > _STACK or len(self.memo) > _MEMO:
                raise PickleRefused("it holds more values than a dict of frames has")

    def take(self, count: int) -> memoryview:
        part = self.view[self.place : self.place + count]
        if len(part) != count:
            raise Damaged("it ends too early")
        self.place += count
        return part

    def number(self, form: str) -> int:
        """A number of the file's own form, as `struct` names it."""
        found: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return found

    def line(self, most: int = SHORT) -> bytes:
        end = self.data.find(b"\n", self.place, self.place + most if most else len(self.view))
        if end < 0:
            raise Damaged("it ends too early, or a name or number in it is too long")
        found = bytes(self.view[self.place : end])
        self.place = end + 1
        return found

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack or isinstance(self.stack[-1], Mark):
            raise Damaged("an operation has nothing to work on")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[place], Mark):
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise Damaged("an operation has nothing to work on")

    def push_tuple(self, values: list[Any]) -> None:
        for value in values:
            flat = not isinstance(value, tuple) or not any(isinstance(part, tuple) for part in value)
            if not flat or not isinstance(value, (tuple, *LEAVES)):
                raise PickleRefused("it holds tuples in tuples in tuples, or tables in them")
        if len(values) > _TUPLE:
            raise PickleRefused(f"it holds a tuple of {len(values)} values")
        self.push(tuple(values))

    def remember(self, place: int) -> None:
        value = self.pop()
        self.memo[place] = value
        self.push(value)

    def recall(self, place: int) -> None:
        if place not in self.memo:
            raise Damaged("it recalls what it has not remembered")
        self.push(self.memo[place])

    def text(self, raw: memoryview) -> None:
        try:
            self.push(bytes(raw).decode("utf-8"))
        except UnicodeDecodeError:
            raise PickleRefused("a text in it is none") from None

    def set_items(self, values: list[Any]) -> None:
        table = self.pop()
        if not isinstance(table, Table) or len(values) % 2:
            raise PickleRefused("it fills what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            table.add(key, value)
        self.push(table)

    def name(self, module: Any, name: Any) -> None:
        found = NAMES.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
        if found is None:
            said = brief(f"{module}.{name}")
            raise PickleRefused(
                f"it names {said}, which is no numpy array; save it again as a dict of arrays of floats"
            )
        self.push(Name(found))

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        call = CALLS.get(function.name) if isinstance(function, Name) else None
        if call is None or not isinstance(arguments, tuple):
            raise PickleRefused("it calls what is no function of numpy's arrays")
        self.push(call(*arguments))

    def build(self) -> None:
        state, value = self.pop(), self.pop()
        if not isinstance(state, tuple):
            raise PickleRefused("it changes a function")
        if isinstance(value, Dtype):
            order = letters(state[1]) if len(state) > 1 else None
            if order not in ORDERS:
                raise PickleRefused("it holds a type of samples that is none")
            value.order = order
        elif isinstance(value, Array) and len(state) == 5:
            value.fill(*state[1:])
        else:
            raise PickleRefused("it changes a function, or holds an array without contents")
        self.push(value)


def _integer(text: bytes) -> int:
    digits = text.removesuffix(b"L")
    if not re.fullmatch(rb"-?\d{1,20}", digits):
        raise Damaged("a number in it is none")
    return int(digits)


def _unescape(text: bytes) -> bytes:
    """Contents of a string as Python 2 writes it in protocol 0: between quotes, with escapes."""
    if len(text) < 2 or text[:1] not in (b"'", b'"') or text[-1:] != text[:1]:
        raise Damaged("a text in it has no quotes")
    try:
        found: bytes = codecs.escape_decode(text[1:-1])[0]  # type: ignore[attr-defined]
    except ValueError:
        raise Damaged("a text in it has no right escapes") from None
    return found


def _push_long(machine: _Machine, size: int) -> None:
    if not 0 <= size <= 9:
        raise PickleRefused("it holds a number that no SNR has")
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        raise Damaged("a number in it is none") from None


def _unicode_line(machine: _Machine) -> None:
    try:
        machine.push(machine.line(0).decode("raw_unicode_escape"))
    except UnicodeDecodeError:
        raise Damaged("a text in it is none") from None


def _global(machine: _Machine) -> None:
    module, name = machine.line().decode("latin1"), machine.line().decode("latin1")
    machine.name(module, name)


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _filled_table(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    machine.push(Table())
    machine.set_items(values)


def _string(raw: bytes | memoryview) -> bytes | memoryview:
    """A text of Python 2: contents of an array, which are not copied, or a short one."""
    return raw if len(raw) > SHORT else bytes(raw)


def _with(form: str, use: Callable[[_Machine, int], Any]) -> Operation:
    """An operation on a number of the file's form; an empty one is a line of digits."""
    if not form:
        return lambda machine: use(machine, _integer(machine.line()))
    return lambda machine: use(machine, machine.number(form))


def _taking(form: str, use: Callable[[_Machine, memoryview], Any]) -> Operation:
    """An operation on as many bytes as a number says that follow."""
    return lambda machine: use(machine, machine.take(machine.number(form)))


def _tupling(count: int) -> Operation:
    return lambda machine: machine.push_tuple([machine.pop() for _ in range(count)][::-1])


def _pushing(value: Any) -> Operation:
    return lambda machine: machine.push(value)


def _operations() -> Iterator[tuple[bytes, Operation]]:
    """Opcodes by their letter, protocols 0 to 5; `pickletools` describes them."""
    yield b"\x80", lambda machine: machine.take(1)
    yield b"\x95", lambda machine: machine.take(8)
    yield b"(", lambda machine: machine.push(Mark())
    yield b"}", lambda machine: machine.push(Table())
    yield b"d", _filled_table
    yield b"s", _set_item
    yield b"u", lambda machine: machine.set_items(machine.pop_to_mark())
    yield b"t", lambda machine: machine.push_tuple(machine.pop_to_mark())
    for count, letter in enumerate((b")", b"\x85", b"\x86", b"\x87")):
        yield letter, _tupling(count)
    for letter, form in ((b"p", ""), (b"q", "<B"), (b"r", "<I")):
        yield letter, _with(form, _Machine.remember)
    for letter, form in ((b"g", ""), (b"h", "<B"), (b"j", "<I")):
        yield letter, _with(form, _Machine.recall)
    yield b"\x94", lambda machine: machine.remember(len(machine.memo))
    for letter, value in ((b"N", None), (b"\x88", 1), (b"\x89", 0)):
        yield letter, _pushing(value)
    for letter, form in ((b"I", ""), (b"L", ""), (b"J", "<i"), (b"K", "<B"), (b"M", "<H"), (b"G", ">d")):
        yield letter, _with(form, _Machine.push)
    yield b"F", lambda machine: machine.push(_float(machine.line()))
    yield b"\x8a", _with("<B", _push_long)
    yield b"\x8b", _with("<i", _push_long)
    yield b"S", lambda machine: machine.push(_string(_unescape(machine.line(0))))
    for letter, form in ((b"U", "<B"), (b"T", "<i")):
        yield letter, _taking(form, lambda machine, raw: machine.push(_string(raw)))
    for letter, form in ((b"C", "<B"), (b"B", "<I"), (b"\x8e", "<Q"), (b"\x96", "<Q")):
        yield letter, _taking(form, _Machine.push)
    for letter, form in ((b"X", "<I"), (b"\x8c", "<B"), (b"\x8d", "<Q")):
        yield letter, _taking(form, _Machine.text)
    yield b"V", _unicode_line
    yield b"c", _global
    yield b"\x93", _stack_global
    yield b"R", _Machine.reduce
    yield b"b", _Machine.build


_OPERATIONS = {letter[0]: operation for letter, operation in _operations()}


def load_arrays(data: bytes | mmap.mmap, name: str) -> dict[tuple[str, int], NDArray[Any]]:
    """Read a pickled dict (modulation, SNR) -> array of floats, and nothing else.

    Parameters
    ----------
    data : bytes or mmap
        The whole pickle, of protocol 0 to 5, written by Python 2 or 3; the arrays are views of it where they can be.
    name : str
        What messages call it.

    Raises
    ------
    DataError
        The pickle is damaged, or holds or names anything but numpy arrays of floats under such keys.
    """
    try:
        found = _Machine(data).run()
    except Damaged as error:
        raise DataError(
            f"{name} is not a pickle of numpy arrays, or not all of it ({error}); fetch it again"
        ) from error
    except PickleRefused as error:
        raise DataError(f"{name} is not a pickle of numpy arrays as RadioML 2016 holds them: {error}") from error
    if not isinstance(found, Table) or not found.cells:
        raise DataError(f"{name} must hold a dict (modulation, SNR) -> frames, and some in it")
    return found.cells
