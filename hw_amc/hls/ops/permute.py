"""Axes in another order."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from hw_amc import graph as ir
from hw_amc.graph import Node
from hw_amc.hls.cpp import constant, raw_type, select
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import LOOP_STATES, Context, bram18, select_luts
from hw_amc.hls.ops.base import LayerBuild, Operation, elements
from hw_amc.hls.ops.reshape import refuse_long

_AXES = ("first", "second", "third")


class Permute(Operation):
    """A memory of a frame: written, then read in the new order."""

    node: ClassVar[type[Node]] = ir.Permute
    header: ClassVar[str] = "hw_amc_permute.h"

    def refusal(self, layer: LayerBuild) -> str:
        if len(layer.node.shape) > len(_AXES):
            return f"the HLS core has up to {len(_AXES)} axes"
        return refuse_long(layer.node)

    def last_needed(self, layer: LayerBuild, place: int) -> list[int]:
        return [elements(layer.source) - 1] * layer.steps

    def kernel(self, layer: LayerBuild) -> str:
        return f"hw_amc::permute_{'elements' if self._channels_stay(layer) else 'values'}"

    def code(self, layer: LayerBuild) -> str:
        if self._channels_stay(layer):
            return ""
        chosen = select([f"channels[{c}]" for c in range(layer.source.shape[-1])], "index")
        lines = [
            f"struct {layer.node.name}_chosen {{",
            "    template <class raw_T> static raw_T of(int index, const raw_T *channels) {",
            "        #pragma HLS INLINE",
            "        using namespace hw_amc::folded;",
            f"        return {chosen};",
            "    }",
            "};",
            "",
        ]
        return "\n".join(lines)

    def members(self, layer: LayerBuild) -> list[str]:
        node, source = layer.node, layer.source
        missing = len(_AXES) - len(node.shape)
        channel = len(source.shape) - 1
        # Elements of the input from one place along an axis to the next; its channels are no step.
        steps = [prod(source.shape[axis + 1 : channel]) if axis != channel else 0 for axis in node.order]
        lines = [
            constant("elements", elements(source)),
            f"typedef {raw_type(source.fmt)} operand_raw_t;",
        ]
        # Channels that stay come all at once.
        sizes = [*[1] * missing, *node.shape[:-1], 1 if self._channels_stay(layer) else node.shape[-1]]
        for name, size, step in zip(_AXES, sizes, [*[0] * missing, *steps], strict=True):
            lines += [constant(f"{name}_size", size), constant(f"{name}_step", step)]
        if not self._channels_stay(layer):
            axis = _AXES[missing + node.order.index(channel)]
            lines += [
                f"typedef {node.name}_chosen chosen;",
                f"static int channel(const hw_amc::axes_state &at) {{ return at.{axis}; }}",
            ]
        return lines

    def cost(self, layer: LayerBuild, context: Context) -> Cost:
        channels, bits, count = layer.source.shape[-1], layer.node.fmt.bits, elements(layer.source)
        turns = count if self._channels_stay(layer) else count * channels
        selected = 0 if self._channels_stay(layer) else bits * select_luts(channels)
        cycles = count + turns + 2 * LOOP_STATES + 3
        registers = (layer.node.shape[-1] + channels) * bits
        return Cost(layer.node.name, cycles, cycles, selected, registers, bram36=channels * bram18(count, bits) / 2)

    def _channels_stay(self, layer: LayerBuild) -> bool:
        return bool(layer.node.order[-1] == len(layer.node.shape) - 1)
