"""Nonzero weights as text: nothing for a zero, the same integers read back, legal reuse factors."""

from __future__ import annotations

import networks
import numpy as np
import pytest

from hw_amc.config import LayerHls
from hw_amc.errors import ConfigError, DataError
from hw_amc.graph.fixed import FixedFormat
from hw_amc.hls import count_multiplications, legal_reuse_factors, products, terms


def _graph(sparsity: float = 0.6, cells: int = 8):
    return networks.gru_cnn_graph(np.random.default_rng(3), cells=cells, filters=(4, 3), sparsity=sparsity)


def _product(matrix, reuse_factor: int = 1, fan_in: int | None = None, bias=None):
    matrix = np.asarray(matrix, np.int32)
    bias = np.zeros(matrix.shape[1], np.int32) if bias is None else np.asarray(bias, np.int32)
    return terms.Product("p", matrix, bias, 1, 3, fan_in or len(matrix), reuse_factor, reuse_factor == 1)


def test_the_text_at_reuse_factor_1() -> None:
    assert _product([[0, 3], [-5, 0], [7, 0]], bias=[-2, 0]).emit() == (
        "// p: 3 of 6 weights are not zero; only these are here.\n"
        "template <class x_T, class acc_T> void p(const x_T *x, acc_T *m) {\n"
        "    #pragma HLS INLINE\n"
        "    using hw_amc::mac;\n"
        "    acc_T a;\n"
        "    hw_amc::clear(a); mac(a, x[1], -5); mac(a, x[2], 7); m[0] = hw_amc::total(a, 1, -2 * 8);\n"
        "    hw_amc::clear(a); mac(a, x[0], 3); m[1] = hw_amc::total(a, 1, 0 * 8);\n"
        "}\n"
    )


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_a_zero_weight_costs_nothing_at_any_reuse_factor(sparsity: float) -> None:
    graph = _graph(sparsity)
    for node, (source, *_) in graph.walk():
        for factor in legal_reuse_factors(node):
            for product in products(node, source.fmt, LayerHls(reuse_factor=factor)):
                text = product.emit()
                nonzeros = np.count_nonzero(product.matrix)
                assert count_multiplications(text) == product.multipliers
                if factor == 1:
                    assert product.multipliers == nonzeros
                    assert not any(", 0);" in line for line in text.splitlines())
                else:
                    assert product.multipliers <= nonzeros
                    assert product.multipliers * product.reuse_factor >= nonzeros


@pytest.mark.parametrize("strategy", ["Latency", "Resource"])
def test_the_integers_are_read_back_from_the_text(strategy: str) -> None:
    graph = _graph()
    for node, (source, *_) in graph.walk():
        for factor in legal_reuse_factors(node):
            for product in products(node, source.fmt, LayerHls(reuse_factor=factor, strategy=strategy)):
                text = terms.function_text(f"int before;\n{product.emit()}\nint after;", product.name)
                np.testing.assert_array_equal(terms.parse_matrix(text, product.matrix.shape), product.matrix)
                np.testing.assert_array_equal(terms.parse_bias(text, len(product.bias)), product.bias)


def test_a_schedule_loads_multipliers_evenly_and_gives_each_one_output() -> None:
    rng = np.random.default_rng(0)
    matrix = networks.random_weights(rng, (12, 9), FixedFormat(8, 7), 0.5)
    schedule = terms.Schedule.build(matrix, 12, 4)
    assert (schedule.outputs == schedule.outputs[:, :1]).all()
    loads = (schedule.weights != 0).sum(axis=1)
    assert loads.max() <= 4
    assert len(loads) == sum(-(-int(n) // 4) for n in np.count_nonzero(matrix, axis=0))
    assert schedule.weights.shape[1] == loads.max()


def test_above_the_fan_in_a_multiplier_serves_neighbouring_outputs() -> None:
    matrix = np.arange(1, 13, dtype=np.int32).reshape(2, 6)
    schedule = terms.Schedule.build(matrix, 2, 6)
    assert schedule.outputs.tolist() == [[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]


def test_legal_reuse_factors_are_hls4mls() -> None:
    hls4ml_backends = pytest.importorskip("hls4ml.backends")
    backend = hls4ml_backends.get_backend("Vitis")
    graph = _graph(cells=10)
    gru, conv, affine = (graph[name] for name in ("gru", "conv1", "gru_affine"))
    assert legal_reuse_factors(gru) == backend.get_valid_reuse_factors(10, 30)
    assert legal_reuse_factors(conv) == backend.get_valid_reuse_factors(30, 4)
    assert legal_reuse_factors(affine) == backend.get_valid_reuse_factors(1, 10)
    assert legal_reuse_factors(graph["gru_relu"]) == [1]


def test_an_illegal_reuse_factor_is_refused_with_the_legal_ones() -> None:
    node = _graph()["gru_affine"]
    message = r"\[hls.layers.gru_affine\] reuse_factor = 3 is not legal; choose from 1, 2, 4, 8$"
    with pytest.raises(ConfigError, match=message):
        products(node, node.fmt, LayerHls(reuse_factor=3))


def test_the_input_matrix_takes_the_largest_factor_it_can() -> None:
    graph = _graph()
    kernel, recurrent = products(graph["gru"], graph["input_quant"].fmt, LayerHls(reuse_factor=8))
    assert recurrent.reuse_factor == 8
    assert kernel.reuse_factor == 8  # two inputs, four neighbouring outputs
    kernel, recurrent = products(graph["gru"], graph["input_quant"].fmt, LayerHls(reuse_factor=2))
    assert (kernel.reuse_factor, recurrent.reuse_factor) == (2, 2)


def test_a_missing_function_is_named() -> None:
    with pytest.raises(DataError, match="no function conv9_product"):
        terms.function_text("int x;", "conv9_product")
