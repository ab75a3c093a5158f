"""Operations on a stream of vectors that no graph has: what others are made of. Tensors are (vectors, lanes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw_amc.graph import Node
from hw_amc.graph.fixed import Tensor, format_for


@dataclass(frozen=True, eq=False)
class Lanes(Node):
    """Lane i of the output is lane `source[i]` of the input; -1 is a zero. Integers fit a narrower format, if any."""

    source: tuple[int, ...]

    def check(self, sources: Sequence[Node]) -> None:
        vectors, lanes = sources[0].shape
        self.require(max(self.source) < lanes, f"{lanes} lanes, not {max(self.source) + 1}")
        self.require_shape((vectors, len(self.source)))
        self.require(self.fmt.frac == sources[0].fmt.frac, f"format {self.fmt} has another point than its input's")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        picked: Tensor = tensors[0][..., list(self.source)]
        picked[..., [lane < 0 for lane in self.source]] = 0
        return picked


@dataclass(frozen=True, eq=False)
class Taps(Node):
    """Vector p is the input's vectors `first + p stride - tap` side by side, `fill` outside the frame.

    The last window ends with the frame or behind it, so that hardware sends it with the last sample or later.
    """

    taps: tuple[int, ...]
    first: int
    stride: int
    fill: int

    @property
    def last(self) -> int:
        """Time of the last window's newest vector."""
        return self.first + (self.shape[0] - 1) * self.stride

    def check(self, sources: Sequence[Node]) -> None:
        vectors, lanes = sources[0].shape
        self.require_shape((self.shape[0], len(self.taps) * lanes))
        self.require_same_format(sources[0])
        fits = min(self.taps) >= 0 and self.first >= 0 and self.last >= vectors - 1
        self.require(fits, f"windows from {self.first} to {self.last} do not fit {vectors} vectors")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        before = max(max(self.taps) - self.first, 0)
        behind = self.last + 1 - sources[0].shape[0]
        x = np.pad(tensors[0], ((0, 0), (before, behind), (0, 0)), constant_values=self.fill)
        newest = before + self.first + np.arange(self.shape[0]) * self.stride
        return np.concatenate([x[:, newest - tap] for tap in self.taps], axis=-1)


@dataclass(frozen=True, eq=False)
class Largest(Node):
    """Lane i is the largest of the input's lanes `candidates[i]`."""

    candidates: tuple[tuple[int, ...], ...]

    def check(self, sources: Sequence[Node]) -> None:
        self.require_shape((sources[0].shape[0], len(self.candidates)))
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return np.stack([tensors[0][..., list(lanes)].max(axis=-1) for lanes in self.candidates], axis=-1)


@dataclass(frozen=True, eq=False)
class SumPool(Node):
    """Sum of `pool` successive vectors, any number of them."""

    pool: int

    def check(self, sources: Sequence[Node]) -> None:
        vectors, lanes = sources[0].shape
        self.require_shape((vectors // self.pool, lanes))
        source = sources[0].fmt
        exact = format_for(self.pool * source.min_raw, self.pool * source.max_raw, source.frac)
        self.require(vectors % self.pool == 0 and self.fmt == exact, f"format {self.fmt} is not the sum's {exact}")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        x = tensors[0].astype(self.exact_dtype(sources), copy=False)
        sums: Tensor = x.reshape(len(x), -1, self.pool, x.shape[-1]).sum(axis=2)
        return sums


@dataclass(frozen=True, eq=False)
class Repeat(Node):
    """A frame's one vector, many times."""

    def check(self, sources: Sequence[Node]) -> None:
        self.require(sources[0].shape == (1, self.shape[1]), f"its input is {sources[0].shape}, not one vector")
        self.require_same_format(sources[0])

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        return np.repeat(tensors[0], self.shape[0], axis=1)


@dataclass(frozen=True, eq=False)
class Choose(Node):
    """Vector t is group `choices[t]` of the input's groups of lanes; what is chosen fits its format."""

    choices: tuple[int, ...]

    def check(self, sources: Sequence[Node]) -> None:
        vectors, lanes = sources[0].shape
        self.require(len(self.choices) == vectors and lanes % self.shape[1] == 0, f"{lanes} lanes are no groups")
        self.require_shape((vectors, self.shape[1]))
        self.require(self.fmt.frac == sources[0].fmt.frac, f"format {self.fmt} has another point than its input's")

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        groups = tensors[0].reshape(*tensors[0].shape[:2], -1, self.shape[1])
        chosen: Tensor = groups[:, np.arange(len(self.choices)), list(self.choices)]
        return chosen
