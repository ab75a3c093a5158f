"""Means over windows of any size: the exact sum times a quantised reciprocal."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import numpy as np

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.graph.fixed import FixedFormat, format_for
from hw_amc.hls import roms
from hw_amc.hls.cpp import constant, raw_type
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context, bram18, multiplier, product_luts, rom_luts
from hw_amc.hls.ops.base import Integers, LayerBuild, Operation, elements
from hw_amc.hls.ops.windows import Windows


class MeanPool(Operation):
    """Windows that come one after another are added up as they come; others keep what they cover."""

    node: ClassVar[type[Node]] = ir.MeanPool
    header: ClassVar[str] = "hw_amc_mean.h"
    options: ClassVar[tuple[str, ...]] = ("pads",)

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::{'mean_in_turn' if _in_turn(layer) else 'mean_of_windows'}"

    def tables(self, layer: LayerBuild) -> dict[str, Integers]:
        return {layer.node.name: layer.node.factor.astype(np.int64).ravel()}

    def code(self, layer: LayerBuild) -> str:
        return "".join(roms.emit_list(name, factors) for name, factors in self.tables(layer).items())

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        if _in_turn(layer):
            pool = prod(layer.node.pool)
            return [(k + 1) * pool - 1 for k in range(layer.steps)]
        return _windows(layer).last_needed()

    def multiplications(self, layer: LayerBuild) -> int:
        return 0 if _is_common(layer.node) else int(layer.node.shape[-1])

    def members(self, layer: LayerBuild) -> list[str]:
        node, source = layer.node, layer.source
        lines = [
            f"static const bool common = {str(_is_common(node)).lower()};",
            f"typedef {roms.name_of(node.name)} factors;",
            f"typedef {raw_type(node.factor_fmt)} factor_raw_t;",
            f"typedef {raw_type(_sum_format(layer))} sum_raw_t;",
        ]
        if _in_turn(layer):
            pool = prod(node.pool)
            rest = elements(source) - layer.steps * pool
            return [*lines, constant("windows", layer.steps), constant("pool", pool), constant("rest", rest)]
        operand = f"typedef {raw_type(source.fmt)} operand_raw_t;"
        return [*lines, operand, *_windows(layer).members(source.shape[-1], 0)]

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        node, source = layer.node, layer.source
        channels, sums = node.shape[-1], _sum_format(layer).bits
        (factors,) = self.tables(layer).values()
        lut, ff, bram, cycles, adders = channels * sums, channels * sums, 0, elements(source), 1
        if not _in_turn(layer):
            windows = _windows(layer)
            more = windows.cost(channels * source.fmt.bits)
            adders = windows.kept - 1
            lut, ff, bram = adders * lut + more[0], ff + more[1], more[2]
            cycles = windows.places
        dsp = 0
        if _is_common(node):
            factor = int(factors[0])
            lut += channels * product_luts(factor // (factor & -factor), sums)
        else:
            dsp = channels * multiplier(sums, node.factor_fmt.bits, on_dsp=True)[1]
            if roms.in_bram(factors):
                bram += bram18(len(factors), node.factor_fmt.bits)
            else:
                lut += rom_luts(len(factors), node.factor_fmt.bits)
        depth = context.stages([*context.adds(max(adders, 1).bit_length(), sums), context.family.mul_ns]) + 1
        return Cost(node.name, cycles + depth, depth, lut, ff + channels * node.fmt.bits, dsp, bram / 2)


def _is_common(node: Any) -> bool:
    """Whether all windows have the same factor."""
    return bool(node.factor.size == 1)


def _in_turn(layer: LayerBuild) -> bool:
    """Whether windows come one after another: none begins before the last one has ended."""
    node, sizes = layer.node, layer.source.shape[:-1]
    if node.pads or tuple(node.pool) != tuple(node.stride):
        return False
    # Over an image: whole rows, or parts that fill a row.
    rows, columns = (1, *sizes)[-2:]
    pool_rows, pool_columns = (1, *node.pool)[-2:]
    in_rows = pool_rows == 1 and (columns % pool_columns == 0 or rows == 1)
    return bool(in_rows or (pool_columns == columns and rows % pool_rows == 0))


def _windows(layer: LayerBuild) -> Windows:
    node = layer.node
    pads = node.pads or ((0, 0),) * len(node.pool)
    return Windows.of(layer.source.shape[:-1], node.pool, node.stride, pads)


def _sum_format(layer: LayerBuild) -> FixedFormat:
    """Format of raw integers that holds every window's sum."""
    fmt, most = layer.source.fmt, prod(layer.node.pool)
    return format_for(most * fmt.min_raw, most * fmt.max_raw, 0)
