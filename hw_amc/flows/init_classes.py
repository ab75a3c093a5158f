"""Class names of a user's model: said, found in the data, or assumed and warned about."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from hw_amc.config import MOST_CLASSES
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.models import Classes, find_classes
from hw_amc.radio.classes import CLASS_SETS
from hw_amc.radio.files.memory import UNLABELLED, Source


def choose_classes(asked: str | Classes | None, heads: Sequence[int], data: Source | None, frame_len: int) -> Classes:
    """Name the classes of every head.

    Parameters
    ----------
    asked : str or names by head, optional
        A class set's name, or names with commas between them, and semicolons between heads.
    heads : logits of every head
    data : Path or Samples, optional
        Labelled frames, whose classes are taken where their number is that of the logits.
    frame_len : int

    Raises
    ------
    ConfigError
        The names are not as many as the logits, or one comes twice.
    UnsupportedLayer
        A head has fewer than 2 logits, or more than 256.

    Warns
    -----
    UserWarning
        The names are assumed.
    """
    for logits in heads:
        if not 2 <= logits <= MOST_CLASSES:
            raise UnsupportedLayer(
                f"a head gives {logits} numbers; one of 2 to {MOST_CLASSES} logits, a class each, is known"
            )
    if asked is not None:
        return _asked(asked, heads)
    found = None if data is None else _of_file(data, frame_len)
    if found is not None and [len(names) for names in found] == list(heads):
        return found
    fitting = [name for name in CLASS_SETS if [len(names) for names in find_classes(name)] == list(heads)]
    if len(fitting) == 1:
        warnings.warn(
            f"the classes are taken to be those of {fitting[0]}, which are as many as the logits, in their order; where"
            " they are others, say them: --classes NAME,NAME,...",
            stacklevel=2,
        )
        return find_classes(fitting[0])
    warnings.warn("nobody says what the classes are called: class0, class1, ...; --classes NAME,NAME,...", stacklevel=2)
    return tuple(tuple(f"class{number}" for number in range(logits)) for logits in heads)


def _asked(asked: str | Classes, heads: Sequence[int]) -> Classes:
    if not isinstance(asked, str):
        found = asked
    elif asked in CLASS_SETS:
        found = find_classes(asked)
    else:
        found = tuple(tuple(name.strip() for name in head.split(",")) for head in asked.split(";"))
        if len(found) == 1 and len(found[0]) == 1:
            find_classes(asked)  # its error names the nearest set
    counts = [len(names) for names in found]
    if counts != list(heads):
        raise ConfigError(
            f"--classes names {_listed(counts)} classes, and the model gives {_listed(heads)} logits; name the classes"
            " of its training in the order of its logits, and put a semicolon between heads"
        )
    for names in found:
        if len(set(names)) < len(names) or not all(names):
            raise ConfigError("--classes: each class of a head needs a name of its own")
    return found


def _listed(counts: Sequence[int]) -> str:
    return " + ".join(map(str, counts))


def _of_file(data: Source, frame_len: int) -> Classes | None:
    from hw_amc.radio import CaptureOptions, open_frames

    with open_frames(data, CaptureOptions(frame_len=frame_len, stand_in=UNLABELLED)) as file:
        names = (tuple(file.classes), *((tuple(file.signals),) if file.signals else ()))
    return None if names == ((UNLABELLED,),) else names
