"""Radio side: RadioML names and files, the frame generator, and the conversion to wire words.

Only what needs numpy alone is imported at once, for the driver on a board; the rest is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hw_amc.radio.classes import CLASSES, SNRS_DB, check_classes_file
from hw_amc.radio.wire import WIRE_FRAC, count_saturated, from_wire, to_wire

if TYPE_CHECKING:
    from hw_amc.radio.captures import CaptureOptions
    from hw_amc.radio.dataset import convert, generate_wire_set, make_dataset
    from hw_amc.radio.frames import FrameFile
    from hw_amc.radio.generate import SPLITS, generate_frames, generate_parts
    from hw_amc.radio.radioml import RadioMlFile
    from hw_amc.radio.readers import open_frames
    from hw_amc.radio.recipes import RECIPES, Recipe, load_recipe
    from hw_amc.radio.summary import describe

_LAZY = {
    "CaptureOptions": "captures",
    "FrameFile": "frames",
    "open_frames": "readers",
    "convert": "dataset",
    "describe": "summary",
    "generate_wire_set": "dataset",
    "make_dataset": "dataset",
    "SPLITS": "generate",
    "generate_frames": "generate",
    "generate_parts": "generate",
    "RadioMlFile": "radioml",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "load_recipe": "recipes",
}

__all__ = [
    "CLASSES",
    "RECIPES",
    "SNRS_DB",
    "SPLITS",
    "WIRE_FRAC",
    "CaptureOptions",
    "FrameFile",
    "RadioMlFile",
    "Recipe",
    "check_classes_file",
    "convert",
    "count_saturated",
    "describe",
    "from_wire",
    "generate_frames",
    "generate_parts",
    "generate_wire_set",
    "load_recipe",
    "make_dataset",
    "open_frames",
    "to_wire",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
