"""Rounding onto a format: the quantiser of activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import Tensor, saturate
from hw_amc.graph.ops.base import Node


@dataclass(frozen=True, eq=False)
class Quantize(Node):
    """`clip(rne(x, in.frac - fmt.frac))`: round half to even, saturate. Into an unsigned format it is a ReLU."""

    op: ClassVar[str] = "quantize"

    def check(self, sources: Sequence[Node]) -> None:
        self.require_shape(sources[0].shape)

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        # Of both formats: the source's integers must be exact, and the limits to which they saturate.
        x = tensors[0].astype(self.exact_dtype(sources))
        shift = sources[0].fmt.frac - self.fmt.frac
        if shift:
            x *= x.dtype.type(2.0**-shift)
            np.rint(x, out=x)
        return saturate(x, self.fmt)
