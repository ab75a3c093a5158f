"""Reading files that a stranger may have written: their kind, size, depth and numbers are checked before use.

Everything here answers a wrong file with one `DataError` (settings: `ConfigError`, by way of their reader) and never
opens a pipe or a device, follows a name out of the file's folder, or takes more memory than a limit that the file
cannot set.
"""

from __future__ import annotations

import json
import lzma
import math
import os
import re
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree

from hw_amc.errors import DataError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

#: Most bytes of a JSON, of a TOML and of an XML file, and of one of plain lines.
JSON_BYTES, TOML_BYTES, XML_BYTES, TEXT_BYTES = 32 << 20, 128 << 10, 64 << 20, 16 << 20

#: Most dots in a line of TOML: of a key of n parts, the parser keeps n * n / 2.
_TOML_DOTS = 2000

#: Most levels of lists and tables in each other.
DEPTH = 64

#: Most digits of an integer in JSON: 64 bits have 19.
_DIGITS = 20
_MANY_DIGITS = re.compile(rf"\d{{{_DIGITS}}}")

#: Most bytes of all arrays of an archive together, and most of them.
NPZ_BYTES, NPZ_ARRAYS = 1 << 30, 100_000

#: How an .npy file begins, and most bytes of its header.
NPY_MAGIC = b"\x93NUMPY"
_NPY_HEADER_BYTES = 10_000

_NPY_PAIR = re.compile(
    r"""\s*(?:(['"])descr\1\s*:\s*(['"])(?P<descr>[<>|=]?[a-zA-Z]\d{1,6})\2"""
    r"""|(['"])fortran_order\4\s*:\s*(?P<order>True|False)"""
    r"""|(['"])shape\6\s*:\s*\((?P<shape>[\d\s,L]*)\))\s*(?:,|(?=\}))"""
)

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def require_regular(path: Path) -> int:
    """Require that `path` leads to a plain file, without opening it.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    DataError
        It does not exist, cannot be reached, or is a folder, pipe, socket or device.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a zero byte in the name
        raise DataError(f"{str(path)!r} is no name of a file: {error}") from None
    _require_kind(path, found.st_mode)
    return found.st_size


def _require_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is {_KINDS.get(stat.S_IFMT(mode), 'no file')}; give a plain file")


def open_regular(path: Path) -> BinaryIO:
    """Open a plain file for reading.

    Raises
    ------
    DataError
        As `require_regular`; or the file may not be read.
    """
    require_regular(path)
    try:
        # Without waiting: should a pipe have taken the file's place by now, it is refused just below.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    stream = os.fdopen(handle, "rb")
    try:
        _require_kind(path, os.fstat(handle).st_mode)
    except DataError:
        stream.close()
        raise
    return stream


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes; errors as `open_regular`, and DataError where it is longer."""
    with open_regular(path) as stream:
        try:
            data = stream.read(limit + 1)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > limit:
        raise DataError(f"{path} is longer than {limit:,} bytes, the most that such a file may have")
    return data


def read_text(path: Path, limit: int = TEXT_BYTES) -> str:
    """Read a text of at most 16 MiB, bytes that are no UTF-8 replaced; errors as `read_bytes`."""
    return read_bytes(path, limit).decode("utf-8", errors="replace")


def load_json(path: Path, limit: int = JSON_BYTES) -> dict[str, Any]:
    """Read a JSON object of bounded size and depth.

    Raises
    ------
    DataError
        The file is missing, too long or too deep, or is no JSON object; or a number or text in it can be no one's.
    """
    data = parse_json(read_bytes(path, limit), str(path))
    if not isinstance(data, dict):
        raise DataError(f"{path} must hold a JSON object, not {type(data).__name__}")
    return data


def parse_json(text: str | bytes, name: str) -> Any:
    """Parse JSON text of bounded depth; `name` is what messages call it.

    Raises
    ------
    DataError
        It is no JSON; it is nested deeper than 64 levels; it holds NaN, infinity, an integer of more than 20 digits,
        or half a character (a lone surrogate).
    """
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        # A hook costs a call for each number: only where one of them may be too long.
        integer = _integer if _MANY_DIGITS.search(decoded) else None
        data = json.loads(decoded, parse_int=integer, parse_float=_finite, parse_constant=_no_constant)
        require_plain(data)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else brief(error)
        raise DataError(f"{name} is not readable JSON: {said}") from error
    return data


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of bounded size and depth; errors as `load_json`."""
    text = read_bytes(path, TOML_BYTES)
    if any(line.count(b".") > _TOML_DOTS for line in text.splitlines()):
        raise DataError(f"{path} is not readable TOML: a line has more than {_TOML_DOTS} dots")
    try:
        data: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
        require_plain(data)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else brief(error)
        raise DataError(f"{path} is not readable TOML: {said}") from error
    return data


def load_xml(path: Path, what: str) -> ElementTree.Element:
    """Read an XML file of bounded size; `what` it should be, for messages; errors as `parse_xml`."""
    return parse_xml(read_bytes(path, XML_BYTES), f"{path} is no {what}")


def parse_xml(text: str | bytes, problem: str) -> ElementTree.Element:
    """Parse XML that declares nothing: no entity, which could stand for more text than memory holds.

    Raises
    ------
    DataError
        It is no XML, or has a document type; the message begins with `problem`.
    """
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"\0" in data:
        raise DataError(f"{problem}: it declares a document type")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter: an unknown encoding
        raise DataError(f"{problem}: {brief(error)}") from error


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def require_plain(data: Any) -> None:
    """Require parsed JSON or TOML to be at most 64 levels deep, of whole characters and of numbers of 64 bits.

    Raises
    ------
    ValueError
        What is wrong.
    """
    level, depth = [data], 0
    while level:
        if depth > DEPTH:
            raise ValueError(f"it is nested deeper than {DEPTH} levels")
        below: list[Any] = []
        for item in level:
            # JSON and TOML have these types themselves, none that is made of them.
            kind = type(item)
            if kind is str:
                if not item.isascii():
                    item.encode()  # a lone surrogate is a ValueError
            elif kind is dict:
                below.extend(item)
                below.extend(item.values())
            elif kind is list:
                below.extend(item)
            elif kind is int and item.bit_length() > 64:
                raise ValueError(f"an integer of {item.bit_length()} bits")
        level, depth = below, depth + 1


def is_plain_name(name: Any) -> bool:
    """Whether a text from a file may name a file in a known folder: no folder in it, nothing hidden, nothing odd."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and 0 < len(name.encode()) <= 255
        and not name.startswith(".")
        and not set(name) & set("/\\\0")
    )


def brief(error: Exception | str) -> str:
    """Keep an error of a library to one line of at most 120 letters."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said[:120]


@dataclass(frozen=True)
class ArrayHeader:
    """What an .npy file says before its numbers."""

    #: As numpy writes it: "<f4".
    dtype: str
    shape: tuple[int, ...]
    fortran_order: bool
    #: Bytes before the first number.
    offset: int

    @property
    def size(self) -> int:
        """Numbers in the array."""
        return math.prod(self.shape)


def read_npy_header(stream: IO[bytes], name: str) -> ArrayHeader:
    """Read the header of an .npy file, of plain numbers only: nothing in it is evaluated.

    Raises
    ------
    DataError
        It is damaged, or describes objects or records.
    """
    start = stream.read(len(NPY_MAGIC) + 2)
    if len(start) < len(NPY_MAGIC) + 2 or not start.startswith(NPY_MAGIC) or start[6] not in (1, 2, 3):
        raise DataError(f"{name} is no .npy file; save it again with numpy.save")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if not 0 < length <= _NPY_HEADER_BYTES:
        raise DataError(f"{name}: its header says that it is {length} bytes long; save it again with numpy.save")
    text = stream.read(length).decode("latin1")
    found = _parse_npy_header(text)
    if len(text) < length or found is None:
        raise DataError(f"{name}: its header describes no array of numbers: {brief(text[:80])}")
    descr, order, shape = found
    return ArrayHeader(descr, shape, order == "True", len(start) + width + length)


def _parse_npy_header(text: str) -> tuple[str, str, tuple[int, ...]] | None:
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    place, found = 1, dict[str, str]()
    while match := _NPY_PAIR.match(text, place):
        for key, value in match.groupdict().items():
            if value is not None and found.setdefault(key, value) is not value:
                return None
        place = match.end()
    if text[place:].strip() != "}" or len(found) != 3:
        return None
    sizes = [size.strip().removesuffix("L") for size in found["shape"].split(",")]
    sizes = sizes[:-1] if sizes[-1] == "" else sizes
    if not all(size.isdecimal() and len(size) <= _DIGITS for size in sizes) or len(sizes) > 32:
        return None
    return found["descr"], found["order"], tuple(map(int, sizes))


#: What the readers of archives raise on damaged ones; none of them says so anywhere.
ARCHIVE_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, ArithmeticError, TypeError, AttributeError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


def load_npz(path: Path, limit: int = NPZ_BYTES, texts: bool = False) -> dict[str, Any]:
    """Read all arrays of an .npz archive: numbers only, and texts where they are asked for, of bounded size.

    Returns
    -------
    dict of name -> array

    Raises
    ------
    DataError
        The archive is missing, damaged, too large, or holds what is no array of numbers.
    """
    with open_regular(path) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
                total = sum(member.file_size for member in members)
                if total > limit or len(members) > NPZ_ARRAYS:
                    raise DataError(f"{path} unpacks to {len(members)} arrays of {total:,} bytes; {limit:,} are most")
                return dict(_arrays(archive, members, str(path), "biufcU" if texts else "biufc"))
        except ARCHIVE_ERRORS as error:
            raise DataError(f"{path} is not a whole .npz archive ({brief(error)})") from error


def _arrays(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], name: str, kinds: str
) -> Iterator[tuple[str, Any]]:
    import numpy as np

    for member in members:
        with archive.open(member) as stream:
            header = read_npy_header(stream, f"{name}: {member.filename}")
            dtype = np.dtype(header.dtype)
            if dtype.kind not in kinds:
                raise DataError(f"{name}: {member.filename} holds {dtype}, which are no numbers")
            data = stream.read(member.file_size)
        if len(data) != header.size * dtype.itemsize:
            raise DataError(f"{name}: {member.filename} does not fill its shape {header.shape}")
        array = np.frombuffer(data, dtype).reshape(header.shape, order="F" if header.fortran_order else "C")
        yield member.filename.removesuffix(".npy"), array.copy(order="K")
