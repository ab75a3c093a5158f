"""HDF5 files that a stranger may have written.

HDF5 can point out of the file: external storage, external and soft links, virtual datasets. None of them is followed;
and what a data set declares must be there: a size that the bytes in the file cannot give is refused before it is
allocated.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from hw_amc.errors import DataError
from hw_amc.untrusted import brief, require_regular

#: How an HDF5 file begins.
SIGNATURE = b"\x89HDF\r\n\x1a\n"

#: What h5py raises when a file is damaged.
ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, NotImplementedError)

#: Most bytes of a chunk, which is read whole, and of an attribute.
_CHUNK_BYTES, ATTRIBUTE_BYTES = 256 << 20, 1 << 20

#: Most groups in each other.
_DEEPEST = 32

#: How a global heap begins, in which HDF5 keeps what is of variable length; bytes of its head, and of each object's.
_HEAP, _HEAD = b"GCOL\1\0\0\0", 16
#: Bytes of a file whose heaps are looked at when it is opened; those of a larger one where a value may lie in them.
_SMALL = 64 << 20
#: Types whose values lie in no heap, but for texts of variable length.
_FIXED = {h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING, h5py.h5t.ENUM, h5py.h5t.BITFIELD, h5py.h5t.OPAQUE}

#: Most that a filter makes smaller: deflate 1032 times; those that plug-ins bring are not known.
_RATIO, _UNKNOWN_RATIO = 1100, 20_000
_KNOWN_FILTERS = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_SZIP,
    h5py.h5z.FILTER_NBIT,
    h5py.h5z.FILTER_SCALEOFFSET,
    h5py.h5z.FILTER_LZF,
}


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file for reading.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """
    require_regular(path)
    try:
        file = h5py.File(path, "r")
        if path.stat().st_size <= _SMALL:
            _require_finite_heaps(file.id, path)
        return file
    except ERRORS as error:
        raise DataError(f"{path} is not a whole HDF5 file ({brief(error)}); fetch or generate it again") from error


def first_name(file: Any, path: Path) -> str | None:
    """Name of the first object of an open file, None where it is empty; DataError where its names cannot be read."""
    try:
        found = next(iter(file), None)
    except ERRORS as error:
        raise DataError(f"{path}: its names cannot be read ({brief(error)}); fetch it again") from error
    return found if found is None else str(found)


def open_dataset(file: Any, name: str, path: Path) -> Any:
    """Open a data set whose numbers lie in this file, all of them.

    Returns
    -------
    h5py.h5d.DatasetID (`h5py.Dataset` makes one of it that can be sliced), or None where the file has no object of that
    name, or one of another kind

    Raises
    ------
    DataError
        It is a link, or lies in other files; it declares more numbers than the file holds; it cannot be opened.
    """
    group, key = file.id, name.encode()
    try:
        if key not in group:
            return None
        if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise DataError(f"{path}: {name} is a link, which is not followed; copy the data into the file")
        node = h5py.h5o.open(group, key)
        if not isinstance(node, h5py.h5d.DatasetID):
            return None
        _require_stored(node, name, path)
        return node
    except ERRORS as error:
        raise DataError(f"{path}: {name} cannot be read ({brief(error)}); fetch it again") from error


def _require_stored(node: Any, name: str, path: Path) -> None:
    """Require that a data set lies in its file, and declares no more than it holds, of numbers or texts."""
    _require_plain(node.get_type(), name, path)
    if _is_variable(node.get_type()) and path.stat().st_size > _SMALL:
        _require_finite_heaps(node, path)
    created = node.get_create_plist()
    layout = created.get_layout()
    if layout == h5py.h5d.COMPACT:  # within the file's own description of it
        return
    if layout == h5py.h5d.VIRTUAL or created.get_external_count():
        raise DataError(f"{path}: {name} lies in other files, which are not read; copy the data into the file")
    item = node.get_type().get_size()
    declared, stored, ratio = math.prod(node.shape) * item, node.get_storage_size(), 1
    if layout == h5py.h5d.CHUNKED:
        if math.prod(created.get_chunk()) * item > _CHUNK_BYTES:
            raise DataError(f"{path}: {name} comes in chunks of more than {_CHUNK_BYTES >> 20} MiB; write smaller ones")
        filters = [created.get_filter(place)[0] for place in range(created.get_nfilters())]
        if filters:
            ratio = _RATIO if _KNOWN_FILTERS.issuperset(filters) else _UNKNOWN_RATIO
    if declared > stored * ratio:
        raise DataError(
            f"{path}: {name} declares {declared:,} bytes and holds {stored:,}; it is cut short, fetch or write it again"
        )


def read_attribute(file: Any, name: str, path: Path, limit: int = ATTRIBUTE_BYTES) -> Any:
    """Attribute of an open file or group; None where there is none.

    Raises
    ------
    DataError
        It is larger than 1 MiB, holds no numbers or texts, or cannot be read.
    """
    try:
        if name not in file.attrs:
            return None
        attribute = file.attrs.get_id(name)
        _require_plain(attribute.get_type(), f"attribute {name}", path)
        numbers = attribute.get_space().get_simple_extent_npoints()
        if numbers * attribute.get_type().get_size() > limit:
            raise DataError(f"{path}: attribute {name} is too long")
        if _is_variable(attribute.get_type()) and path.stat().st_size > _SMALL:
            _require_finite_heaps(file.id, path)
        return file.attrs[name]
    except ERRORS as error:
        raise DataError(f"{path}: attribute {name} cannot be read ({brief(error)})") from error


def _require_plain(kind: Any, what: str, path: Path) -> None:
    """Require numbers or texts: HDF5 2.0 itself may crash on lists and references that damage has made of them."""
    if any(kind.detect_class(other) for other in (h5py.h5t.VLEN, h5py.h5t.REFERENCE)):
        raise DataError(f"{path}: {what} holds lists or references, not numbers or texts; fetch or write it again")


def _is_variable(kind: Any) -> bool:
    """Whether values of a type may lie in a global heap."""
    return kind.get_class() not in _FIXED or (isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str())


def _require_finite_heaps(node: Any, path: Path) -> None:
    """Require that every global heap of a file comes to an end: HDF5 2.0 walks for ever over an object of no size.

    In a large file, numbers of data sets in the root that lie in one piece are passed over. In a small one nothing is:
    a damaged data set may lie over a heap.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as words:
        passed, start = _contiguous(node) if len(words) > _SMALL else [], 0
        for first, end in [*passed, (len(words), len(words))]:
            while (heap := words.find(_HEAP, start, first)) >= 0:
                _require_finite(words, heap, path)
                start = heap + len(_HEAP)
            start = max(start, end)


def _contiguous(node: Any) -> list[tuple[int, int]]:
    """First byte and end of the numbers of each data set of the file's root that lie in one piece, in their order."""
    root = h5py.h5g.open(h5py.h5i.get_file_id(node), b"/")
    found = []
    for key in root:
        if root.links.get_info(key).type == h5py.h5l.TYPE_HARD:
            child = h5py.h5o.open(root, key)
            if isinstance(child, h5py.h5d.DatasetID) and (offset := child.get_offset()) is not None:
                found.append((offset, offset + child.get_storage_size()))
    return sorted(found)


def _require_finite(words: mmap.mmap, heap: int, path: Path) -> None:
    (size,) = struct.unpack_from("<Q", words, heap + len(_HEAP))
    place, end = heap + _HEAD, min(heap + size, len(words))
    while end - place >= _HEAD:
        index, bytes_of = struct.unpack_from("<H6xQ", words, place)
        # Object 0 is what is free, its head included; of all others the values follow, in units of 8 bytes.
        step = bytes_of if index == 0 else _HEAD + (bytes_of + 7) // 8 * 8
        if not 0 < step <= end - place:
            raise DataError(f"{path}: a heap of its texts is damaged; fetch or generate it again")
        place += step


def walk(file: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield every group and data set of an open file with its name, the file itself first.

    Raises
    ------
    DataError
        Something in it is a link, of another kind, or lies in other files; or groups are nested 32 deep.
    """
    seen: set[Any] = set()
    waiting: list[tuple[str, Any]] = [("", h5py.h5g.open(file.id, b"/"))]
    while waiting:
        name, group = waiting.pop()
        yield name, group
        for child, node, place in _children(group, name, path):
            # Of groups that hold each other, each is seen once.
            if place in seen:
                continue
            seen.add(place)
            if isinstance(node, h5py.h5d.DatasetID):
                yield child, node
            elif isinstance(node, h5py.h5g.GroupID) and child.count("/") < _DEEPEST:
                waiting.append((child, node))
            else:
                raise DataError(f"{path}: {child[:80]!r} is no group or data set, or lies too deep")


def _children(group: Any, name: str, path: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the object and the address of all that lies in a group."""
    try:
        keys = list(group)
    except ERRORS as error:
        raise DataError(f"{path}: its names cannot be read ({brief(error)}); fetch it again") from error
    for key in keys:
        child = f"{name}/{key.decode('utf-8', 'replace')}"
        try:
            if group.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise DataError(f"{path}: {child[:80]!r} is a link, which is not followed; copy the data into the file")
            node = h5py.h5o.open(group, key)
            place = h5py.h5o.get_info(node).addr
            if isinstance(node, h5py.h5d.DatasetID):
                _require_stored(node, child[:80], path)
        except ERRORS as error:
            raise DataError(f"{path}: {child[:80]!r} cannot be read ({brief(error)}); fetch it again") from error
        yield child, node, place
