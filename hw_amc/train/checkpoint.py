"""Kept arrays: a stage's float weights, or the whole state of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hw_amc.errors import ConfigError, DataError
from hw_amc.files import save_npz
from hw_amc.untrusted import load_npz, parse_json

#: The 128-bit numbers of a random generator's state, which are read as texts.
_LONG = re.compile(r"(?<=: )(\d{20,40})(?=[,}])")


def save_arrays(path: Path, arrays: list[Any], note: dict[str, Any]) -> None:
    """Write arrays and a JSON note atomically."""
    named = {f"a{i:04d}": np.asarray(a) for i, a in enumerate(arrays)}
    save_npz(path, {"note": np.array(json.dumps(note)), **named}, compressed=False)


def load_arrays(path: Path) -> tuple[list[Any], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Raises
    ------
    DataError
        The file is damaged.
    """
    try:
        arrays = load_npz(path, texts=True)
        # Runs from before 0.3 wrote the infinite loss of a phase without a validation.
        text = str(arrays.pop("note")).replace('"best": Infinity', '"best": null')
        note = parse_json(_LONG.sub(r'"\1"', text), "its note")
        if not isinstance(note, dict) or any(array.dtype.kind == "U" for array in arrays.values()):
            raise ValueError("it holds no state of a training")
        return [arrays[key] for key in sorted(arrays)], note
    except (DataError, ValueError, KeyError) as error:
        raise DataError(f"checkpoint {path} is damaged; delete it, or give --restart") from error


def read_weights(path: Path, take: Callable[[list[Any]], None]) -> None:
    """Give the weights in a stage's file to a network, by its `set_weights`.

    Raises
    ------
    ConfigError
        The file is missing, or belongs to a network of another shape.
    DataError
        The file is damaged.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist; run the recipe that makes it first")
    try:
        take(load_arrays(path)[0])
    except ValueError as error:
        raise ConfigError(f"{path} holds the weights of another network") from error
