"""The whole accelerator: layers side by side on a stream, and a sweep over the reuse factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hw_amc.config import BoardSettings, HlsSettings, LayerHls
from hw_amc.graph import Graph, Node
from hw_amc.hls import backends, ops
from hw_amc.hls.estimate.cost import Cost
from hw_amc.hls.estimate.logic import Context
from hw_amc.hls.maps import streamed
from hw_amc.hls.target import check_layers
from hw_amc.parts import family_of

#: Rows of a sweep that nobody chose the factors of.
MOST_FACTORS = 10
#: Multipliers of a layer that are tried first where nobody chose reuse factors, then half as many.
MOST_MULTIPLIERS = 64

#: Percent of the board's budget up to which an accelerator is said to fit, where it is not 100: Yosys took up to 1.17
#: times the LUTs that the estimate has for a product, and flip-flops were compared with nothing (docs/estimate.md).
FITS_UP_TO = {"lut": 85.0, "ff": 85.0}


@dataclass(frozen=True)
class Estimate:
    """Layers in graph order, their total, and what it means on the board."""

    layers: tuple[Cost, ...]
    total: Cost
    #: Resource -> percent of the board's budget.
    percent: dict[str, float]
    frames_per_s: float
    clock_mhz: float
    board: BoardSettings = field(repr=False)

    @property
    def fits(self) -> bool:
        """Whether the board's budget holds it, with room for what the estimate was found to leave out."""
        return all(value <= FITS_UP_TO.get(name, 100.0) for name, value in self.percent.items())

    def section(self, command: str, sweep: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return the report's object `estimate.hls`."""
        found = {
            "board": self.board.name,
            "part": self.board.part,
            "clock_mhz": self.clock_mhz,
            "cycles_per_frame": self.total.cycles,
            "latency_cycles": self.total.latency_cycles,
            "frames_per_s": self.frames_per_s,
            **{key: getattr(self.total, key) for key in ("lut", "ff", "dsp", "bram36")},
            "percent": self.percent,
        }
        return {**found, **({"sweep": list(sweep)} if sweep else {}), "command": command, "kind": "estimated"}


def hls(graph: Graph, settings: HlsSettings, board: BoardSettings) -> Estimate:
    """Estimate the HLS accelerator of `graph`.

    Parameters
    ----------
    graph : Graph
    settings : HlsSettings
        Reuse factors, back end (its share of the clock kept for routing) and clock.
    board : BoardSettings
        Part, clock (where `settings` has none) and budget.

    Raises
    ------
    ConfigError
        A setting names no layer of the network, means nothing for it, or is illegal.
    UnsupportedLayer
        A node or a part for which no formula is known.
    """
    clock_ns = settings.clock_ns or 1e3 / board.clock_mhz
    context = Context(family_of(board.part), clock_ns * (1 - backends.find(settings.backend).clock_uncertainty))
    check_layers(graph, settings.layers)
    graph = streamed(graph)
    layers = [_layer_cost(graph, node, settings.layer(node.name), context) for node in graph.nodes[1:]]
    total = _total(graph.name, layers)
    budget = {key: value for key, value in board.budget.model_dump().items() if value and hasattr(total, key)}
    percent = {key: round(100 * getattr(total, key) / value, 2) for key, value in budget.items()}
    clock_mhz = 1e3 / clock_ns
    return Estimate(tuple(layers), total, percent, round(clock_mhz * 1e6 / total.cycles, 1), clock_mhz, board)


def _layer_cost(graph: Graph, node: Node, settings: LayerHls, context: Context) -> Cost:
    """Estimate one node with the streams behind it."""
    operation, layer = ops.find(node), ops.LayerBuild.of(graph, node.name, settings)
    operation.require_form(layer)
    cost = operation.cost(layer, context)
    # A stream is a shift register of LUTs with a register at its end, one word a time step.
    readers = sum(other.inputs.count(node.name) for other in graph.nodes) + (node.name in graph.outputs)
    bits = node.shape[-1] * node.fmt.bits * readers
    return replace(cost, lut=cost.lut + bits, ff=cost.ff + bits)


def legal_reuse_factors(graph: Graph, node: Node) -> list[int]:
    """Reuse factors of a node, ascending; [1] where nothing is multiplied."""
    layer = ops.LayerBuild.of(graph, node.name)
    operation = ops.find(layer.node)
    operation.require_form(layer)
    return operation.legal(layer) if isinstance(operation, ops.LinearOperation | ops.RecurrentOperation) else [1]


def sharing(graph: Graph, multipliers: int) -> dict[str, LayerHls]:
    """Settings that leave about so many multipliers to each layer: those of the layers whose reuse factor is not 1.

    Raises
    ------
    UnsupportedLayer
        The HLS core lacks a layer.
    """
    found = {}
    for node in graph.nodes[1:]:
        layer = ops.LayerBuild.of(graph, node.name)
        weights, legal = ops.find(layer.node).weights_of_step(layer), legal_reuse_factors(graph, node)
        factor = next((each for each in legal if weights <= multipliers * each), legal[-1])
        if factor > 1:
            found[node.name] = LayerHls(reuse_factor=factor)
    return found


def fitting(graph: Graph, settings: HlsSettings, board: BoardSettings) -> dict[str, LayerHls] | None:
    """Settings with the most multipliers a layer, a power of two up to 64, at which the accelerator fits a board.

    Returns
    -------
    Those of the layers whose reuse factor is not 1; None where the board's part is too small for all.

    Raises
    ------
    UnsupportedLayer
        The HLS core lacks a layer, or no formula is known for the part.
    """
    multipliers = MOST_MULTIPLIERS
    while multipliers:
        layers = sharing(graph, multipliers)
        if hls(graph, settings.model_copy(update={"layers": layers}), board).fits:
            return layers
        multipliers //= 2
    return None


def sweep(
    graph: Graph, settings: HlsSettings, board: BoardSettings, reuse_factors: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """Estimate the accelerator at several reuse factors; every layer takes its largest legal one up to each.

    At reuse factor 1 the strategy is `latency`, the upper bound: to find a large matrix' adder graph takes minutes.

    Parameters
    ----------
    graph, settings, board
        As for `hls`; the reuse factors of `settings` are not used.
    reuse_factors : sequence of int, optional
        Some of those that the largest matrix admits, by default.

    Returns
    -------
    list of rows: reuse_factor, cycles_per_frame, latency_cycles, frames_per_s, lut, ff, dsp, bram36, percent, fits.
    """
    rows, graph = [], streamed(graph)
    for wanted in reuse_factors or _factors_of_largest(graph):
        layers = {node.name: _quick(graph, node, wanted) for node in graph.nodes[1:] if ops.find(node).settings}
        found = hls(graph, settings.model_copy(update={"layers": layers}), board)
        row = {"reuse_factor": wanted, "fits": found.fits, **found.section("")}
        rows.append({key: row[key] for key in row if key not in ("board", "part", "clock_mhz", "command", "kind")})
    return rows


def _quick(graph: Graph, node: Node, wanted: int) -> LayerHls:
    """Settings of a layer that are priced without a search."""
    factor = max(each for each in legal_reuse_factors(graph, node) if each <= wanted)
    at_once = factor == 1 and "strategy" in ops.find(node).settings
    return LayerHls(reuse_factor=factor, strategy="latency" if at_once else None)


def _factors_of_largest(graph: Graph) -> list[int]:
    """Legal reuse factors of the node with the most weights, each half as large again as the one before."""
    node = max(graph.nodes[1:], key=lambda node: sum(array.size for array in node.arrays().values()))
    factors = [1]
    for factor in legal_reuse_factors(graph, node):
        if factor >= 1.5 * factors[-1] and len(factors) < MOST_FACTORS:
            factors.append(factor)
    return factors


def _total(name: str, layers: Sequence[Cost]) -> Cost:
    """All layers work at once on a stream: the slowest gives the interval, the others add one step each."""
    slowest = max(layers, key=lambda cost: cost.cycles)
    latency = slowest.cycles + sum(cost.latency_cycles for cost in layers if cost is not slowest)
    sums = {key: sum(getattr(cost, key) for cost in layers) for key in ("lut", "ff", "dsp", "bram36")}
    return Cost(name, slowest.cycles, latency, **sums)
