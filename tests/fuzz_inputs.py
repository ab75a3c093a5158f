"""What readers are fed: each value of a valid file by each wrong value, several wrong values at once, damaged bytes.

Every input has a number; the seed and the number decide it, so that any of them can be made again, by any process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Protocol

import numpy as np

#: Counts up when a number stands for another input than before.
VERSION = 2

#: What stands for every value of a JSON file in turn.
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, -1e308, "", "x", "../..", "\0", "[red]\x1b[2J", "\ud800",
    "9" * 5000, [], [None], [[]], {}, {"": None}, [1, "a"], float("nan"), float("inf"),
)  # fmt: skip
#: The same as TOML, where a line gives a key its value.
WRONG_TOML = (
    "true", "-1", "0", "1", "2147483648", "9223372036854775807", "9" * 5000, "0.5", "-1e308", "nan", "inf", '""', '"x"',
    '"../.."', r'"\u0000"', r'"[red]\u001b[2J"', "[]", "[[]]", "{}", "{x = 1}", '[1, "a"]', "1979-05-27", "[" * 200, "",
)  # fmt: skip
#: The same as an attribute or a text of XML, or a word of a report.
WRONG_WORDS = (
    "", "x", "-1", "0", "1", "4294967296", "9" * 5000, "0x" + "f" * 40, "0.5", "nan", "inf", "1e999", "../..", "&#0;",
    "&lt;", "&x;", "[red]", "\x1b[2J", "٣", "½", "|", "\n",
)  # fmt: skip
#: The same as an array: of other kinds, shapes and sizes.
WRONG_ARRAYS: tuple[Any, ...] = (
    np.zeros(0, np.float32), np.array(1, np.float32), np.zeros((0, 16, 2), np.float32), np.zeros((2, 0), np.int64),
    np.full((8, 16, 2), np.nan, np.float32), np.full((8, 16, 2), np.inf), np.full((8, 16, 2), 1e308),
    np.full((8, 16, 2), -1, np.int8), np.zeros((8, 16, 2), np.complex64), np.zeros((8, 16, 2), bool),
    np.full((8, 1), 2**63 - 1), np.full((8, 1), -(2**63)), np.full(8, 2**64 - 1, np.uint64), np.array(["a", "\ud7ff"]),
    np.array([b"a", b"\xff"]), np.zeros((1,) * 32), np.zeros(8, "M8[s]"), np.zeros(8, [("a", "i4")]), np.zeros(8, "V3"),
    np.zeros((8, 16, 2), np.float16), np.arange(256, dtype=">i4").reshape(8, 16, 2), np.zeros((2, 16, 8), np.int16),
)  # fmt: skip

#: Bytes that break formats.
SPECIAL = (
    b"\0", b"\xff", b"\xff" * 4, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f", b"\0\0\0\x80", b"-",
    b"9" * 20, b"[", b'"', b"\n", b"(", b"\x80\x02",
)  # fmt: skip


class Inputs(Protocol):
    """A valid file, and wrong ones made of it."""

    @property
    def count(self) -> int:
        """How many inputs have one wrong value each."""
        ...

    def single(self, number: int) -> bytes:
        """Return the valid file with one wrong value, by number."""
        ...

    def several(self, rng: Random) -> bytes:
        """Return the valid file with wrong values in some places."""
        ...


class Plain:
    """A file without values that could be replaced: only its bytes are damaged."""

    count = 0

    def __init__(self, valid: bytes) -> None:
        self.valid = valid

    def single(self, number: int) -> bytes:
        raise IndexError(number)

    def several(self, rng: Random) -> bytes:
        return self.valid


def leaves(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of parsed JSON stands."""
    yield at
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from leaves(value, (*at, key))


def replaced(data: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    changed = dict(data) if isinstance(data, dict) else list(data)
    changed[at[0]] = replaced(data[at[0]], at[1:], value)
    return changed


def found(data: Any, at: tuple[Any, ...]) -> Any:
    for key in at:
        data = data[key]
    return data


class Json:
    """JSON, alone or within a file of another format, which `pack` makes of its text."""

    def __init__(self, text: str | bytes, pack: Callable[[str], bytes] = str.encode) -> None:
        self.data, self.pack = json.loads(text), pack
        self.places = list(leaves(self.data))
        self.count = len(self.places) * len(WRONG)

    def single(self, number: int) -> bytes:
        place, wrong = divmod(number, len(WRONG))
        return self._packed(replaced(self.data, self.places[place], WRONG[wrong]))

    def several(self, rng: Random) -> bytes:
        data = self.data
        for _ in range(rng.randint(1, 4)):
            data = self._edited(data, rng)
        return self._packed(data)

    def _packed(self, data: Any) -> bytes:
        return self.pack(json.dumps(data))

    def _edited(self, data: Any, rng: Random) -> Any:
        place, what = rng.choice(self.places), rng.randrange(6)
        try:
            old = found(data, place)
        except (LookupError, TypeError):  # an edit before this one took it away
            return data
        if what == 0:
            return replaced(data, place, rng.choice(WRONG))
        if what == 1:
            return replaced(data, place, found(self.data, rng.choice(self.places)))
        if what == 2 and isinstance(old, (int, float)):
            return replaced(data, place, rng.choice((old + 1, old - 1, -old, old * 2, old * 2**31, old + 0.5)))
        if what == 3 and isinstance(old, dict) and old:
            gone = rng.choice(list(old))
            return replaced(data, place, {key: value for key, value in old.items() if key != gone})
        if what == 4 and isinstance(old, list) and old:
            return replaced(data, place, [*old, rng.choice(old)] if rng.random() < 0.5 else old[:-1])
        return replaced(data, place, [old] if rng.random() < 0.5 else {"x": old})


class Words:
    """Lines of text whose values `pattern` finds, in its group 1."""

    def __init__(self, text: str, pattern: str, wrong: Sequence[str]) -> None:
        self.text, self.wrong = text, wrong
        self.spans = [match.span(1) for match in re.finditer(pattern, text, re.MULTILINE)]
        self.count = len(self.spans) * len(wrong)

    def single(self, number: int) -> bytes:
        place, wrong = divmod(number, len(self.wrong))
        start, end = self.spans[place]
        return (self.text[:start] + self.wrong[wrong] + self.text[end:]).encode()

    def several(self, rng: Random) -> bytes:
        text = self.text
        for start, end in sorted(rng.sample(self.spans, min(len(self.spans), rng.randint(1, 3))), reverse=True):
            other = rng.choice(self.spans)
            value = self.text[slice(*other)] if rng.random() < 0.3 else rng.choice(self.wrong)
            text = text[:start] + value + text[end:]
        lines = text.split("\n")
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(lines))
            lines[at : at + 1] = rng.choice(([], [lines[at]] * 2, [rng.choice(lines)], [lines[at], rng.choice(lines)]))
            lines = lines or [""]
        return "\n".join(lines).encode(errors="surrogatepass")


def toml(valid: bytes) -> Words:
    return Words(valid.decode(), r"^[^#\n=]+= ?(.*)$", WRONG_TOML)


def xml(valid: bytes) -> Words:
    return Words(valid.decode(), r"[\"> ]([^<>\"\s]+)(?=[\"<])", WRONG_WORDS)


def words(valid: bytes) -> Words:
    return Words(valid.decode(), r"(\S+)", WRONG_WORDS)


def damaged(valid: bytes, rng: Random) -> bytes:
    """Change, cut out, double and put in bytes."""
    data = bytearray(valid)
    for _ in range(rng.randint(1, 4)):
        at, span = rng.randrange(len(data) + 1), rng.randint(1, 16)
        what = rng.randrange(6)
        if what == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            special = rng.choice(SPECIAL)
            data[at : at + len(special)] = special
        elif what == 2:
            del data[at : at + (span if rng.randrange(4) else len(data))]
        elif what == 3:
            data[at:at] = data[at : at + span]
        elif what == 4:
            start = rng.randrange(len(valid) + 1)
            data[at : at + span] = valid[start : start + span]
        else:
            data[at : at + span] = rng.randbytes(span)
    return bytes(data)


def make_input(inputs: Inputs, valid: bytes, seed: int, number: int) -> bytes:
    """Return an input by its number: first those with one wrong value, then others without end."""
    if number < inputs.count:
        return inputs.single(number)
    rng = Random(f"{seed}:{number}")
    if not inputs.count:
        return damaged(valid, rng)
    what = rng.randrange(4)
    made = valid if what == 0 else inputs.several(rng)
    return made if what > 1 else damaged(made, rng)
