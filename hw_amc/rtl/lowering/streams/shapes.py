"""Operations that only say where elements stand: nothing moves before an operation needs vectors of a form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_amc import graph as ir
from hw_amc.rtl.lowering.streams.elements import whole
from hw_amc.rtl.lowering.streams.placement import Placed
from hw_amc.rtl.lowering.streams.registry import writes
from hw_amc.rtl.lowering.streams.writer import Writer


@writes(ir.Reshape)
def write_reshape(writer: Writer, node: ir.Reshape) -> None:
    """The same places in another shape; rows of an image side by side in vectors where nothing else runs over time."""
    placed = writer.placed[node.inputs[0]]
    placed = placed.moved(placed.where.reshape(node.shape))
    if writer.folds and len(node.shape) == 3 and placed.best_view((0, 1)) is None:
        placed = _folded(writer, node, placed)
    writer.put(node, placed)


def _folded(writer: Writer, node: ir.Reshape, placed: Placed) -> Placed:
    """So many vectors side by side that an axis runs over time; the tensor as it was where no number does."""
    vectors, lanes = placed.vectors, placed.lanes
    for fold in (count for count in range(2, vectors) if vectors % count == 0):
        time, lane = np.divmod(placed.where, lanes)
        found = placed.moved(time // fold * (fold * lanes) + time % fold * lanes + lane)
        wide = replace(found, node=replace(placed.node, shape=(vectors // fold, fold * lanes)))
        if wide.best_view((0, 1)) is not None:
            taps = tuple(reversed(range(fold)))
            return Placed(writer.taps(node.name, placed.node, taps, fold - 1, fold, vectors // fold), found.where)
    return placed


@writes(ir.Permute)
def write_permute(writer: Writer, node: ir.Permute) -> None:
    """The same places, axes turned."""
    placed = writer.placed[node.inputs[0]]
    writer.put(node, placed.moved(placed.where.transpose(node.order)))


@writes(ir.Reverse)
def write_reverse(writer: Writer, node: ir.Reverse) -> None:
    """The same places from the last one on."""
    placed = writer.placed[node.inputs[0]]
    writer.put(node, placed.moved(np.flip(placed.where, 0)))


@writes(ir.ZeroPad)
def write_zero_pad(writer: Writer, node: ir.ZeroPad) -> None:
    """Zeros, which a convolution behind them adds to its own; none can stand where the stream has what was cut off."""
    placed = writer.placed[node.inputs[0]]
    if not (placed.where < 0).any():
        placed = whole(writer, node, placed)
    writer.put(node, placed.moved(np.pad(placed.where, (*node.pads, (0, 0)), constant_values=-1)))


@writes(ir.Crop)
def write_crop(writer: Writer, node: ir.Crop) -> None:
    """Fewer places."""
    placed = writer.placed[node.inputs[0]]
    *sizes, _ = placed.where.shape
    inside = tuple(slice(before, size - behind) for size, (before, behind) in zip(sizes, node.crops, strict=True))
    writer.put(node, placed.moved(placed.where[inside]))
