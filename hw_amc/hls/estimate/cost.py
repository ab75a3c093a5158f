"""What an estimate says of one layer, or of all."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Cost:
    """Cycles and resources of one layer, or of all."""

    name: str
    #: Clock cycles per frame: the layer's own interval; of the whole, that of the slowest layer.
    cycles: int = 0
    #: From a sample to what it causes at the layer's output; of the whole, from the first sample to the logits.
    latency_cycles: int = 0
    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram36: float = 0.0

    def figures(self) -> dict[str, int | float]:
        """Figures by the names of the report."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "name"}
