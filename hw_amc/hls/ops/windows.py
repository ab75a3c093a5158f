"""Windows that move over an image in the order of the stream: where they are, and what they keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hw_amc.graph.ops.windows import Pads
from hw_amc.hls.cpp import constant

#: Elements between two rows of a window from which they lie in a memory; fewer are registers that shift.
MEMORY_LENGTH = 64
#: Steps that a LUT holds of a bit that shifts.
SHIFT_LENGTH = 32


@dataclass(frozen=True)
class Windows:
    """Windows over an image; over time it is an image of height 1."""

    #: Rows and columns of the image, without what lies outside.
    sizes: tuple[int, int]
    #: Taps of a window, steps from one to the next, and from one window to the next.
    taps: tuple[int, int]
    dilations: tuple[int, int]
    strides: tuple[int, int]
    #: Places outside: above and below, left and right.
    pads: tuple[Pads, Pads]

    @classmethod
    def of(
        cls,
        sizes: Sequence[int],
        taps: Sequence[int],
        strides: Sequence[int],
        pads: Sequence[Pads],
        dilations: Sequence[int] = (1, 1),
    ) -> Windows:
        """Windows along one axis, or two."""
        if len(sizes) == 1:
            return cls((1, sizes[0]), (1, taps[0]), (1, dilations[0]), (1, strides[0]), ((0, 0), pads[0]))
        return cls(_pair(sizes), _pair(taps), _pair(dilations), _pair(strides), (pads[0], pads[1]))

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the image with what lies outside."""
        return self.sizes[0] + sum(self.pads[0]), self.sizes[1] + sum(self.pads[1])

    @property
    def places(self) -> int:
        """Places that are read, one a cycle."""
        return math.prod(self.padded)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that a window covers."""
        rows, columns = ((taps - 1) * step + 1 for taps, step in zip(self.taps, self.dilations, strict=True))
        return rows, columns

    @property
    def kept(self) -> int:
        """Elements of a window's registers: its rows of taps, each as wide as it reaches."""
        return self.taps[0] * self.reach[1]

    @property
    def line(self) -> int:
        """Elements between two rows of a window's registers."""
        return self.dilations[0] * self.padded[1] - self.reach[1]

    @property
    def in_memory(self) -> bool:
        """Whether these lie in a memory."""
        return self.taps[0] > 1 and self.line >= MEMORY_LENGTH

    @cached_property
    def places_of_taps(self) -> list[int]:
        """Place in the registers of each tap, row by row."""
        rows, columns = (range(taps) for taps in self.taps)
        return [row * self.reach[1] + column * self.dilations[1] for row in rows for column in columns]

    def spread(self, kernel: NDArray[np.int32]) -> NDArray[np.int32]:
        """Matrix of all registers, (kept C_in, C_out), from a kernel (*taps, C_in, C_out)."""
        inputs, outputs = kernel.shape[-2:]
        matrix = np.zeros((self.kept, inputs, outputs), np.int32)
        matrix[self.places_of_taps] = kernel.reshape(-1, inputs, outputs)
        return matrix.reshape(-1, outputs)

    def last_needed(self) -> list[int]:
        """Of each window, the last element of the image that has entered when it is there."""
        (top, _), (left, _) = self.pads
        rows, columns = self.sizes
        found = []
        for row in range(self.reach[0] - 1 - top, self.padded[0] - top, self.strides[0]):
            for column in range(self.reach[1] - 1 - left, self.padded[1] - left, self.strides[1]):
                last = min(row, rows) * columns + (min(max(column + 1, 0), columns) if row < rows else 0) - 1
                found.append(min(max(last, 0), rows * columns - 1))
        return found

    def members(self, channels: int, outside: int) -> list[str]:
        """Members of a configuration struct whose `operand_raw_t` is declared before."""
        rows, length = self.taps[0] - 1, self.line
        kind = "wires" if not rows or not length else "memory" if self.in_memory else "registers"
        (top, _), (left, _) = self.pads
        numbers = {
            "rows": self.sizes[0], "columns": self.sizes[1], "top": top, "left": left, "height": self.padded[0],
            "width": self.padded[1], "span_rows": self.taps[0], "span_columns": self.reach[1],
            "reach_rows": self.reach[0], "stride_rows": self.strides[0], "stride_columns": self.strides[1],
            "outside": outside,
        }  # fmt: skip
        lines = f"hw_amc::line_{kind}<operand_raw_t, {max(rows, 1)}, {channels}, {max(length, 1)}>"
        return [*(constant(name, value) for name, value in numbers.items()), f"typedef {lines} lines_t;"]

    def cost(self, bits: int) -> tuple[int, int, int]:
        """LUTs, FFs and halves of block RAM that keep the elements, of so many bits each."""
        lines, ff = self.taps[0] - 1, self.kept * bits
        if self.in_memory:
            # A block RAM of 512 words has 36 bits.
            return 0, ff, lines * math.ceil(bits / 36) * math.ceil(self.line / 512)
        return lines * bits * math.ceil(self.line / SHIFT_LENGTH), ff, 0


def _pair(numbers: Sequence[int]) -> tuple[int, int]:
    first, second = numbers
    return first, second
