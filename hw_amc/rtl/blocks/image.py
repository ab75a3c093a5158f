"""Images in a stream of samples: windows over rows and columns, convolutions and maxima on them.

An image passes row by row, one or more pixels a slot. A window looks back only, so that an output pixel comes in the
slot of the last input pixel that it needs: in the slots and rows in front of it stand vectors that hold no pixel, and
nobody reads them. So flags pass unchanged, and every slot carries a vector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw_amc import graph as ir
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph.fixed import FixedFormat
from hw_amc.rtl.blocks.base import Block, Resources, SlotTiming, Tensor, Wires, delay_cost, memory_cost
from hw_amc.rtl.blocks.linear import LinearBlock, declare, flags_delay
from hw_amc.rtl.verilog import instance, library, vector


@dataclass(frozen=True)
class Layout:
    """Where the pixels of an image stand in the stream."""

    #: Pixels of a slot, side by side.
    phases: int
    #: Slots of a row.
    slots: int
    #: Rows, and pixels of each row, in front of the image.
    row: int = 0
    column: int = 0

    def at(self, row: int, column: int) -> tuple[int, int]:
        """Return slot of the frame and phase of a pixel."""
        slot, phase = divmod(column + self.column, self.phases)
        return (row + self.row) * self.slots + slot, phase

    def behind(self, rows: int, columns: int) -> Layout:
        """Return the layout behind a window."""
        return replace(self, row=self.row + rows - 1, column=self.column + columns - 1)


def image_layout(node: ir.Reshape, samples: int, channels: int) -> Layout:
    """Lay out an image that is made of a frame's samples.

    Raises
    ------
    UnsupportedLayer
        A row is not made of whole samples, or a pixel not of channels of one sample.
    """
    height, width, depth = node.shape
    phases = channels // depth if channels % depth == 0 else 0
    if not phases or width % phases or height * width != samples * phases:
        raise UnsupportedLayer(
            f"rtl: rows of {node.name!r} {node.shape} are not made of whole samples of {channels} channels"
        )
    return Layout(phases, width // phases)


@dataclass(frozen=True)
class Window:
    """The part of a block that keeps rows and columns: one cycle."""

    name: str
    rows: int
    columns: int
    layout: Layout
    #: Channels of a pixel.
    depth: int
    fmt: FixedFormat

    @property
    def back(self) -> int:
        """Slots before the present one that a window reaches into."""
        return -(-(self.columns - 1) // self.layout.phases)

    @property
    def values(self) -> int:
        """Elements of the window's vector."""
        return self.rows * (self.back + 1) * self.layout.phases * self.depth

    def element(self, row: int, column: int, phase: int) -> int:
        """First element of the pixel that window position (row, column) is for output phase `phase`."""
        slots_ago, within = divmod(phase - (self.columns - 1 - column), self.layout.phases)
        pixel = (self.rows - 1 - row) * (self.back + 1) - slots_ago
        return (pixel * self.layout.phases + within) * self.depth

    def output(self) -> Wires:
        """Wires that leave the window."""
        return Wires(f"{self.name}_window_flags", f"{self.name}_window_data", self.values, self.fmt)

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        """Declarations and instance."""
        out = self.output()
        parameters = {
            "CTX": timing.ctx_bits,
            "CONTEXTS": timing.contexts,
            "WIDTH": source.width,
            "ROWS": self.rows,
            "BACK": self.back,
            "SLOTS": self.layout.slots,
            "ADDRESS": self._address_bits,
        }
        ports = {
            "clk": "clk",
            "rst": "rst",
            "in_flags": source.flags,
            "in_data": source.data,
            "out_flags": out.flags,
            "out_data": out.data,
        }
        return f"{declare(out, timing)}\n{instance('amc_window', f'{self.name}_window', parameters, ports)}"

    @property
    def _address_bits(self) -> int:
        return max(((self.rows - 1) * self.layout.slots).bit_length(), 1)

    def files(self) -> dict[str, str]:
        """Modules that `emit` instantiates."""
        return library("amc_window")

    def model(self, x: NDArray[Any]) -> Tensor:
        """Integer model: one frame (T, channels of a slot) -> (T, values); zeros in front of the frame."""
        frame = np.asarray(x, np.int64)
        parts = []
        for row in range(self.rows):
            for slot in range(self.back + 1):
                ago = row * self.layout.slots + slot
                moved = np.zeros_like(frame)
                moved[ago:] = frame[: len(frame) - ago]
                parts.append(moved)
        return np.concatenate(parts, axis=1)

    def cost(self, timing: SlotTiming) -> Resources:
        """Rows in distributed RAM, one copy for each row that is read, and the columns' state."""
        width = self.layout.phases * self.depth * self.fmt.bits
        lines = memory_cost(width, timing.contexts << self._address_bits) * (self.rows - 1)
        columns = memory_cost(self.rows * self.back * width, timing.contexts) if self.back else Resources()
        return lines + columns + Resources(ff=width) + delay_cost(timing.ctx_bits + 4, 1)


@dataclass(frozen=True)
class Conv2dBlock(Block):
    """conv2d without padding, with the quantiser behind it where there is one: a window, then a matrix on it."""

    window: Window
    linear: LinearBlock

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.linear.name

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.linear.channels

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.linear.fmt

    @property
    def layer(self) -> str:  # type: ignore[override]
        return self.linear.layer

    @property
    def cycles(self) -> int:  # type: ignore[override]
        return self.linear.cycles

    @property
    def legal_cycles(self) -> list[int]:
        return self.linear.legal_cycles

    def latency(self, timing: SlotTiming) -> int:
        return 1 + self.linear.latency(timing)

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        return f"{self.window.emit(source, timing)}\n{self.linear.emit(self.window.output(), timing)}"

    def files(self) -> dict[str, str]:
        return self.window.files() | self.linear.files()

    def model(self, x: NDArray[Any]) -> Tensor:
        return self.linear.model(self.window.model(x))

    def cost(self, timing: SlotTiming) -> Resources:
        return self.window.cost(timing) + self.linear.cost(timing)


def conv2d_matrix(node: ir.Conv2d, window: Window) -> NDArray[np.int64]:
    """Integer matrix (values of the window, phases * filters)."""
    rows, columns, depth, filters = node.kernel.shape
    phases = window.layout.phases
    matrix = np.zeros((window.values, phases * filters), np.int64)
    for row, column, phase in np.ndindex(rows, columns, phases):
        first = window.element(row, column, phase)
        matrix[first : first + depth, phase * filters : (phase + 1) * filters] += node.kernel[row, column]
    return matrix


@dataclass(frozen=True)
class MaxPool2dBlock(Block):
    """max_pool2d of stride 1: a window, then the largest of its elements for each channel."""

    name: str
    window: Window

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.window.layout.phases * self.window.depth

    @property
    def fmt(self) -> FixedFormat:  # type: ignore[override]
        return self.window.fmt

    @property
    def _levels(self) -> int:
        return max((self.window.rows * self.window.columns - 1).bit_length(), 1)

    @cached_property
    def _candidates(self) -> list[list[int]]:
        """Elements of the window for each channel, some twice to make a power of two of them."""
        window = self.window
        places = list(np.ndindex(window.rows, window.columns))
        places += [places[-1]] * ((1 << self._levels) - len(places))
        return [
            [window.element(row, column, phase) + channel for row, column in places]
            for phase in range(window.layout.phases)
            for channel in range(window.depth)
        ]

    def latency(self, timing: SlotTiming) -> int:
        return 1 + self._levels

    def emit(self, source: Wires, timing: SlotTiming) -> str:
        out, inside, bits, name = self.output(), self.window.output(), self.fmt.bits, self.name
        parameters: dict[str, int | str] = {
            "CHANNELS": self.channels,
            "LEVELS": self._levels,
            "WIDTH": bits,
            "SIGNED": int(self.fmt.signed),
        }
        elements = [element for candidates in self._candidates for element in candidates]
        slices = ", ".join(f"{inside.data}[{element * bits}+:{bits}]" for element in reversed(elements))
        return "\n".join(
            [
                "    /* verilator lint_off UNUSEDSIGNAL */  // pixels that no window of this slot has",
                self.window.emit(source, timing),
                "    /* verilator lint_on UNUSEDSIGNAL */",
                declare(out, timing),
                f"    wire {vector(len(elements) * bits)} {name}_candidates = {{{slices}}};",
                flags_delay(f"{name}_time", inside.flags, out.flags, timing, self._levels),
                instance(
                    "amc_maximum", f"{name}_unit", parameters, {"clk": "clk", "x": f"{name}_candidates", "y": out.data}
                ),
            ]
        )

    def files(self) -> dict[str, str]:
        return self.window.files() | library("amc_maximum")

    def model(self, x: NDArray[Any]) -> Tensor:
        largest: Tensor = self.window.model(x)[:, self._candidates].max(axis=2)
        return largest

    def cost(self, timing: SlotTiming) -> Resources:
        nodes = self.channels * ((1 << self._levels) - 1)
        bits = self.fmt.bits
        tree = Resources(lut=2 * bits, ff=bits, carry=-(-bits // 4)) * nodes
        return self.window.cost(timing) + tree + delay_cost(timing.ctx_bits + 4, self._levels)
