"""One name for each modulation and signal, however a file spells it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from hw_amc.radio.classes import CLASSES

#: Other names than those of `CLASSES`: RadioML 2016 and RadCom.
OTHER_NAMES = (
    "AM-DSB", "AM-SSB", "ASK", "CPFSK", "DSSS-CCK", "DSSS-OQPSK", "FMCW", "GFSK", "PAM4", "PCW", "WBFM",
    "802.11bg", "802.15.4", "AM radio", "Air-Ground-MTI", "Airborne-detection", "Airborne-range", "Bluetooth",
    "Ground mapping", "Radar Altimeter", "SATCOM", "short-range",
)  # fmt: skip

#: Other spellings, without case and punctuation, where that is not all that differs.
_ALIASES = {
    "pulsed": "PCW",
    "pulsedcw": "PCW",
    "pulsedcontinuouswave": "PCW",
    "frequencymodulatedcontinuouswave": "FMCW",
    "shortrangewireless": "short-range",
    "airbornedetectionradar": "Airborne-detection",
    "airbornerangeradar": "Airborne-range",
    "airgroundmtiradar": "Air-Ground-MTI",
    "groundmappingradar": "Ground mapping",
    **{f"{family}{name.removesuffix(family.upper())}": name for family in ("qam", "psk", "apsk", "ask")
       for name in CLASSES if name.endswith(family.upper()) and name.removesuffix(family.upper()).isdigit()},
}  # fmt: skip


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_KNOWN = {_plain(name): name for name in (*CLASSES, *OTHER_NAMES)}


def standard_name(name: str) -> str:
    """Name by which the project knows a modulation or signal: case and punctuation aside, `QAM16` is `16QAM`.

    A name that nobody knows stays as it is.
    """
    plain = _plain(name)
    return _KNOWN.get(plain) or _ALIASES.get(plain) or name.strip()


def standard_names(names: Sequence[str], path: Path) -> dict[str, str]:
    """Standard name of every name in a file.

    Warns
    -----
    UserWarning
        One class goes by two names; both become the same label.
    """
    found = {name: standard_name(name) for name in dict.fromkeys(names)}
    for standard in set(found.values()):
        spelled = [name for name, other in found.items() if other == standard]
        if len(spelled) > 1:
            warnings.warn(f"{path}: {', '.join(map(repr, spelled))} are taken as one class, {standard}", stacklevel=2)
    return found
