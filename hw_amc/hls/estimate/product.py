"""What a constant product costs by its strategy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw_amc.adders import AdderGraph
from hw_amc.hls.cpp import bits_of
from hw_amc.hls.estimate.logic import Context, bram18, literal_adders, multiplier, rom_luts, select_luts
from hw_amc.hls.folding import Multiplier
from hw_amc.hls.places import Rounds
from hw_amc.hls.product import Product
from hw_amc.hls.roms import in_bram
from hw_amc.hls.strategies.distributed_arithmetic import DISTRIBUTED_ARITHMETIC

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ProductCost:
    """One constant product: resources, and the way from its inputs to its outputs."""

    lut: int
    ff: int
    dsp: int
    #: Halves of a block RAM.
    bram18: int
    #: Rounds of the loop inside a step, 0 where everything is worked out at once.
    rounds: int
    #: Delays in series along the way of one round.
    path_ns: tuple[float, ...]


def product_cost(product: Product, context: Context) -> ProductCost:
    """Estimate a product."""
    return _by_place(product, context) if product.places > 1 else _STRATEGIES[product.strategy](product, context)


def _latency(product: Product, context: Context) -> ProductCost:
    acc = product.acc_fmt.bits
    found = literal_adders(product.matrix << product.shift, product.bias, product.x_fmt.bits, acc,
                           context.per_cycle(acc))  # fmt: skip
    return ProductCost(found.lut, found.ff, 0, 0, 0, tuple(context.adds(found.levels, acc)))


def _adder_graph(product: Product, context: Context) -> ProductCost:
    graph, acc = DISTRIBUTED_ARITHMETIC.graph(product), product.acc_fmt.bits
    biases = int(np.count_nonzero(product.bias))
    lut = graph_luts(graph) + biases * acc
    return ProductCost(
        lut, graph_ffs(graph, context.per_cycle(acc)), 0, 0, 0, tuple(context.adds(graph.depth + (biases > 0), acc))
    )


def graph_luts(graph: AdderGraph) -> int:
    """LUTs of the adders: one a bit, without the low bits that pass by."""
    count, total = len(graph.inputs), 0
    for index, adder in enumerate(graph.adders, count):
        # What lies below the shifted operand passes, unless it is subtracted from zeros.
        passes = adder.shift_a if adder.subtract and adder.shift_a == 0 else max(adder.shift_a, adder.shift_b)
        passes = adder.shift_b if adder.subtract and adder.shift_b else passes
        total += max(graph.formats[index].bits - passes, 1)
    return total


def graph_ffs(graph: AdderGraph, per_cycle: int) -> int:
    """FFs that carry values over the ends of cycles, `per_cycle` adders in a row to a cycle."""
    stages = [level // per_cycle for level in graph.levels]
    last = list(stages)
    for index, adder in enumerate(graph.adders, len(graph.inputs)):
        for source in (adder.a, adder.b):
            last[source] = max(last[source], stages[index])
    end = max(stages, default=0)
    for output in graph.outputs:
        if output.node is not None:
            last[output.node] = end
    spans = (after - before for before, after in zip(stages, last, strict=True))
    return sum(span * fmt.bits for span, fmt in zip(spans, graph.formats, strict=True))


def _folded(product: Product, context: Context) -> ProductCost:
    folding, acc = product.folding, product.acc_fmt.bits
    lut = ff = dsp = bram = number = 0
    most_taps = most_terms = 1
    for bank in folding.banks:
        for each in bank.multipliers:
            on_dsp = product.dsp is None or number < product.dsp
            costs = _multiplier(each, product.x_fmt.bits, on_dsp)
            lut, ff, dsp, bram = lut + costs[0], ff + costs[1], dsp + costs[2], bram + costs[3]
            most_taps = max(most_taps, len(each.inputs))
            number += 1
        most_terms = max(most_terms, len(bank.multipliers))
        tree_lut, tree_ff = _tree([each.weights for each in bank.multipliers], product.x_fmt.bits, acc, context)
        begins = rom_luts(folding.positions, acc) if folding.positions > 1 else 0
        # The accumulator's adder, and the selection of what it begins with.
        lut += tree_lut + 2 * acc + begins
        ff += tree_ff + acc
    control = rom_luts(folding.rounds, bits_of(np.arange(folding.positions)) + 2)
    path = (
        context.family.add_ns / 2 * math.ceil(math.log(max(most_taps, 2), 4)),
        context.family.mul_ns,
        *context.adds(math.ceil(math.log2(most_terms)) + 1, acc),
    )
    return ProductCost(lut + control, ff, dsp, bram, folding.rounds, path)


def _multiplier(each: Multiplier, x_bits: int, on_dsp: bool) -> tuple[int, int, int, int]:
    """LUTs, FFs, DSPs and halves of block RAM of one multiplier with its ROMs and its selection."""
    w_bits, rounds = bits_of(each.weights), len(each.weights)
    roms = [each.weights]
    if len(each.inputs) > 1 and not np.array_equal(each.picks, np.arange(rounds)):
        roms.append(each.picks)
    rom_lut, bram = np.sum([_rom(values) for values in roms], axis=0).tolist()
    product_lut, dsp = multiplier(x_bits, w_bits, on_dsp)
    return x_bits * select_luts(len(each.inputs)) + rom_lut + product_lut, 2 * x_bits + w_bits, dsp, bram


def _rom(values: Integers) -> tuple[int, int]:
    """LUTs and halves of block RAM of a ROM."""
    depth, bits = len(values), bits_of(values)
    return (0, bram18(depth, bits)) if in_bram(values) else (rom_luts(depth, bits), 0)


def _by_place(product: Product, context: Context) -> ProductCost:
    rounds, acc, x_bits = Rounds.of(product), product.acc_fmt.bits, product.x_fmt.bits
    weights = rounds.weights(product.matrix)
    lut = rounds.taps * x_bits * select_luts(rounds.rounds)
    ff = dsp = bram = 0
    for number, values in enumerate(weights):
        product_lut, blocks = multiplier(x_bits, bits_of(values), product.dsp is None or number < product.dsp)
        rom_lut, halves = _rom(values)
        lut, ff, dsp, bram = lut + product_lut + rom_lut, ff + x_bits + bits_of(values), dsp + blocks, bram + halves
    for lane in np.split(weights, rounds.lanes):
        tree_lut, tree_ff = _tree(list(lane), x_bits, acc, context)
        # The accumulator's adder, and the selection of what it begins with: a bias or an earlier place's sum.
        lut += tree_lut + 3 * acc + rom_luts(rounds.slots, acc)
        ff += tree_ff + acc
    path = (
        context.family.add_ns / 2 * math.ceil(math.log(max(rounds.rounds, 2), 4)),
        context.family.mul_ns,
        *context.adds(math.ceil(math.log2(rounds.taps)) + 1, acc),
    )
    return ProductCost(lut, ff, dsp, bram, rounds.slots * rounds.rounds, path)


def _tree(weights: Sequence[Integers], x_bits: int, acc: int, context: Context) -> tuple[int, int]:
    """LUTs and FFs of the additions of a round's products, from the weights of each multiplier."""
    widths = [min(x_bits + bits_of(values), acc) for values in weights]
    lut = ff = level = 0
    while len(widths) > 1:
        level += 1
        sums = [min(max(a, b) + 1, acc) for a, b in zip(widths[::2], widths[1::2], strict=False)]
        lut += sum(sums)
        widths = sums + widths[2 * len(sums) :]
        if level % context.per_cycle(acc) == 0:
            ff += sum(widths)
    return lut, ff


_STRATEGIES = {"latency": _latency, "distributed_arithmetic": _adder_graph, "resource": _folded}
