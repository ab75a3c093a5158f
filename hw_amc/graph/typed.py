"""Whether what a file gives is of the type that a field of an operation declares."""

from __future__ import annotations

import types
from functools import lru_cache
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import numpy as np


@lru_cache(maxsize=256)
def field_types(cls: type) -> dict[str, Any]:
    """Types of a dataclass's fields by name, those of its bases among them."""
    hints = get_type_hints(cls)
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar}


def is_of(value: Any, hint: Any) -> bool:
    """Whether `value` is of a declared type: a class, a tuple of them, or one of several; True is no integer."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(is_of(value, one) for one in arguments)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[-1] is Ellipsis:
            return all(is_of(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(is_of, value, arguments))
    if origin is np.ndarray:
        return isinstance(value, np.ndarray)
    if hint is int:
        return type(value) is int
    return isinstance(value, hint)
