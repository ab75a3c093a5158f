"""The channels of several branches beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import FixedFormat, Tensor
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Concatenate(Node):
    """Channels of all branches in their order, in one format that holds every value of every branch."""

    op: ClassVar[str] = "concatenate"
    arity: ClassVar[int | None] = None

    def check(self, sources: Sequence[Node]) -> None:
        places = {source.shape[:-1] for source in sources}
        self.require(len(places) == 1, f"its inputs have the places {sorted(places)}; only channels are joined")
        self.require_shape((*places.pop(), sum(source.shape[-1] for source in sources)))
        exact = common_format([source.fmt for source in sources])
        self.require(self.fmt == exact, f"format {self.fmt} is not the common one, {exact}")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        scaled = [
            tensor.astype(dtype, copy=False) * dtype.type(2.0 ** (self.fmt.frac - source.fmt.frac))
            for source, tensor in zip(sources, tensors, strict=True)
        ]
        return np.concatenate(scaled, axis=-1)


def common_format(formats: Sequence[FixedFormat]) -> FixedFormat:
    """Return the narrowest format that holds every value of all formats."""
    frac, signed = max(fmt.frac for fmt in formats), any(fmt.signed for fmt in formats)
    bits = [fmt.bits + frac - fmt.frac + (signed and not fmt.signed) for fmt in formats]
    return FixedFormat(max(bits), frac, signed)
