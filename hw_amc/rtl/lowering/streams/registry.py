"""Which operation becomes which nodes of a stream: files of this package register what they write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hw_amc.graph import Node
from hw_amc.rtl.lowering.streams.writer import Writer

Rewrite = Callable[[Writer, Any], None]
REWRITES: dict[type[Node], Rewrite] = {}


def writes(*kinds: type[Node]) -> Callable[[Rewrite], Rewrite]:
    """Register a function that writes nodes of these types."""

    def register(rewrite: Rewrite) -> Rewrite:
        for kind in kinds:
            if kind in REWRITES:
                raise TypeError(f"{kind.__name__} is written twice")
            REWRITES[kind] = rewrite
        return rewrite

    return register
