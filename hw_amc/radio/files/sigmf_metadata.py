"""What a .sigmf-meta says, checked field by field against the standard (SigMF 1.2.6, sigmf.org)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hw_amc.errors import DataError
from hw_amc.radio.files.frames import SNR_LIMIT_DB
from hw_amc.untrusted import is_plain_name

#: `core:datatype`: complex or real, type, and byte order where there is one.
_DATATYPE = re.compile(r"([cr])(f32|f64|i32|i16|u32|u16|i8|u8)(_le|_be)?")

#: Up to this version, an annotation without a count lasts to the end of the data set; later, to that of its capture.
_OPEN_TO_THE_END = (1, 2, 0)

#: Largest sample number or number of bytes, and most letters of a label.
_MOST, _LETTERS = 1 << 62, 100

#: Extensions of which a field is used, or which change nothing about the samples.
_HARMLESS = ("core", "antenna", "capture_details", "signal", "spatial", "traceability", "rfml", "wifi", "adsb")

_SHOWN = {
    "core:sample_rate": "sample_rate_hz",
    "core:datatype": "datatype",
    "core:hw": "hardware",
    "core:description": "description",
}


@dataclass(frozen=True)
class Run:
    """Samples that lie in the data file without a gap."""

    #: Number of the first of them, from 0.
    start: int
    #: Bytes of the file before it.
    offset: int


@dataclass(frozen=True)
class Annotation:
    """A stretch of samples, numbered from 0."""

    start: int
    #: None: to the end of its capture, or of the data set.
    count: int | None
    label: str
    snr_db: int | None


@dataclass(frozen=True)
class Metadata:
    """A recording without its samples."""

    #: Of I and of Q.
    dtype: np.dtype[Any]
    #: Name of a data file that is not called as the metadata are; None by default.
    dataset: str | None
    #: Where captures start, ascending.
    captures: tuple[int, ...]
    runs: tuple[Run, ...]
    #: Bytes of the data file that are no samples.
    other_bytes: int
    #: Those with a label.
    annotations: tuple[Annotation, ...]
    #: Whether an annotation without a count ends with its capture.
    ends_with_capture: bool
    #: Of the fields that are shown.
    attributes: dict[str, str | int | float]


def parse(data: Any, name: str) -> Metadata:
    """Check the JSON of a .sigmf-meta.

    Parameters
    ----------
    data : parsed JSON
    name : str
        What messages call the file.

    Raises
    ------
    DataError
        A field that is needed is missing or of another type, or says what is not read: real samples, several channels,
        no samples at all, samples in another folder.

    Warns
    -----
    UserWarning
        An extension of the format that is said to be needed is not known here; the byte order is missing.
    """
    fields = data.get("global") if isinstance(data, dict) else None
    if not isinstance(fields, dict):
        raise DataError(f"{name} is no SigMF recording (it has no object `global`); record it again")
    dtype = _dtype(fields, name)
    if fields.get("core:metadata_only") is True:
        raise DataError(f"{name} says that it has no samples (core:metadata_only)")
    channels = _whole(fields, "core:num_channels", name, 1)
    if channels != 1:
        raise DataError(f"{name} has {channels} channels; split it into one file a channel")
    dataset = fields.get("core:dataset")
    if dataset is not None and not is_plain_name(dataset):
        raise DataError(f"{name}: its core:dataset is {repr(dataset)[:80]}, which is no name of a file beside it")
    _warn_of_extensions(fields, name)
    offset = _whole(fields, "core:offset", name, 0)
    captures = sorted(_captures(data, name, offset))
    runs = tuple(_runs(captures, 2 * dtype.itemsize))
    headers = sum(header for _, header in captures)
    return Metadata(
        dtype,
        dataset,
        tuple(start for start, _ in captures),
        runs,
        headers + _whole(fields, "core:trailing_bytes", name, 0),
        tuple(_annotations(data, name, offset)),
        _version(fields) > _OPEN_TO_THE_END,
        {shown: fields[key] for key, shown in _SHOWN.items() if isinstance(fields.get(key), (str, int, float))},
    )


def _dtype(fields: dict[str, Any], name: str) -> np.dtype[Any]:
    said = fields.get("core:datatype")
    match = _DATATYPE.fullmatch(said) if isinstance(said, str) else None
    if match is None:
        raise DataError(f"{name} is no SigMF recording (its core:datatype is {repr(said)[:40]}); record it again")
    number, kind, order = match.groups()
    if number == "r":
        raise DataError(f"{name} holds real samples ({said}); frames need I and Q")
    letter, bits = kind[0], int(kind[1:])
    if bits > 8 and order is None:
        warnings.warn(f"{name}: core:datatype {said!r} gives no byte order; little-endian is taken", stacklevel=5)
    return np.dtype(f"{'>' if order == '_be' else '<'}{letter}{bits // 8}")


def _version(fields: dict[str, Any]) -> tuple[int, ...]:
    """Version of the standard; where it is missing, one later than all."""
    match = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", str(fields.get("core:version", ""))[:40])
    return tuple(int(part or 0) for part in match.groups()) if match else (9999,)


def _whole(item: dict[str, Any], key: str, name: str, default: int | None = None) -> int:
    """A field that must be a whole number, 0 or more."""
    value: Any = item.get(key, default)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not whole or isinstance(value, bool) or not 0 <= value < _MOST:
        raise DataError(f"{name}: {key} must be a whole number, not {repr(value)[:40]}")
    return int(value)


def _items(data: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    items = data.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError(f"{name}: `{key}` must be a list of objects")
    return items


def _captures(data: dict[str, Any], name: str, offset: int) -> Iterator[tuple[int, int]]:
    """Start of each capture, from 0, and the bytes of its header."""
    for item in _items(data, "captures", name) or [{"core:sample_start": offset}]:
        start = _whole(item, "core:sample_start", name, 0) - offset
        if start < 0:
            raise DataError(f"{name}: a capture starts at sample {start + offset}, before core:offset {offset}")
        yield start, _whole(item, "core:header_bytes", name, 0)


def _runs(captures: list[tuple[int, int]], size: int) -> Iterator[Run]:
    """Runs of samples, which the headers of captures part."""
    headers = 0
    if captures[0][0] > 0 or not captures[0][1]:
        yield Run(0, 0)
    for start, header in captures:
        headers += header
        if header:
            yield Run(start, start * size + headers)


def _annotations(data: dict[str, Any], name: str, offset: int) -> Iterator[Annotation]:
    for item in _items(data, "annotations", name):
        label = item.get("core:label")
        if label is None or label == "":
            continue
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"{name}: core:label must be text, not {repr(label)[:40]}")
        if len(label) > _LETTERS:
            raise DataError(f"{name}: a core:label has {len(label)} letters, which is no name of a modulation")
        start = _whole(item, "core:sample_start", name) - offset
        count = _whole(item, "core:sample_count", name) if "core:sample_count" in item else None
        yield Annotation(start, count, label, _snr_db(item, name))


def _snr_db(item: dict[str, Any], name: str) -> int | None:
    snr = item.get("capture_details:SNRdB")
    if snr is None:
        return None
    if isinstance(snr, bool) or not isinstance(snr, (int, float)) or not abs(snr) <= SNR_LIMIT_DB:
        raise DataError(f"{name}: an annotation has a capture_details:SNRdB of {repr(snr)[:40]}")
    return round(snr)


def _warn_of_extensions(fields: dict[str, Any], name: str) -> None:
    for item in fields.get("core:extensions") or []:
        if not isinstance(item, dict) or item.get("optional") is not False:
            continue
        if str(item.get("name")) not in _HARMLESS:
            warnings.warn(
                f"{name} needs the SigMF extension {repr(item.get('name'))[:40]}, which is not known here; its samples"
                " may mean something else",
                stacklevel=5,
            )


def open_count(metadata: Metadata, start: int, total: int) -> int:
    """Samples of an annotation from `start` on that gives no count, in a recording of `total` samples."""
    if not metadata.ends_with_capture:
        return total - start
    ends = [*metadata.captures, total]
    for first, end in pairwise(ends):
        if first <= start < end:
            return end - start
    return total - start
