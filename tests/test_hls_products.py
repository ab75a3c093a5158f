"""Constant products: who multiplies what in which round, their text, and the same integers read back from it."""

from __future__ import annotations

import re
from pathlib import Path

import networks
import numpy as np
import pytest
from numpy.typing import NDArray

from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph import Graph, Node
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import ops
from hw_amc.hls.estimate.whole import legal_reuse_factors
from hw_amc.hls.folding import Folding, Pool, multipliers_of
from hw_amc.hls.product import Product
from hw_amc.hls.strategies import STRATEGIES, choose, strategy_of
from hw_amc.hls.strategies.base import struct_text

Integers = NDArray[np.int64]


def _graph(sparsity: float = 0.6, cells: int = 8) -> Graph:
    return networks.gru_cnn_graph(np.random.default_rng(3), cells=cells, filters=(4, 3), sparsity=sparsity)


def _product(graph: Graph, node: Node, **settings: object) -> Product:
    layer = ops.LayerBuild(node, tuple(graph.sources(node)), LayerHls(**settings))  # type: ignore[arg-type]
    (product,) = ops.find(node).products(layer)
    return product


def _small(matrix: object, strategy: str, members: int = 1, factor: int = 1, bias: object = None) -> Product:
    weights = np.asarray(matrix, np.int64)
    biases = np.zeros(weights.shape[1], np.int64) if bias is None else np.asarray(bias, np.int64)
    pools = (Pool(0, len(weights), factor),)
    return Product("p", weights, biases, 1, FixedFormat(8, 7), FixedFormat(20, 14), strategy, members, pools)


def _sum_up(folding: Folding, shape: tuple[int, ...]) -> Integers:
    """The matrix that a schedule computes: what its multipliers do, round by round."""
    matrix = np.zeros(shape, np.int64)
    for bank in folding.banks:
        for position, (start, length) in enumerate(zip(folding.starts, folding.lengths, strict=True)):
            for each in bank.multipliers:
                for r in np.flatnonzero(each.weights[start : start + length]) + start:
                    output = bank.outputs[position]
                    assert output is not None
                    matrix[each.inputs[each.picks[r]], output] += each.weights[r]
    return matrix


@pytest.mark.parametrize("strategy", ["latency", "resource"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_a_zero_weight_is_never_written(sparsity: float, strategy: str) -> None:
    graph = _graph(sparsity)
    for node in graph.nodes[1:]:
        for factor in legal_reuse_factors(graph, node):
            if not node.arrays() or (strategy == "latency" and factor > 1):
                continue
            product = _product(graph, node, reuse_factor=factor, strategy=strategy)
            text = strategy_of(product).emit(product)
            count = strategy_of(product).multiplications(product)
            terms = re.findall(r"mac\(a, x\[\d+\], (-?\d+)\)", text) if strategy == "latency" else []
            assert len(terms) == (product.nonzeros if strategy == "latency" else 0)
            assert "0" not in terms
            assert len(re.findall(r"\bmultiply<", text)) == (count if strategy == "resource" else 0)
            assert count <= product.nonzeros


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_the_integers_are_read_back_from_the_text(strategy: str) -> None:
    graph = _graph()
    for node in graph.nodes[1:]:
        for factor in legal_reuse_factors(graph, node) if strategy == "resource" else [1]:
            if node.arrays():
                product = _product(graph, node, reuse_factor=factor, strategy=strategy)
                code = f"struct other {{\n}};\n{strategy_of(product).emit(product)}\nint after;"
                matrix, bias = strategy_of(product).parse(struct_text(code, product.name), product.matrix.shape)
                np.testing.assert_array_equal(matrix, product.matrix)
                np.testing.assert_array_equal(bias, product.bias)


def test_the_text_of_latency() -> None:
    product = _small([[0, 3], [-5, 0], [7, 0]], "latency", bias=[-16, 0])
    assert strategy_of(product).emit(product) == (
        "// p: 3 of 6 weights are not zero.\n"
        "struct p {\n"
        "    template <class x_T, class m_T> static void all(const x_T *x, m_T *m) {\n"
        "        #pragma HLS INLINE\n"
        "        using hw_amc::mac;\n"
        "        m_T a;\n"
        "        hw_amc::clear(a); mac(a, x[1], -5); mac(a, x[2], 7); m[0] = hw_amc::total(a, 1, -16);\n"
        "        hw_amc::clear(a); mac(a, x[0], 3); m[1] = hw_amc::total(a, 1, 0);\n"
        "    }\n"
        "};\n"
    )


def test_the_text_of_resource() -> None:
    """Two outputs of three terms on one lane at reuse factor 4: two multipliers, two rounds a position."""
    product = _small([[1, 4], [2, 5], [3, 6]], "resource", factor=4, bias=[7, 0])
    text = strategy_of(product).emit(product)
    assert product.folding.lengths == (2, 2)
    assert "static const signed char weights0[4] = {1, 0, 4, 0};" in text
    assert "static const signed char weights1[4] = {2, 3, 5, 6};" in text
    assert "static const signed char picks1[4] = {0, 1, 0, 1};" in text
    assert "#pragma HLS BIND_STORAGE variable=picks1 type=rom_1p impl=lutram" in text
    second = "multiply<x_T, s_T, true>(choose(picks1[r] >> 0 & 1, x[1], x[2]), weights1[r])"
    assert f"s[0] = add<s_T>(multiply<x_T, s_T, true>(x[0], weights0[r]), {second});" in text
    assert "static const signed char bias[1][2] = {{7, 0}};" in text
    assert "if (position == 1) cells[1] = lanes[0];" in text


def test_the_text_of_distributed_arithmetic_has_no_multiplication() -> None:
    product = _small([[3, 12], [5, 0]], "distributed_arithmetic")
    text = strategy_of(product).emit(product)
    assert "*" not in text.replace("const x_T *x, m_T *m", "")
    assert text.count("type v") <= 4  # 3 x0, which both outputs share, 5 x1, and their sum


@pytest.mark.parametrize("factor", [1, 2, 3, 6, 12, 40, 300])
@pytest.mark.parametrize(("shape", "members"), [((12, 9), 1), ((10, 24), 4), ((7, 6), 3), ((1, 5), 1)])
def test_a_folding_is_the_matrix_within_the_reuse_factor(factor: int, shape: tuple[int, int], members: int) -> None:
    rng = np.random.default_rng(factor)
    matrix = networks.random_weights(rng, shape, FixedFormat(8, 7), 0.5).astype(np.int64)
    folding = Folding.of(matrix, members, (Pool(0, shape[0], factor),), None, 60)
    np.testing.assert_array_equal(_sum_up(folding, shape), matrix)
    assert folding.rounds <= factor
    assert len(folding.banks) == members * folding.lanes
    # Every output has one owner.
    owned = [output for bank in folding.banks for output in bank.outputs if output is not None]
    assert sorted(owned) == list(range(shape[1]))
    # A multiplier selects from inputs that it multiplies, and from no other.
    for bank in folding.banks:
        for each in bank.multipliers:
            assert set(each.inputs) == {each.inputs[p] for p in each.picks[each.weights != 0]}


@pytest.mark.parametrize("positions", [1, 2, 3, 8])
def test_cells_take_turns_in_their_lanes(positions: int) -> None:
    matrix = networks.random_weights(np.random.default_rng(1), (10, 32), FixedFormat(8, 7), 0.5).astype(np.int64)
    folding = Folding.of(matrix, 4, (Pool(0, 10, 10),), positions, 60)
    assert (folding.positions, folding.lanes) == (positions, -(-8 // positions))
    np.testing.assert_array_equal(_sum_up(folding, matrix.shape), matrix)


def test_products_with_factors_of_their_own_have_multipliers_of_their_own() -> None:
    """Rows 0 and 1 are the input's: none of its multipliers serves more than four terms of a step."""
    matrix = networks.random_weights(np.random.default_rng(1), (12, 32), FixedFormat(8, 7)).astype(np.int64)
    folding = Folding.of(matrix, 4, (Pool(0, 2, 4), Pool(2, 12, 20)), 4, 60)
    np.testing.assert_array_equal(_sum_up(folding, matrix.shape), matrix)
    uses = {True: [0], False: [0]}
    for bank in folding.banks:
        for each in bank.multipliers:
            of_input = {index < 2 for index in each.inputs}
            assert len(of_input) == 1
            uses[of_input.pop()].append(int(np.count_nonzero(each.weights)))
    assert max(uses[True]) <= 4 < max(uses[False]) <= 20
    assert folding.rounds <= 20


@pytest.mark.parametrize(
    ("terms", "lengths", "factor", "wanted"),
    [
        ([5, 3], [2, 2], 4, 3),
        ([0, 0], [2, 2], 4, 0),
        ([4, 4], [4, 4], 8, 1),
        # Two terms at each of four positions, each within four rounds: one multiplier would do eight.
        ([2, 2, 2, 2], [4, 4, 4, 4], 4, 2),
    ],
)
def test_multipliers_of_a_bank_by_hand(terms: list[int], lengths: list[int], factor: int, wanted: int) -> None:
    assert multipliers_of(terms, lengths, factor) == wanted


def test_neighbouring_inputs_meet_in_one_multiplier() -> None:
    """Selections stay small: far fewer inputs to a multiplier than it has rounds."""
    matrix = networks.random_weights(np.random.default_rng(2), (80, 80), FixedFormat(8, 7), 0.7).astype(np.int64)
    folding = Folding.of(matrix, 4, (Pool(0, 80, 40),), 10, 600)
    inputs = [len(each.inputs) for bank in folding.banks for each in bank.multipliers]
    uses = [np.count_nonzero(each.weights) for bank in folding.banks for each in bank.multipliers]
    assert np.mean(inputs) < 0.6 * np.mean(uses)
    assert np.count_nonzero(matrix) / (40 * folding.multipliers) > 0.7


def test_legal_reuse_factors_are_hls4mls() -> None:
    from hls4ml.backends import get_backend

    backend = get_backend("Vitis")
    graph = _graph(cells=10)
    assert legal_reuse_factors(graph, graph["gru"]) == backend.get_valid_reuse_factors(10, 30)
    assert legal_reuse_factors(graph, graph["conv1"]) == backend.get_valid_reuse_factors(30, 4)
    assert legal_reuse_factors(graph, graph["gru_affine"]) == backend.get_valid_reuse_factors(1, 10)
    assert legal_reuse_factors(graph, graph["gru_relu"]) == [1]


@pytest.mark.parametrize(
    ("node", "settings", "message"),
    [
        ("gru_affine", {"reuse_factor": 3}, r"\[hls.layers.gru_affine\] reuse_factor = 3 is not legal; .* 1, 2, 4, 8$"),
        (
            "gru",
            {"reuse_factor": 2, "recurrent_reuse_factor": 3},
            "recurrent_reuse_factor = 3 is not legal; .* 1, 2, 4",
        ),
        ("gru", {"reuse_factor": 5, "recurrent_reuse_factor": 4}, "reuse_factor = 5 is not legal; choose from 1, 2, 4"),
        ("gru", {"reuse_factor": 4, "cells_reuse_factor": 5}, "cells_reuse_factor = 5: .* there are at most 4"),
        (
            "conv1",
            {"cells_reuse_factor": 2},
            "cells_reuse_factor means nothing for 'conv1d'; its settings: reuse_factor",
        ),
        ("gru_relu", {"strategy": "latency"}, "strategy means nothing for 'quantize'; its settings: none"),
        ("conv1", {"strategy": "fastest"}, "strategy = 'fastest' is not one of latency, resource, distributed_arith"),
        ("conv1", {"strategy": "Latency", "reuse_factor": 2}, "'Latency' works out all products at once; .*'resource'"),
        ("conv1", {"strategy": "da", "reuse_factor": 2}, "'da' works out all products at once"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(node: str, settings: dict[str, object], message: str) -> None:
    graph = _graph()
    layer = ops.LayerBuild(graph[node], tuple(graph.sources(graph[node])), LayerHls(**settings))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        ops.find(graph[node]).check(layer)


@pytest.mark.parametrize(
    ("wanted", "factor", "name"),
    [
        (None, 1, "distributed_arithmetic"),
        (None, 2, "resource"),
        ("Latency", 1, "latency"),
        ("RESOURCE", 1, "resource"),
        ("resource", 8, "resource"),
        ("Distributed_Arithmetic", 1, "distributed_arithmetic"),
        ("DA", 1, "distributed_arithmetic"),
    ],
)
def test_strategies_have_hls4mls_names_in_any_case(wanted: str | None, factor: int, name: str) -> None:
    assert choose("conv1", wanted, factor) == name


def test_multipliers_beyond_the_dsp_blocks_are_of_luts() -> None:
    graph = _graph()
    product = _product(graph, graph["conv1"], reuse_factor=2, dsp_multipliers=3)
    text = strategy_of(product).emit(product)
    assert text.count("multiply<x_T, s_T, true>") == 3
    assert text.count("multiply<x_T, s_T, false>") == product.folding.multipliers - 3 > 0


def test_a_large_rom_lies_in_block_ram() -> None:
    matrix = networks.random_weights(np.random.default_rng(1), (40, 40), FixedFormat(8, 7)).astype(np.int64)
    text = strategy_of(_small(matrix, "resource", factor=1600)).emit(_small(matrix, "resource", factor=1600))
    assert "variable=weights0 type=rom_1p impl=bram" in text
    assert "variable=weights0 type=rom_1p impl=lutram" not in text


def test_a_missing_struct_is_named() -> None:
    with pytest.raises(DataError, match="no struct conv9_product"):
        struct_text("int x;", "conv9_product")


def test_each_strategy_has_its_file() -> None:
    folder = Path(ops.__file__).parents[1] / "strategies"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "base"} == set(STRATEGIES)
