"""The mean over windows of any size: the exact sum times a reciprocal in fixed point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat, Tensor, format_for
from hw_amc.graph.ops.base import Node, Weights
from hw_amc.graph.ops.linear import exact
from hw_amc.graph.ops.pool import check_windows
from hw_amc.graph.ops.windows import Pads, require_places, window_counts, window_sums


@dataclass(frozen=True, eq=False)
class MeanPool(Node):
    """Mean of each window over time or over an image: the sum of its samples times `factor`, nothing rounded.

    Where a window covers places outside, only what is inside counts. An output of height 1 may be a tensor over time,
    one of one pixel a vector: the mean over a whole frame.
    """

    op: ClassVar[str] = "mean_pool"
    trained: ClassVar[bool] = False

    #: Reciprocals of the counts: one for each place of the output, or (1,) * axes where all windows hold as many.
    factor: Weights
    factor_fmt: FixedFormat
    #: Samples of a window, and from one to the next, along each axis.
    pool: tuple[int, ...]
    stride: tuple[int, ...]
    #: Places outside, before and behind, along each axis.
    pads: tuple[Pads, ...] = field(default=(), kw_only=True)

    def check(self, sources: Sequence[Node]) -> None:
        (source,) = sources
        places = check_windows(self, source, self.pool, self.stride, self._pads)
        require_places(self, places, source.shape[-1])
        uniform = (1,) * len(places)
        self.require_arrays({"factor": uniform if self.factor.shape == uniform else places})
        self.require(int(self.factor.min()) > 0, "its factors must be positive")
        low, high = self.acc_range(source)
        frac = source.fmt.frac + self.factor_fmt.frac
        self.require(
            self.fmt.frac == frac and self.fmt.holds_range(low, high),
            f"format {self.fmt} cannot hold the mean [{low}, {high}], frac {frac}",
        )

    def acc_range(self, source: Node) -> tuple[int, int]:
        """Smallest and largest product of sum and factor."""
        most = max((exact(self.counts(source)) * exact(self.factor)).ravel())
        return most * source.fmt.min_raw, most * source.fmt.max_raw

    def narrowest(self, source: Node) -> MeanPool:
        """Return the node with the narrowest format that holds its output."""
        return replace(self, fmt=format_for(*self.acc_range(source), source.fmt.frac + self.factor_fmt.frac))

    def counts(self, source: Node) -> NDArray[np.int64]:
        """Samples in each window: (*places)."""
        return window_counts(source.shape[:-1], self.pool, self.stride, self._pads)

    def exact_dtype(self, sources: Sequence[Node]) -> np.dtype[Any]:
        low, high = self.acc_range(sources[0])
        return self.float_for(max(-low, high, prod(self.pool) * sources[0].fmt.max_abs))

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        dtype = self.exact_dtype(sources)
        sums = window_sums(tensors[0].astype(dtype, copy=False), self.pool, self.stride, self._pads)
        mean: Tensor = (sums * self.factor.astype(dtype)[..., None]).reshape(len(sums), *self.shape)
        return mean

    @property
    def _pads(self) -> tuple[Pads, ...]:
        return self.pads or ((0, 0),) * len(self.pool)


def reciprocals(counts: NDArray[np.int64], bits: int) -> tuple[Weights, FixedFormat]:
    """Round the reciprocals of counts to `bits` bits, half to even, with as many fraction bits as the largest allows.

    Reciprocals of powers of two are exact, and bits that are zero in all are left out.

    Returns
    -------
    integers of the shape of `counts`, or (1,) * axes where all counts are equal; their format, unsigned.
    """
    if (counts == counts.flat[0]).all():
        counts = counts.reshape(-1)[:1].reshape((1,) * counts.ndim)
    frac = bits + int(counts.min()).bit_length() - 1
    raw = np.rint(np.ldexp(1.0 / counts, frac)).astype(np.int64)
    if raw.max() >> bits:
        frac, raw = frac - 1, np.rint(np.ldexp(1.0 / counts, frac - 1)).astype(np.int64)
    used = int(np.bitwise_or.reduce(raw, axis=None))
    spare = (used & -used).bit_length() - 1
    fmt = format_for(0, int(raw.max()) >> spare, frac - spare)
    return (raw >> spare).astype(np.int32), fmt
