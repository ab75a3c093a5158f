"""Frames as they come off the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Input(Node):
    """Frames as they come off the wire: (T, 2), I and Q."""

    op: ClassVar[str] = "input"
    arity: ClassVar[int | None] = 0
