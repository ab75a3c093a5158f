"""Cycles and resources of each operation, after the loops of the HLS kernels (hls/firmware/hw_amc_kernels.h)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from hw_amc import graph as ir
from hw_amc.config import LayerHls
from hw_amc.errors import UnsupportedLayer
from hw_amc.graph import Node
from hw_amc.hls import terms
from hw_amc.hls.estimate.logic import Context, literal_adders, multiplier, round_clip, select_luts

#: States that enter and leave a loop which is not the whole function.
LOOP_STATES = 2


@dataclass(frozen=True)
class Cost:
    """Estimate for one layer, or for all."""

    name: str
    #: Clock cycles per frame: the layer's own interval; of the whole, that of the slowest layer.
    cycles: int = 0
    #: From a sample to what it causes at the layer's output; of the whole, from the first sample to the logits.
    latency_cycles: int = 0
    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram36: float = 0.0

    def figures(self) -> dict[str, int | float]:
        """Figures by the names of the report."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "name"}


@dataclass(frozen=True)
class Core:
    """One constant product at its reuse factor: resources, and the cycles from input to output."""

    lut: int
    ff: int
    dsp: int
    #: Rounds of the loop inside a step, 0 for straight-line text.
    rounds: int
    #: Adder and multiplier delays along the path of one round.
    path_ns: tuple[float, ...]

    def loop_cycles(self, context: Context) -> int:
        """Cycles of the loop over the rounds in one time step."""
        return self.rounds + context.stages(self.path_ns) - 1 + LOOP_STATES if self.rounds else 0


def layer_cost(node: Node, source: Node, layer: LayerHls, context: Context) -> Cost:
    """Estimate one node, built as `layer` says, with the stream behind it.

    Raises
    ------
    ConfigError
        The reuse factor is illegal for the node.
    UnsupportedLayer
        No formula is known for the operation.
    """
    if type(node) not in _ESTIMATES:
        raise UnsupportedLayer(f"no estimate is known for {node.op!r} (node {node.name!r})")
    node.refuse_options("no estimate")
    cost = _ESTIMATES[type(node)](node, source, layer, context)
    # The stream is a shift register of LUTs with a register at its end, one word a time step.
    bits = node.shape[-1] * node.fmt.bits
    return replace(cost, lut=cost.lut + bits, ff=cost.ff + bits)


def _core(product: terms.Product, x_bits: int, w_bits: int, acc_bits: int, context: Context) -> Core:
    if product.literal or product.reuse_factor == 1:
        found = literal_adders(product.matrix, product.bias, x_bits, acc_bits, context.per_cycle(acc_bits))
        return Core(found.lut, found.ff, 0, 0 if product.literal else 1, tuple(context.adds(found.levels, acc_bits)))
    inputs, outputs = product.schedule.inputs, product.schedule.outputs
    multipliers, rounds = inputs.shape
    lut = ff = dsp = 0
    for taps, targets in zip(inputs, outputs, strict=True):
        lut += x_bits * select_luts(len(np.unique(taps)))
        lut += w_bits * math.ceil(rounds / 64)
        lut += acc_bits * (len(np.unique(targets)) - 1)
        ff += x_bits + w_bits
    served = np.bincount(outputs[:, 0], minlength=len(product.bias)) if multipliers else np.zeros(1, np.int64)
    for count in served[served > 0].tolist():
        on_dsp = (count + 1) // 2
        lone_lut, lone_dsp = multiplier(x_bits, w_bits)
        dsp += on_dsp + (count - on_dsp) * lone_dsp
        # Half of the additions are in the DSPs; the others, and the bias at the start, are adders.
        lut += (count - on_dsp) * (lone_lut + acc_bits)
        ff += acc_bits
    levels = math.ceil(math.log2(max(int(served.max()), 1))) + 1
    path = (*context.adds(1, 1), context.family.mul_ns, *context.adds(levels, acc_bits))
    return Core(lut, ff, dsp, rounds, path)


def _gru(node: ir.Gru, source: Node, layer: LayerHls, context: Context) -> Cost:
    formats = node.product_ranges(source.fmt)
    products = terms.products(node, source.fmt, layer)
    widths = ((source.fmt.bits, node.kernel_fmt.bits), (node.fmt.bits, node.recurrent_fmt.bits))
    cores = [
        _core(product, x_bits, w_bits, fmt.bits, context)
        for product, (x_bits, w_bits), fmt in zip(products, widths, formats, strict=True)
    ]
    acc, state, gate = formats[1].bits, node.fmt, node.gate_fmt
    cells, literal = math.ceil(node.units / layer.reuse_factor), products[0].literal
    cell_lut, cell_dsp = _cell(acc, gate.bits, state.bits)
    cell_path = [
        *context.adds(3, acc),
        context.family.mul_ns,
        *context.adds(3, acc + gate.bits),
        context.family.mul_ns,
        *context.adds(3, state.bits + gate.bits),
    ]
    if literal:
        step = context.stages([*cores[1].path_ns, *cell_path])
    else:
        loops = sum(core.loop_cycles(context) for core in cores)
        step = 2 + loops + math.ceil(node.units / cells) + context.stages(cell_path) - 1 + LOOP_STATES
    # A cell's operands are selected from units / cells ones, gate by gate; old state, six products.
    selected = (6 * acc + state.bits) * select_luts(math.ceil(node.units / cells))
    registers = node.units * state.bits + (0 if literal else 3 * node.units * sum(f.bits for f in formats))
    return Cost(
        node.name,
        cycles=node.shape[0] * step,
        latency_cycles=step,
        lut=sum(core.lut for core in cores) + cells * (cell_lut + selected),
        ff=sum(core.ff for core in cores) + registers + cells * 4 * (acc + state.bits),
        dsp=sum(core.dsp for core in cores) + cells * cell_dsp,
    )


def _cell(acc_bits: int, gate_bits: int, state_bits: int) -> tuple[int, int]:
    """LUTs and DSPs of one cell: two hard sigmoids, the candidate, the blend, each rounded and saturated."""
    wide = acc_bits + gate_bits
    blend = state_bits + gate_bits + 1
    lut = 2 * (acc_bits + round_clip(acc_bits + 1, gate_bits))
    lut += wide + round_clip(wide + 1, state_bits)
    lut += gate_bits + 1 + blend + round_clip(blend + 1, state_bits)
    pairs = ((gate_bits, acc_bits, False), (gate_bits, state_bits, True), (gate_bits + 1, state_bits, False))
    costs = [multiplier(a, b, added) for a, b, added in pairs]
    return lut + sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)


def _linear(node: Any, source: Node, layer: LayerHls, context: Context) -> Cost:
    (product,) = terms.products(node, source.fmt, layer)
    core = _core(product, source.fmt.bits, node.kernel_fmt.bits, node.fmt.bits, context)
    width = node.kernel.shape[0] if isinstance(node, ir.Conv1d) else 1
    # Steps that only fill the window.
    ahead = width - 1 - (width - 1) // 2
    depth = context.stages(core.path_ns) + 1
    step = 1 if product.literal else 2 + core.loop_cycles(context)
    window = width * source.shape[-1] * source.fmt.bits
    return Cost(
        node.name,
        cycles=_steps(node) * step + (ahead + depth if product.literal else 2 * ahead),
        latency_cycles=max(step, depth) + ahead,
        lut=core.lut,
        ff=core.ff + window + node.shape[-1] * node.fmt.bits,
        dsp=core.dsp,
    )


def _quantize(node: ir.Quantize, source: Node, layer: LayerHls, context: Context) -> Cost:
    channels = node.shape[-1]
    lut = round_clip(source.fmt.bits, node.fmt.bits)
    return Cost(node.name, _steps(node) + 2, 2, channels * lut, channels * node.fmt.bits)


def _pool(node: Node, source: Node, layer: LayerHls, context: Context) -> Cost:
    channels, bits = node.shape[-1], node.fmt.bits
    # A maximum compares and selects, a mean adds.
    lut = channels * bits * (2 if isinstance(node, ir.MaxPool1d) else 1)
    return Cost(node.name, source.shape[0] + 2, 2, lut, 2 * channels * bits)


_ESTIMATES: dict[type[Node], Callable[..., Cost]] = {
    ir.Quantize: _quantize,
    ir.Gru: _gru,
    ir.Conv1d: _linear,
    ir.Dense: _linear,
    ir.Affine: _linear,
    ir.AvgPool1d: _pool,
    ir.MaxPool1d: _pool,
    ir.GlobalAvgPool1d: _pool,
}


def _steps(node: Node) -> int:
    return node.shape[0] if len(node.shape) == 2 else 1
