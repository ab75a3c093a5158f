from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import folded_verilog
import numpy as np
import pytest
from networks import gru_cnn_graph, random_weights

from hw_amc import report
from hw_amc.config import BoardSettings, HlsSettings, LayerHls, load_board, load_project
from hw_amc.errors import ConfigError, UnsupportedLayer
from hw_amc.graph import Graph
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import estimate
from hw_amc.hls.estimate.logic import (
    Adders,
    Context,
    csd_digits,
    literal_adders,
    multiplier,
    product_luts,
    rom_luts,
    select_luts,
)
from hw_amc.hls.estimate.product import product_cost
from hw_amc.hls.estimate.whole import legal_reuse_factors
from hw_amc.hls.folding import Pool
from hw_amc.hls.product import Product
from hw_amc.parts import SEVEN_SERIES
from hw_amc.synth import yosys

ROOT = Path(__file__).parents[1]
BOARDS = ROOT / "boards"


@pytest.fixture(scope="module")
def board() -> BoardSettings:
    return load_board("pynq-z2", BOARDS)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return gru_cnn_graph(np.random.default_rng(5), frame_len=32, cells=12, filters=(6, 4), sparsity=0.6)


def with_reuse(**factors: Any) -> Any:
    return HlsSettings(layers={name: LayerHls(reuse_factor=factor) for name, factor in factors.items()})


LATENCY = HlsSettings(layers={"gru_affine": LayerHls(strategy="latency")})


def test_csd_digits() -> None:
    values = [0, 1, 2, 3, 7, -7, 15, 255, -128, 85, 90]
    assert csd_digits(values).tolist() == [0, 1, 1, 2, 2, 2, 2, 2, 1, 4, 4]


def test_csd_digits_are_the_fewest_for_all_8_bit_weights() -> None:
    fewest = {0: 0}
    reached = {0}
    for digits in range(1, 6):
        reached |= {value + sign * (1 << shift) for value in reached for sign in (1, -1) for shift in range(10)}
        for value in reached:
            fewest.setdefault(value, digits)
    values = range(-128, 128)
    assert csd_digits(list(values)).tolist() == [fewest[value] for value in values]


# x is 8 bits wide. 3x is x + 2x, an adder of 9 bits since the lowest passes by; 4x is a shift.
LITERALS = [
    ([[0], [0]], [5], Adders(0, 0, 0)),
    ([[4], [0]], [0], Adders(0, 0, 0)),
    ([[3], [0]], [0], Adders(9, 0, 1)),
    # x0 + x1: 9 bits. 3 x0 + 4 x1: bits 2 to 10 of a sum that has 11.
    ([[1], [1]], [0], Adders(9, 0, 1)),
    ([[3], [4]], [0], Adders(9 + 9, 0, 2)),
    # With a bias one more of 12 bits.
    ([[3], [4]], [-7], Adders(9 + 9 + 12, 0, 3)),
    # 12 x0 is 3 x0 shifted: worked out once for both outputs. 12 x0 + x1: bits 2 to 12.
    ([[3, 12], [4, 1]], [0, 0], Adders(9 + 9 + 11, 0, 2)),
    # Five terms in three levels: x0 + 2 x1 of 10 bits, 8 x3 - 4 x2 of 12, both of 13; with the fifth, of 14.
    # The two low bits of 8 x3 - 4 x2 are empty; its bit 2 must be subtracted, unlike in 8 x3 + 4 x2.
    ([[1], [2], [-4], [8], [1]], [0], Adders(9 + 10 + 11 + 14, 0, 3)),
    ([[1], [2], [4], [8], [1]], [0], Adders(9 + 9 + 11 + 14, 0, 3)),
]


# 5 = 4 + 1; 7 = 8 - 1, which borrows from bit 0 on; 11 = 2 (4 + 1) + 1; 23 = (4 - 1) 8 - 1.
@pytest.mark.parametrize(("constant", "luts"), [(1, 0), (3, 9), (5, 9), (7, 11), (11, 9 + 11), (23, 10 + 13)])
def test_product_luts_by_hand(constant: int, luts: Any) -> None:
    assert product_luts(constant, 8) == luts


@pytest.mark.parametrize(("matrix", "bias", "wanted"), LITERALS)
def test_literal_adders_by_hand(matrix: Any, bias: Any, wanted: Any) -> None:
    assert literal_adders(matrix, bias, x_bits=8, acc_bits=20, per_cycle=99) == wanted


def test_registers_stand_behind_every_full_cycle_of_adders() -> None:
    eight = [[1]] * 8
    # Levels of 9, 10 and 11 bits with 4, 2 and 1 sums.
    assert literal_adders(eight, [0], 8, 20, per_cycle=1).ff == 4 * 9 + 2 * 10 + 11
    assert literal_adders(eight, [0], 8, 20, per_cycle=2).ff == 2 * 10


def test_no_adder_is_wider_than_the_accumulator() -> None:
    assert literal_adders([[1]] * 4, [0], 8, acc_bits=9, per_cycle=99).lut == 3 * 9


@pytest.mark.parametrize(
    ("bits", "on_dsp", "wanted"),
    [((8, 8), False, (176, 0)), ((8, 8), True, (0, 1)), ((25, 18), True, (0, 1)), ((8, 26), True, (0, 2))],
)
def test_multiplier(bits: Any, on_dsp: bool, wanted: Any) -> None:
    assert multiplier(*bits, on_dsp) == wanted


# A LUT holds two two-way selections, or 64 words of a bit.
@pytest.mark.parametrize(("ways", "luts"), [(1, 0), (2, 1), (4, 2), (5, 2), (7, 3), (16, 8), (80, 40)])
def test_select_luts_by_hand(ways: int, luts: int) -> None:
    assert select_luts(ways) == luts


@pytest.mark.parametrize(("depth", "bits", "luts"), [(1, 9, 0), (2, 9, 9), (64, 8, 8), (65, 8, 16)])
def test_rom_luts_by_hand(depth: int, bits: int, luts: int) -> None:
    assert rom_luts(depth, bits) == luts


#: Shape of a matrix, members of a cell, reuse factor, share of zeros.
SHARED = [((24, 24), 1, 12, 0.7), ((22, 80), 4, 20, 0.7), ((40, 8), 1, 40, 0.5), ((16, 64), 4, 32, 0.5)]


#: Bits of inputs and weights of multipliers without a DSP block, beside the 8 and 8 of all of SHARED.
NARROW = (8, 4), (6, 6), (12, 8)


def shared(
    shape: tuple[int, int], members: int, factor: int, sparsity: float, bits: tuple[int, int], dsp: int | None
) -> Product:
    """A product of random weights on shared multipliers, all on DSP blocks or, with `dsp` 0, none."""
    x_fmt, w_fmt = (FixedFormat(each, each - 1) for each in bits)
    weights = random_weights(np.random.default_rng(1), shape, w_fmt, sparsity).astype(np.int64)
    bias = np.random.default_rng(2).integers(-2000, 2000, shape[1])
    pools = (Pool(0, shape[0], factor),)
    return Product("p", weights, bias, 0, x_fmt, FixedFormat(sum(bits) + 4, 14), "resource", members, pools, dsp=dsp)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "members", "factor", "sparsity"), SHARED)
def test_shared_products_cost_what_yosys_says(
    tmp_path: Path, shape: tuple[int, int], members: int, factor: int, sparsity: float
) -> None:
    """Selections, ROMs, trees and accumulators, as Verilog: the table of docs/estimate.md."""
    product = shared(shape, members, factor, sparsity, (8, 8), None)
    found = yosys.run(folded_verilog.emit(product), folded_verilog.TOP, tmp_path, options=["-nodsp"])
    cost = product_cost(product, Context(SEVEN_SERIES, 5.84))
    assert cost.dsp == product.folding.multipliers
    assert 0.85 <= cost.lut / found.lut <= 1.05


@pytest.mark.slow
@pytest.mark.parametrize(("matrix", "bits"), [*((each, (8, 8)) for each in SHARED), *((SHARED[0], b) for b in NARROW)])
def test_multipliers_of_luts_cost_what_yosys_says(tmp_path: Path, matrix: Any, bits: tuple[int, int]) -> None:
    """The same products without a DSP block: the second table of docs/estimate.md."""
    product = shared(*matrix, bits, 0)
    found = yosys.run(folded_verilog.emit(product), folded_verilog.TOP, tmp_path, options=["-nodsp"])
    cost = product_cost(product, Context(SEVEN_SERIES, 5.84))
    assert cost.dsp == 0
    assert 0.94 <= cost.lut / found.lut <= 1.11


@pytest.mark.parametrize(("resource", "percent", "fits"), [("lut", 85, True), ("lut", 85.1, False), ("dsp", 100, True)])
def test_fits_leaves_room_for_the_error_of_the_estimate(
    graph: Graph, board: BoardSettings, resource: str, percent: float, fits: bool
) -> None:
    found = estimate.hls(graph, with_reuse(gru=12), board)
    assert found.fits
    assert replace(found, percent={**found.percent, resource: percent}).fits is fits


def test_the_committed_network_fits_its_board_at_2000_frames_a_second() -> None:
    """The settings of project.toml are chosen by the estimate: within 85 % of the part, at the board's 125 MHz."""
    settings = load_project(ROOT / "hls_projects" / "gru_cnn_sparse07")
    graph = Graph.load(ROOT / "hls_projects" / "gru_cnn_sparse07")
    found = estimate.hls(graph, settings.hls, load_board("pynq-z2", BOARDS))
    assert found.clock_mhz == 125
    assert found.frames_per_s >= 2000
    assert max(found.percent.values()) <= 85


@pytest.mark.parametrize("model", sorted(path.parent.name for path in (ROOT / "hls_projects").glob("*/graph.json")))
def test_reuse_factors_that_a_project_chooses_fit_its_board(model: str) -> None:
    settings = load_project(ROOT / "hls_projects" / model)
    graph, board = Graph.load(ROOT / "hls_projects" / model), load_board(settings.board, BOARDS)
    assert settings.hls.layers
    if not estimate.hls(graph, settings.hls, board).fits:
        assert estimate.fitting(graph, settings.hls, board) is None  # nothing does


def test_stages_pack_operations_into_cycles() -> None:
    context = Context(replace(SEVEN_SERIES, add_ns=2.0, add_bit_ns=0.0, mul_ns=4.0), usable_ns=5.0)
    assert context.stages([]) == 1
    assert context.stages([2.0, 2.0]) == 1
    assert context.stages([2.0, 2.0, 2.0]) == 2
    assert context.stages([2.0, 4.0, 2.0]) == 3
    # What fits into no cycle still takes one.
    assert context.stages([9.0, 2.0]) == 2
    assert context.per_cycle(16) == 2


def test_affine_by_hand(graph: Graph, board: BoardSettings) -> None:
    node, source = graph["gru_affine"], graph["gru"]
    channels = len(node.kernel)
    kernel, bias = np.zeros(channels, np.int32), np.zeros(channels, np.int32)
    kernel[:2], bias[0] = (3, 4), 1
    cost = estimate.hls(graph.replace_node(replace(node, kernel=kernel, bias=bias)), LATENCY, board)
    found = next(layer for layer in cost.layers if layer.name == "gru_affine")
    stream = channels * node.fmt.bits
    # 3x and its bias are adders of 9 and 11 bits; 4x is a shift; the rest is the stream behind the layer.
    assert found.lut == 9 + 11 + stream
    assert found.dsp == 0
    assert source.shape[0] < found.cycles < source.shape[0] + 8


def test_zero_weights_cost_nothing(graph: Graph, board: BoardSettings) -> None:
    node = graph["gru"]
    for factor in legal_reuse_factors(graph, node):
        settings = with_reuse(gru=factor)
        empty = replace(node, kernel=node.kernel * 0, recurrent=node.recurrent * 0)
        none = estimate.hls(graph.replace_node(empty), settings, board)
        some = estimate.hls(graph, settings, board)
        one = node.recurrent.copy()
        one[np.nonzero(one)[0][0], np.nonzero(one)[1][0]] = 0
        fewer = estimate.hls(graph.replace_node(replace(node, recurrent=one)), settings, board)
        assert none.total.lut < min(fewer.total.lut, some.total.lut)
        assert none.total.dsp <= min(fewer.total.dsp, some.total.dsp)
    # Without a weight there is no multiplier: what is left is the cells.
    cells = [estimate.hls(graph.replace_node(empty), with_reuse(gru=f), board).total.dsp for f in (1, 12)]
    assert cells == [24, 2]


def test_cycles_grow_and_multipliers_fall_with_the_reuse_factor(graph: Graph, board: BoardSettings) -> None:
    for name in ("gru", "conv1", "conv2", "gru_affine"):
        costs = []
        for factor in legal_reuse_factors(graph, graph[name]):
            found = estimate.hls(graph, with_reuse(**{name: factor}), board)
            costs.append(next(cost for cost in found.layers if cost.name == name))
        cycles = [cost.cycles for cost in costs]
        assert cycles == sorted(cycles)
        assert cycles[0] < cycles[-1]
        # At reuse factor 1 constants need no multiplier; from 2 on, fewer and fewer serve.
        dsps = [cost.dsp for cost in costs[1:]]
        assert dsps == sorted(dsps, reverse=True)


def test_the_slowest_layer_gives_the_interval(graph: Graph, board: BoardSettings) -> None:
    found = estimate.hls(graph, with_reuse(gru=12), board)
    assert found.total.cycles == max(cost.cycles for cost in found.layers)
    assert found.total.cycles % graph.frame_len == 0
    assert found.total.latency_cycles > found.total.cycles
    assert found.frames_per_s == pytest.approx(125e6 / found.total.cycles, abs=0.1)
    assert found.total.lut == sum(cost.lut for cost in found.layers)
    assert found.percent["lut"] == pytest.approx(100 * found.total.lut / 53200, abs=0.01)
    assert "uram" not in found.percent


def test_a_slower_clock_needs_fewer_cycles_and_vivado_keeps_less_back(graph: Graph, board: BoardSettings) -> None:
    fast = estimate.hls(graph, HlsSettings(clock_ns=4.0), board).total.cycles
    slow = estimate.hls(graph, HlsSettings(clock_ns=20.0), board).total.cycles
    assert slow < fast
    vitis = estimate.hls(graph, HlsSettings(), board).total.cycles
    assert estimate.hls(graph, HlsSettings(backend="Vivado"), board).total.cycles <= vitis


def test_an_illegal_reuse_factor_is_refused_with_the_legal_ones(graph: Graph, board: BoardSettings) -> None:
    with pytest.raises(ConfigError, match=r"hls.layers.gru.*reuse_factor = 7.*1, 2, 3, 4, 6, 12"):
        estimate.hls(graph, with_reuse(gru=7), board)


def test_an_unknown_family_is_refused(graph: Graph, board: BoardSettings) -> None:
    with pytest.raises(UnsupportedLayer, match="part '10AX'"):
        estimate.hls(graph, HlsSettings(), board.model_copy(update={"part": "10AX"}))


def test_the_sweep_searches_for_no_adder_graph(
    graph: Graph, board: BoardSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen before: on a fresh machine `make hls` spent minutes on the row of reuse factor 1, in silence."""
    monkeypatch.setattr("hw_amc.hls.strategies.distributed_arithmetic.DistributedArithmetic.graph", pytest.fail)
    assert estimate.sweep(graph, HlsSettings(), board, [1, 2])


def test_sweep_and_estimate_fit_the_report(graph: Graph, board: BoardSettings, tmp_path: Path) -> None:
    rows = estimate.sweep(graph, HlsSettings(), board, [1, 4, 12])
    assert [row["reuse_factor"] for row in rows] == [1, 4, 12]
    assert [row["cycles_per_frame"] for row in rows] == sorted(row["cycles_per_frame"] for row in rows)
    section = estimate.hls(graph, HlsSettings(), board).section("make hls", rows)
    whole = report.merge(tmp_path, {"estimate": {"hls": section}})
    assert whole["estimate"]["hls"]["kind"] == "estimated"
    assert [row["reuse_factor"] for row in estimate.sweep(graph, HlsSettings(), board)][:4] == [1, 2, 3, 6]
