"""Radio side: RadioML names and files, the frame generator, and the conversion to wire words.

Only what needs numpy alone is imported at once, for the driver on a board; the rest is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hw_amc.interface.wire import WIRE_FRAC, count_saturated, from_wire, to_wire
from hw_amc.radio.classes import CLASSES, SNRS_DB, check_classes_file

if TYPE_CHECKING:
    from hw_amc.radio.files.captures import CaptureOptions
    from hw_amc.radio.files.frames import FrameFile
    from hw_amc.radio.files.radioml import RadioMlFile
    from hw_amc.radio.files.readers import open_frames
    from hw_amc.radio.generator.dataset import convert, generate_wire_set, make_dataset
    from hw_amc.radio.generator.generate import SPLITS, generate_frames, generate_parts
    from hw_amc.radio.generator.recipes import RECIPES, Recipe, load_recipe
    from hw_amc.radio.summary import describe

_LAZY = {
    "CaptureOptions": "files.captures",
    "FrameFile": "files.frames",
    "open_frames": "files.readers",
    "convert": "generator.dataset",
    "describe": "summary",
    "generate_wire_set": "generator.dataset",
    "make_dataset": "generator.dataset",
    "SPLITS": "generator.generate",
    "generate_frames": "generator.generate",
    "generate_parts": "generator.generate",
    "RadioMlFile": "files.radioml",
    "RECIPES": "generator.recipes",
    "Recipe": "generator.recipes",
    "load_recipe": "generator.recipes",
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
