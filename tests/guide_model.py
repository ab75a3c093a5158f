"""The programs of docs/guides/python.md, whose QKeras network is the tests' own."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "python.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def programs_with(*words: str) -> list[str]:
    """The programs that have one of these words, in their order."""
    return [program for program in PROGRAMS if any(word in program for word in words)]


@cache
def keras_model() -> Any:
    """The network of the guide, with the weights that its seed gives."""
    (program,) = programs_with("keras_model = ")
    names: dict[str, Any] = {}
    exec(program, names)  # the guide's own text
    return names["keras_model"]
