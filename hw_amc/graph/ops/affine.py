"""A scale and a bias for each channel: what is left of a batch normalisation that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node, Weights
from hw_amc.graph.ops.linear import Linear


@dataclass(frozen=True, eq=False)
class Affine(Linear):
    """Per-channel scale and bias: y[c] = x[c] kernel[c] + bias[c]; `kernel` is (C,)."""

    op: ClassVar[str] = "affine"

    def kernels(self) -> dict[str, Weights]:
        """Return none: it is a batch normalisation."""
        return {}

    def matrix(self) -> Weights:
        return self.kernel[np.newaxis]

    def check(self, sources: Sequence[Node]) -> None:
        channels = sources[0].shape[-1]
        self.require_shape(sources[0].shape)
        self.require_arrays({"kernel": (channels,), "bias": (channels,)})
        self.check_accumulator(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        return self.add_bias(tensors[0].astype(dtype, copy=False) * self.kernel.astype(dtype), sources[0])
