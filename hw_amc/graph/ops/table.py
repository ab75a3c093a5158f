"""A function of one variable, as a table over all integers of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.fixed import FixedFormat, Tensor
from hw_amc.graph.ops.base import Node, Weights

#: Widest input of a table: 2^12 integers.
MAX_TABLE_BITS = 12


@dataclass(frozen=True, eq=False)
class Table(Node):
    """`table[x - least x]`, element by element: any function of one variable is exact where its input is narrow."""

    op: ClassVar[str] = "table"
    trained: ClassVar[bool] = False

    #: (2^bits,): the output for each integer of the input's format, from the least one.
    table: Weights

    def array_format(self, key: str) -> FixedFormat:
        return self.fmt

    def check(self, sources: Sequence[Node]) -> None:
        bits = sources[0].fmt.bits
        self.require(bits <= MAX_TABLE_BITS, f"its input has {bits} bits; quantise it to at most {MAX_TABLE_BITS}")
        self.require_shape(sources[0].shape)
        self.require_arrays({"table": (1 << bits,)})

    def execute(self, sources: Sequence[Node], tensors: Sequence[Tensor]) -> Tensor:
        found: Tensor = self.table[tensors[0].astype(np.int32) - sources[0].fmt.min_raw]
        return found


def tabulate(function: Callable[[NDArray[np.float64]], Any], source: FixedFormat, fmt: FixedFormat) -> Weights:
    """Round a real function's values, for every integer of the format `source`, half to even onto `fmt`."""
    integers = np.arange(source.min_raw, source.max_raw + 1)
    return fmt.to_raw(function(source.to_value(integers))).astype(np.int32)
