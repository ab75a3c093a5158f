"""What recurrent operations share: one product of input and state, cells in lanes, the loop through the state."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hw_amc.errors import ConfigError
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.hls import lanes
from hw_amc.hls.cpp import constant, cpp_type, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import LOOP_STATES, Context, select_luts
from hw_amc.hls.estimate.product import product_cost
from hw_amc.hls.folding import Pool
from hw_amc.hls.ops import curves
from hw_amc.hls.ops.base import Integers, LayerBuild, Operation
from hw_amc.hls.product import Product, legal_reuse_factors, require_legal
from hw_amc.hls.strategies import choose


class RecurrentOperation(Operation):
    """A recurrent layer: [x h] times one matrix gives the members of all cells."""

    settings: ClassVar[tuple[str, ...]] = (
        "reuse_factor", "recurrent_reuse_factor", "cells_reuse_factor", "strategy", "dsp_multipliers",
    )  # fmt: skip
    options: ClassVar[tuple[str, ...]] = curves.OPTIONS
    #: C++ struct that works out one cell.
    cell_name: ClassVar[str]
    #: Integers that a cell keeps for the next step: its state, and what else.
    cell_keeps: ClassVar[int] = 1
    #: Outputs of the product that a cell needs.
    cell_members: ClassVar[int]
    #: LUTs of a cell, by which the number of lanes is chosen.
    lane_luts: ClassVar[int]

    #: Multiplications of two variables in a cell.
    cell_multiplications: ClassVar[int]
    #: Gates of a cell, and values that take the candidate's function: readers of tables.
    cell_gates: ClassVar[int]
    cell_candidates: ClassVar[int] = 1

    @abstractmethod
    def blocks(self, layer: LayerBuild) -> list[tuple[int | None, int | None]]:
        """Gates of the kernel and of the recurrent kernel that make each member; None: zeros."""

    @abstractmethod
    def biases(self, layer: LayerBuild) -> NDArray[np.int64]:
        """Bias of every output at the accumulator's precision."""

    @abstractmethod
    def cell_path(self, layer: LayerBuild, context: Context) -> list[float]:
        """Delays in series through a cell."""

    @abstractmethod
    def cell_cost(self, layer: LayerBuild) -> tuple[int, int]:
        """LUTs and DSPs of a cell, without tables."""

    def product(self, layer: LayerBuild) -> Product:
        """Return the product of input and state."""
        return self.products(layer)[0]

    def build_products(self, layer: LayerBuild) -> tuple[Product, ...]:
        node, settings = layer.node, layer.settings
        pools = self._pools(layer)
        matrix, shift = fused_matrix(self, layer)
        strategy = choose(node.name, settings.strategy, max(pool.reuse_factor for pool in pools))
        cells = settings.cells_reuse_factor
        most = min(pool.reuse_factor for pool in pools)
        if strategy == "resource" and cells is not None and cells > most:
            raise ConfigError(
                f"[hls.layers.{node.name}] cells_reuse_factor = {cells}: a lane's cells take turns within the rounds of"
                f" a step, of which there are at most {most}"
            )
        product = Product(
            f"{node.name}_product",
            matrix,
            self.biases(layer),
            shift,
            operand_format(layer),
            wide_range(self, layer, slice(None)),
            strategy,
            self.cell_members,
            pools,
            cells,
            settings.dsp_multipliers,
            self.lane_luts,
        )
        return (product,)

    def _pools(self, layer: LayerBuild) -> tuple[Pool, ...]:
        """Multipliers of the two products: common ones, or of their own where their reuse factors differ."""
        node, settings = layer.node, layer.settings
        own, recurrent = legal_reuse_factors(*node.kernel.shape), legal_reuse_factors(*node.recurrent.shape)
        rows, inputs = len(node.kernel) + node.units, len(node.kernel)
        if settings.recurrent_reuse_factor is None:
            require_legal(node.name, "reuse_factor", settings.reuse_factor, recurrent)
            return (Pool(0, rows, settings.reuse_factor),)
        require_legal(node.name, "reuse_factor", settings.reuse_factor, own)
        require_legal(node.name, "recurrent_reuse_factor", settings.recurrent_reuse_factor, recurrent)
        if settings.reuse_factor == settings.recurrent_reuse_factor:
            return (Pool(0, rows, settings.reuse_factor),)
        return Pool(0, inputs, settings.reuse_factor), Pool(inputs, rows, settings.recurrent_reuse_factor)

    def legal(self, layer: LayerBuild) -> list[int]:
        """Reuse factors that hls4ml's rules admit: those of the recurrent matrix."""
        return legal_reuse_factors(*layer.node.recurrent.shape)

    def multiplications(self, layer: LayerBuild) -> int:
        return super().multiplications(layer) + self.multiplications_of_cells(layer)

    def multiplications_of_cells(self, layer: LayerBuild) -> int:
        """Multiplications of two variables behind the products."""
        return self.cell_multiplications * len(self.cells(layer))

    def cells(self, layer: LayerBuild) -> Any:
        """Cell of each lane at each position."""
        product = self.product(layer)
        if product.strategy == "resource":
            return product.folding.cells
        return lanes.in_order(layer.node.units, min(product.positions or 1, layer.node.units))

    def readers(self, layer: LayerBuild) -> dict[str, int]:
        """Values that take each curve at the same time."""
        number = len(self.cells(layer))
        return {"gate": self.cell_gates * number, "candidate": self.cell_candidates * number}

    def tables(self, layer: LayerBuild) -> dict[str, Integers]:
        return curves.tables(layer)

    def code(self, layer: LayerBuild) -> str:
        texts = [super().code(layer), curves.emit(layer, self.readers(layer)), self.lanes_of_cells(layer)]
        return "\n".join(filter(None, texts))

    def lanes_of_cells(self, layer: LayerBuild) -> str:
        """C++ of lanes that no product brings with it."""
        if self.product(layer).strategy == "resource":
            return ""
        return lanes.emit_struct(f"{layer.node.name}_cells", self.cells(layer))

    def members(self, layer: LayerBuild) -> list[str]:
        node, product = layer.node, self.product(layer)
        lines = [
            constant("steps", layer.steps),
            constant("inputs", len(node.kernel)),
            constant("units", node.units),
            constant("members", self.cell_members),
            constant("kept", self.cell_keeps * node.units),
            f"typedef hw_amc::{self.cell_name} cell;",
            f"typedef {cpp_type(node.fmt)} state_t;",
            f"typedef {cpp_type(node.gate_fmt)} gate_t;",
            f"typedef {raw_type(node.fmt)} state_raw_t;",
            f"typedef {raw_type(product.x_fmt)} operand_raw_t;",
            f"typedef {raw_type(product.acc_fmt)} acc_raw_t;",
            f"typedef {product.name} product;",
            *curves.members(node),
        ]
        return lines if product.strategy == "resource" else [*lines, f"typedef {node.name}_cells cells;"]

    def kernel(self, layer: LayerBuild) -> str:
        folded = self.product(layer).strategy == "resource"
        in_lanes = "_folded" if folded else "_in_lanes" if len(self.cells(layer)[0]) > 1 else ""
        return f"hw_amc::recurrent{in_lanes}"

    def locate(self, layer: LayerBuild, row: int, column: int) -> str:
        node = layer.node
        member, cell = divmod(column, node.units)
        own, recurrent = self.blocks(layer)[member]
        inputs = len(node.kernel)
        gate, field, place = (own, "kernel", row) if row < inputs else (recurrent, "recurrent", row - inputs)
        return f"the zero at [{row}, {column}]" if gate is None else f"{field}[{place}, {gate * node.units + cell}]"

    def recurrent_cost(self, layer: LayerBuild, context: Context) -> Cost:
        """Estimate the product, the cells in lanes, and the step that all of them make."""
        node, product = layer.node, self.product(layer)
        found = product_cost(product, context)
        cells = self.cells(layer)
        number, positions = len(cells), len(cells[0])
        path = self.cell_path(layer, context)
        lut, dsp = self.cell_cost(layer)
        selected = self.cell_keeps * node.fmt.bits * select_luts(positions)
        if found.rounds:
            # Reading, the rounds and the depth of one, writing.
            step = 1 + found.rounds + context.stages((*found.path_ns, *path)) - 1 + LOOP_STATES
        elif positions > 1:
            step = 1 + context.stages(found.path_ns) + positions + context.stages(path) - 1 + LOOP_STATES
            selected += self.cell_members * product.acc_fmt.bits * select_luts(positions)
        else:
            step = context.stages((*found.path_ns, *path))
        # Old and new states; each is enabled by its position.
        registers = 2 * self.cell_keeps * node.units * node.fmt.bits + len(node.kernel) * layer.source.fmt.bits
        enables = math.ceil(self.cell_keeps * node.units / 2) if positions > 1 else 0
        tables = curves.memories(layer, self.readers(layer))
        return Cost(
            node.name,
            cycles=node.shape[0] * step,
            latency_cycles=step,
            lut=found.lut + number * (lut + selected) + enables + tables.lut,
            ff=found.ff + registers + number * 4 * (product.acc_fmt.bits + node.fmt.bits),
            dsp=found.dsp + number * dsp,
            bram36=(found.bram18 + tables.bram18) / 2,
        )


def operand_format(layer: LayerBuild) -> FixedFormat:
    """Format of raw integers that holds those of the input and of the state."""
    formats = (layer.source.fmt, layer.node.fmt)
    return format_for(min(f.min_raw for f in formats), max(f.max_raw for f in formats), 0)


def shifts_of(layer: LayerBuild) -> tuple[int, int]:
    """Left shifts that bring the products with the input and with the state to the accumulator's precision."""
    node, frac = layer.node, layer.node.acc_frac(layer.source.fmt)
    return frac - layer.source.fmt.frac - node.kernel_fmt.frac, frac - node.fmt.frac - node.recurrent_fmt.frac


def fused_matrix(operation: RecurrentOperation, layer: LayerBuild) -> tuple[NDArray[np.int64], int]:
    """One matrix of input and state (n_in + H, members H), and the left shift that all of it has in common."""
    node, H = layer.node, layer.node.units
    shifts = shifts_of(layer)
    common = min(shifts)
    parts = (node.kernel.astype(np.int64), node.recurrent.astype(np.int64))
    columns = []
    for gates in operation.blocks(layer):
        column = [
            np.zeros((len(part), H), np.int64)
            if gate is None
            else part[:, gate * H : (gate + 1) * H] << (shift - common)
            for part, gate, shift in zip(parts, gates, shifts, strict=True)
        ]
        columns.append(np.concatenate(column))
    return np.concatenate(columns, axis=1), common


def wide_range(operation: RecurrentOperation, layer: LayerBuild, columns: slice) -> FixedFormat:
    """Narrowest signed format that holds some columns of the product whatever input and state are, and -1."""
    matrix, shift = fused_matrix(operation, layer)
    rows = len(layer.node.kernel)
    bias = operation.biases(layer)[columns].astype(object)
    low, high = bias, bias
    for part, fmt in ((matrix[:rows, columns], layer.source.fmt), (matrix[rows:, columns], layer.node.fmt)):
        positive = np.maximum(part, 0).sum(axis=0).astype(object) << shift
        negative = np.minimum(part, 0).sum(axis=0).astype(object) << shift
        low = low + positive * fmt.min_raw + negative * fmt.max_raw
        high = high + positive * fmt.max_raw + negative * fmt.min_raw
    frac = layer.node.acc_frac(layer.source.fmt)
    # It reaches -1 at least: AMD's ap_fixed cannot round away more bits than a number has.
    return format_for(min(min(low), -(1 << max(frac, 0))), max(high), frac)
