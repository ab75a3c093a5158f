"""Class names, their order and SNR grids of the data sets, and a check for the mislabelled list that RadioML ships."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import DataError
from hw_amc.untrusted import read_text

#: Column order of Y in the RadioML 2018.01A file. The `classes.txt` shipped beside it has another order.
CLASSES: tuple[str, ...] = (
    "OOK", "4ASK", "8ASK", "BPSK", "QPSK", "8PSK", "16PSK", "32PSK",
    "16APSK", "32APSK", "64APSK", "128APSK", "16QAM", "32QAM", "64QAM", "128QAM", "256QAM",
    "AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "FM", "GMSK", "OQPSK",
)  # fmt: skip

#: Signal-to-noise ratios of the data set, dB.
SNRS_DB: tuple[int, ...] = tuple(range(-20, 32, 2))

#: How the wrong list shipped with RadioML 2018.01A begins.
_SHIPPED_WRONG_START = ("32PSK", "16APSK", "32QAM", "FM")

#: Classes of RadioML 2016.10A in alphabetical order, as its reader gives them; the pickle itself has no order.
CLASSES_2016: tuple[str, ...] = (
    "16QAM", "64QAM", "8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QPSK", "WBFM",
)  # fmt: skip

#: Signal-to-noise ratios of RadioML 2016.10A and of the RadCom sets, dB.
SNRS_2016_DB: tuple[int, ...] = tuple(range(-20, 20, 2))

#: Emitters of RadComAWGN: modulation and signal class.
RADCOM_EMITTERS: tuple[tuple[str, str], ...] = (
    ("BPSK", "SATCOM"),
    ("ASK", "short-range"),
    ("AM-DSB", "AM radio"),
    ("AM-SSB", "AM radio"),
    ("GFSK", "Bluetooth"),
    ("DSSS-CCK", "802.11bg"),
    ("DSSS-OQPSK", "802.15.4"),
    ("FMCW", "Radar Altimeter"),
    ("PCW", "Airborne-detection"),
    ("PCW", "Airborne-range"),
    ("PCW", "Ground mapping"),
    ("PCW", "Air-Ground-MTI"),
)

#: Signal classes of RadComAWGN that RadComDynamic lacks.
_NOT_DYNAMIC = frozenset({"Bluetooth", "802.11bg", "802.15.4"})


@dataclass(frozen=True)
class Head:
    """One label of a frame: what it says, and its classes in order."""

    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class ClassSet:
    """Classes of a data set whose frames carry one label or several.

    Attributes
    ----------
    name : str
    heads : tuple of Head
        One for each label.
    cells : tuple of tuple of str
        Every combination of classes that occurs, one name a head: what a generator makes and a set is balanced over.
        With one head these are its classes, in its order.
    snrs_db : tuple of int
        Signal-to-noise ratios of the published set.
    """

    name: str
    heads: tuple[Head, ...]
    cells: tuple[tuple[str, ...], ...]
    snrs_db: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def labels(self) -> NDArray[np.uint8]:
        """Class of every cell under every head: (cells, heads) uint8, read-only; index it with cells of frames."""
        rows = [[head.classes.index(name) for head, name in zip(self.heads, cell, strict=True)] for cell in self.cells]
        labels = np.array(rows, np.uint8)
        labels.flags.writeable = False
        return labels

    def cell_name(self, cell: int) -> str:
        """Name of a cell for people: its classes, one a head."""
        return " / ".join(self.cells[cell])

    def find(self, name: str) -> tuple[int, ...]:
        """Cells of a class of any head, or the one cell that `cell_name` calls so.

        Raises
        ------
        DataError
            No class has that name.
        """
        found = tuple(i for i, cell in enumerate(self.cells) if name in cell or name == self.cell_name(i))
        if not found:
            known = ", ".join(dict.fromkeys(name for head in self.heads for name in head.classes))
            what = " or ".join(head.name for head in self.heads)
            raise DataError(f"no {what} is called {name!r}; choose from {known}")
        return found


def _single(name: str, classes: tuple[str, ...], snrs_db: tuple[int, ...]) -> ClassSet:
    return ClassSet(name, (Head("modulation", classes),), tuple((each,) for each in classes), snrs_db)


def _radcom(name: str, emitters: tuple[tuple[str, str], ...]) -> ClassSet:
    # In alphabetical order, case aside, as the reader of the published files has them.
    modulations, signals = (tuple(sorted(set(column), key=str.lower)) for column in zip(*emitters, strict=True))
    return ClassSet(name, (Head("modulation", modulations), Head("signal", signals)), emitters, SNRS_2016_DB)


#: Class sets by name.
CLASS_SETS: dict[str, ClassSet] = {
    each.name: each
    for each in (
        _single("radioml2018", CLASSES, SNRS_DB),
        _single("radioml2016", CLASSES_2016, SNRS_2016_DB),
        _radcom("radcom-awgn", RADCOM_EMITTERS),
        _radcom("radcom-dynamic", tuple(each for each in RADCOM_EMITTERS if each[1] not in _NOT_DYNAMIC)),
    )
}


def load_class_names(path: Path) -> tuple[str, ...]:
    """Read the names in a `classes.txt`: one a line, or a Python list of strings.

    Raises
    ------
    DataError
        The file cannot be read or holds no name.
    """
    text = read_text(path)
    quoted = re.findall(r"""['"]([^'"]+)['"]""", text)
    names = quoted or [line.strip().strip(",") for line in text.splitlines()]
    found = tuple(name for name in names if name)
    if not found:
        raise DataError(f"{path} holds no class names; delete it or write the {len(CLASSES)} names, one a line")
    return found


def check_classes_file(path: Path) -> bool:
    """Compare a `classes.txt` with the right order, and warn when it differs.

    Returns
    -------
    bool
        True when the file lists `CLASSES` in the right order.

    Raises
    ------
    DataError
        The file cannot be read or holds no name.
    """
    names = load_class_names(path)
    if names == CLASSES:
        return True
    if names[: len(_SHIPPED_WRONG_START)] == _SHIPPED_WRONG_START:
        why = "is the list shipped with RadioML 2018.01A, whose order does not match the columns of Y"
    else:
        at = next(
            (i for i, (got, right) in enumerate(zip(names, CLASSES, strict=False)) if got != right),
            min(len(names), len(CLASSES)),
        )
        got = repr(names[at]) if at < len(names) else "nothing"
        right = repr(CLASSES[at]) if at < len(CLASSES) else "nothing"
        why = f"differs from the right order at line {at + 1} ({got} where {right} belongs)"
    warnings.warn(
        f"{path} {why}: it is ignored and labels follow hw_amc.radio.CLASSES (OOK, 4ASK, 8ASK, BPSK, ...)",
        stacklevel=2,
    )
    return False
