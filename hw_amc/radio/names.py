"""One name for each modulation and signal, however a file spells it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.radio.classes import CLASS_SETS, CLASSES

#: Other spellings, without case and punctuation: RadCom's, and QAM16 for 16QAM.
_ALIASES = {
    "pulsed": "pcw",
    "pulsedcw": "pcw",
    "pulsedcontinuouswave": "pcw",
    "frequencymodulatedcontinuouswave": "fmcw",
    "shortrangewireless": "shortrange",
    "airbornedetectionradar": "airbornedetection",
    "airbornerangeradar": "airbornerange",
    "airgroundmtiradar": "airgroundmti",
    "groundmappingradar": "groundmapping",
    **{
        f"{family}{order}": f"{order}{family}"
        for family in ("qam", "psk", "apsk", "ask")
        for name in CLASSES
        if (order := name.lower().removesuffix(family)).isdigit()
    },
}


def _plain(name: str) -> str:
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    return _ALIASES.get(plain, plain)


#: The spelling of the first class set that has a class.
_KNOWN = {
    _plain(name): name for classes in reversed(CLASS_SETS.values()) for head in classes.heads for name in head.classes
}


def standard_name(name: str) -> str:
    """Name by which two spellings can be compared: case and punctuation aside, and `QAM16` is `16QAM`.

    A name that no class set has stays as it is.
    """
    return _KNOWN.get(_plain(name), name.strip())


#: Class sets and the standard names of their heads: those of one head, then those of more, the smallest first.
_SETS = [
    (each, [{standard_name(name) for name in head.classes} for head in each.heads])
    for each in sorted(CLASS_SETS.values(), key=lambda classes: len(classes) if len(classes.heads) > 1 else 0)
]


def class_places(names: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Where each class of a file stands among a network's classes, -1 where it has none of that name."""
    known = [standard_name(name) for name in classes]
    standard = [standard_name(name) for name in names]
    return np.array([known.index(name) if name in known else -1 for name in standard], np.int64)


def label_columns(columns: Sequence[Sequence[str]], path: Path) -> list[tuple[tuple[str, ...], NDArray[np.uint8]]]:
    """Turn the names that a file gives its frames into labels.

    Where a published set has all of the names, its classes are taken, in its order and spelling; otherwise those of
    the file, sorted.

    Parameters
    ----------
    columns : one sequence of n names a label
    path : Path
        For messages.

    Returns
    -------
    list of (classes, (n,) uint8 index into them)

    Raises
    ------
    DataError
        More than 256 names.

    Warns
    -----
    UserWarning
        One class goes by two names; both become the same label.
    """
    standard = [_standard_names(column, path) for column in columns]
    found = []
    for column, names, classes in zip(columns, standard, _fitting([set(s.values()) for s in standard]), strict=True):
        if len(classes) > 256:
            raise DataError(f"{path} names {len(classes)} classes; 256 is the most")
        place = {standard_name(name): label for label, name in enumerate(classes)}
        found.append((classes, np.array([place[names[name]] for name in column], np.uint8)))
    return found


def _fitting(names: list[set[str]]) -> Iterator[tuple[str, ...]]:
    """Classes of the first published set that has all names; of several labels, of the smallest such set."""
    for each, known in _SETS:
        if len(known) == len(names) and all(a <= b for a, b in zip(names, known, strict=True)):
            yield from (head.classes for head in each.heads)
            return
    yield from (tuple(sorted(column, key=str.lower)) for column in names)


def _standard_names(names: Sequence[str], path: Path) -> dict[str, str]:
    """Give the standard name of every name, and tell of two names for one class."""
    found = {name: standard_name(name) for name in dict.fromkeys(names)}
    for standard in dict.fromkeys(found.values()):
        spelled = [name for name, other in found.items() if other == standard]
        if len(spelled) > 1:
            warnings.warn(f"{path}: {', '.join(map(repr, spelled))} are taken as one class, {standard}", stacklevel=4)
    return found
