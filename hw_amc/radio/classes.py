"""Names, order and signal-to-noise grid of RadioML 2018.01A, and a check for the mislabelled list it ships."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from hw_amc.errors import DataError

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


def class_label(name: str) -> int:
    """Index of a class in `CLASSES`.

    Raises
    ------
    DataError
        No class has that name.
    """
    try:
        return CLASSES.index(name)
    except ValueError:
        raise DataError(f"no modulation is called {name!r}; choose from {', '.join(CLASSES)}") from None


def load_class_names(path: Path) -> tuple[str, ...]:
    """Read the names in a `classes.txt`: one a line, or a Python list of strings.

    Raises
    ------
    DataError
        The file cannot be read or holds no name.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
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
