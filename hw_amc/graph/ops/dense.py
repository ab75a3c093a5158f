"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hw_amc.graph.fixed import Tensor
from hw_amc.graph.ops.base import Node
from hw_amc.graph.ops.linear import Linear


@dataclass(frozen=True, eq=False)
class Dense(Linear):
    """Fully connected layer on the last axis: y = x kernel + bias; `kernel` is (C_in, C_out)."""

    op: ClassVar[str] = "dense"

    def check(self, sources: Sequence[Node]) -> None:
        self.require(self.kernel.ndim == 2, f"kernel has shape {self.kernel.shape}")
        *places, channels = sources[0].shape
        units = self.kernel.shape[-1]
        self.require_arrays({"kernel": (channels, units), "bias": (units,)})
        self.require_shape((*places, units))
        self.check_accumulator(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        return self.add_bias(tensors[0].astype(dtype, copy=False) @ self.kernel.astype(dtype), sources[0])
